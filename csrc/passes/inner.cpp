#include "passes/inner.h"

#include <algorithm>
#include <chrono>

#include "graph/inner_graph.h"

namespace phintys {

namespace {

Ref<const InnerGraph> optimized(const InnerGraph& inner, std::string_view pipeline,
                                const PassOptions& options) {
  Graph graph = inner.graph();
  run_pipeline(pipeline, graph, options, nullptr);
  return InnerGraph::make(graph);
}

void replace_inner(Graph& graph, Apply* node, std::string_view pipeline,
                   const PassOptions& options) {
  std::vector<Ref<const InnerGraph>> graphs;
  for (const Ref<const InnerGraph>& inner : node->op().inner())
    graphs.push_back(optimized(*inner, pipeline, options));
  std::vector<Var> inputs(node->inputs().begin(), node->inputs().end());
  std::vector<Type> types;
  for (int o = 0; o < node->nout(); ++o) types.push_back(node->output(o)->type());
  const LocationScope scope(node->loc);
  const Ref<Apply> fresh =
      Apply::create(node->op().with_inner(std::move(graphs)), std::move(inputs), std::move(types));
  for (int o = 0; o < node->nout(); ++o)
    if (graph.contains(node->output(o))) graph.replace(node->output(o), fresh->out(o));
}

}  // namespace

void optimize_inner(std::string_view name, Graph& graph, const PassOptions& options,
                    std::vector<PassReport>* reports) {
  constexpr const char* kName = "optimize_inner";
  const std::vector<std::string>& excluded = options.excluded;
  if (pipeline(name).empty() || std::count(excluded.begin(), excluded.end(), kName)) return;
  const auto start = std::chrono::steady_clock::now();
  PassOptions inner_options = options;
  inner_options.on_change = nullptr;  // which knows the whole graph only
  const uint64_t before = graph.changes();
  for (Apply* node : graph.toposort())
    if (!node->op().inner().empty()) replace_inner(graph, node, name, inner_options);
  if (graph.changes() == before) return;
  graph.release_dropped();
  if (options.verify) graph.verify();
  if (options.on_change) options.on_change(kName, graph);
  if (!reports) return;
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  reports->push_back({kName, seconds, true, graph.num_nodes()});
}

}  // namespace phintys
