// Shapes are computed from shapes, not from values.
#pragma once

#include "graph/graph.h"

namespace phintys {

// Replaces every Shape_i of a computed variable by an expression of the shapes of the graph's
// inputs, as far as the ops know (Op::infer_shape), and the operand that second() only takes its
// shape from by the earliest ancestor of the same pattern: what nobody needs but for its shape is
// then never computed. Mismatches of shapes in parts that are no longer computed are not reported.
void shape_lift(Graph& graph);

}  // namespace phintys
