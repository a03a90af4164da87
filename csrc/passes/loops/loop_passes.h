// Passes over loops (docs/architecture.md says what each is for).
#pragma once

#include "graph/graph.h"

namespace phintys {

// Loops that run the same number of steps, and of which none needs the other's results, become one.
void merge_loops(Graph& graph);
// Leaves out of every loop what nobody uses: outputs, states, operands.
void trim_loops(Graph& graph);
// What is the same in each step is computed before the loop.
void hoist_from_loops(Graph& graph);
// States that only add up become products and sums after the loop.
void push_out_accumulations(Graph& graph);
// Products with constants that no later step needs are made after the loop, for all steps at once.
void push_out_results(Graph& graph);
// What depends on no state is computed for all steps at once, before the loop or in its place.
void batch_out_of_loops(Graph& graph);
// In a body: elements at a computed place are copied, as a view of them would have to be laid out
// in each step.
void take_in_loops(Graph& graph);
// Keeps of a state only its last rows where nobody reads others.
void save_loop_memory(Graph& graph);

}  // namespace phintys
