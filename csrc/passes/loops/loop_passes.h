// Passes over loops (docs/architecture.md says what each is for).
#pragma once

#include "graph/graph.h"

namespace phintys {

// Loops that run the same number of steps, and of which none needs the other's results, become one.
void merge_loops(Graph& graph);
// Leaves out of every loop what nobody uses: outputs, states, operands.
void trim_loops(Graph& graph);
// Keeps of a state only its last rows where nobody reads others.
void save_loop_memory(Graph& graph);

}  // namespace phintys
