#include "passes/inline_graphs.h"

#include <algorithm>

#include "graph/inner_graph.h"
#include "ops/control/op_from_graph.h"

namespace phintys {

namespace {

const OpFromGraph* as_op_from_graph(const Apply* node) {
  return node ? dynamic_cast<const OpFromGraph*>(&node->op()) : nullptr;
}

// Whether an op made from a graph lies inside a node; as deep as graphs lie in one another.
bool inside(const Apply* node) {
  if (!node) return false;
  const auto inner = node->op().inner();
  return std::any_of(inner.begin(), inner.end(), [](const Ref<const InnerGraph>& graph) {
    return std::any_of(graph->nodes().begin(), graph->nodes().end(),
                       [](const Apply* n) { return as_op_from_graph(n) || inside(n); });
  });
}

template <class F>
bool any_node(const Graph& graph, F&& f) {
  for (size_t slot = 0; slot < graph.num_node_slots(); ++slot)
    if (f(graph.node_at(slot))) return true;
  return false;
}

void replace_outputs(Graph& graph, Apply* node, const std::vector<Var>& outputs) {
  for (int o = 0; o < node->nout(); ++o)
    if (graph.contains(node->output(o)))
      graph.replace(node->output(o), outputs[static_cast<size_t>(o)]);
}

// A node with a loop or a branch, made again.
std::vector<Var> with_expanded_graphs(const Apply& node) {
  std::vector<Ref<const InnerGraph>> graphs;
  for (const Ref<const InnerGraph>& inner : node.op().inner()) {
    Graph graph = inner->graph();
    inline_graphs(graph);
    inline_graphs_inside(graph);
    graphs.push_back(InnerGraph::make(graph));
  }
  std::vector<Type> types;
  for (int o = 0; o < node.nout(); ++o) types.push_back(node.output(o)->type());
  std::vector<Var> inputs(node.inputs().begin(), node.inputs().end());
  const LocationScope scope(node.loc);
  const Ref<Apply> fresh =
      Apply::create(node.op().with_inner(std::move(graphs)), std::move(inputs), std::move(types));
  std::vector<Var> outputs;
  for (int o = 0; o < fresh->nout(); ++o) outputs.push_back(fresh->out(o));
  return outputs;
}

}  // namespace

bool has_inline_graphs(const Graph& graph) {
  return any_node(graph, [](const Apply* node) { return as_op_from_graph(node) != nullptr; });
}

bool has_inline_graphs_inside(const Graph& graph) { return any_node(graph, inside); }

void inline_graphs(Graph& graph) {
  // What is put in place may hold such ops again.
  while (has_inline_graphs(graph)) {
    for (Apply* node : graph.toposort())
      if (const OpFromGraph* op = as_op_from_graph(node))
        replace_outputs(graph, node, op->graph->inlined(node->inputs()));
    graph.release_dropped();
  }
}

void inline_graphs_inside(Graph& graph) {
  for (Apply* node : graph.toposort())
    if (inside(node)) replace_outputs(graph, node, with_expanded_graphs(*node));
  graph.release_dropped();
}

}  // namespace phintys
