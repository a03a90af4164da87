// Loops that were extended for a gradient take the place of the original ones.
#pragma once

#include "graph/graph.h"

namespace phintys {

// A gradient reads values of a loop's steps from a second loop, which computes all that the first
// one does and stores more (Scan::extends). Where both have the same inputs, what used the first
// one now uses the second, so that one of them runs. Goes before all that replaces ops: which op
// is extended is told by its address.
void loops_extend(Graph& graph);

}  // namespace phintys
