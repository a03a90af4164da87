// Cancelling over whole chains of products and sums.
#pragma once

#include "graph/graph.h"

namespace phintys {

// x * y * z / (y * x) -> z, and x + y + z - (y + x) -> z, however the chain is nested: what is
// there as a factor and as a divisor (with plus and with minus) goes, and constants of a chain
// become one. What is left stays nested as it was. Inner nodes that others use are leaves of the
// chain, so the work is linear in the graph. Products of floating numbers, sums of these and of
// integers. True iff it changed something.
bool cancel_in_chains(Graph& graph);

}  // namespace phintys
