// Cheaper instructions for the same values.
#pragma once

#include "passes/rewrite.h"

namespace phintys {

// Small powers become products, x * x becomes sqr(x), a division by a power of two a product,
// transposed products products of transposed views. Runs after the passes that look for powers and
// quotients.
void specialize(Graph& graph);

}  // namespace phintys
