// Only the branch that is taken runs.
#pragma once

#include "graph/graph.h"

namespace phintys {

// Turns every IfElse into a Branch that holds, for each side, the nodes that this side alone needs;
// what both sides or others need stays where it is. Choices by one condition that do not depend on
// each other become one, so that what they share is lazy too. An IfElse whose values are all needed
// elsewhere stays: it is a view of one of them. Part of the meaning of a graph, therefore of
// lowering; expects merge.
void lazy_branches(Graph& graph);

}  // namespace phintys
