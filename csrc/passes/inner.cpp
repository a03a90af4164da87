#include "passes/inner.h"

#include <algorithm>
#include <chrono>

#include "graph/inner_graph.h"

namespace phintys {

namespace {

void replace_inner(Graph& graph, Apply* node, const InnerStage& stage, const PassOptions& options) {
  std::vector<Ref<const InnerGraph>> graphs;
  bool changed = false;
  for (const Ref<const InnerGraph>& inner : node->op().inner()) {
    Graph work = inner->graph();
    stage(work, options, node->op());
    changed = changed || work.changes() > 0;
    graphs.push_back(work.changes() > 0 ? InnerGraph::make(work) : inner);
  }
  if (!changed) return;
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

void optimize_inner(const InnerStage& stage, Graph& graph, const PassOptions& options,
                    std::vector<PassReport>* reports) {
  constexpr const char* kName = "optimize_inner";
  const std::vector<std::string>& excluded = options.excluded;
  if (std::count(excluded.begin(), excluded.end(), kName)) return;
  const auto start = std::chrono::steady_clock::now();
  PassOptions inner_options = options;
  inner_options.on_change = nullptr;  // which knows the whole graph only
  const uint64_t before = graph.changes();
  for (Apply* node : graph.toposort())
    if (!node->op().inner().empty()) replace_inner(graph, node, stage, inner_options);
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
