// Puts the expressions inside of ops made from graphs in the ops' places. It is done whatever the
// mode, since nothing runs such an op.
#pragma once

#include "graph/graph.h"

namespace phintys {

bool has_inline_graphs(const Graph& graph);
void inline_graphs(Graph& graph);

// The same within the graphs inside other ops: loops, branches.
bool has_inline_graphs_inside(const Graph& graph);
void inline_graphs_inside(Graph& graph);

}  // namespace phintys
