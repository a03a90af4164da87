// Matrix products with what is scaled and added to them as one call.
#pragma once

#include "graph/graph.h"

namespace phintys {

// c + a @ b and its scaled and signed forms become Gemm or Gemv, with constant factors as alpha and
// beta and transposes as flags: where c dies, so that its memory takes the result, or where it is
// a shared variable's or an input's value and the sum is an output (w - 0.1 * dot(x.T, g)). Any
// other sum stays an elementwise operation, which fuses with its users.
void blas(Graph& graph);

}  // namespace phintys
