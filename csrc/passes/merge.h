// Common subexpressions: computes everything once.
#pragma once

#include "graph/graph.h"

namespace phintys {

// Merges nodes with equal ops and the same inputs, and constants with the same dtype, shape and
// bits. One walk in topological order suffices, since the inputs of a node are merged before it.
// Nodes with a name keep it: the survivor is the one that comes first. A node whose op says that
// two applications differ (Op::equal) is left alone.
void merge(Graph& graph);

}  // namespace phintys
