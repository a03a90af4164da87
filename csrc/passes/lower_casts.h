// Casts that were implied become nodes.
#pragma once

#include "graph/graph.h"

namespace phintys {

// Elemwise nodes take operands of any dtypes and a Reduce accumulates in a dtype of its own: here
// every operand gets the cast to the dtype that the kernel computes in. Afterwards the
// non-condition operands of an Elemwise have one dtype, and that of a Reduce is what it accumulates
// in. Fails with a type error where no kernel of an op computes in the dtype that its rule gives.
void lower_casts(Graph& graph);

}  // namespace phintys
