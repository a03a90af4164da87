#include "passes/pass.h"

#include <algorithm>
#include <chrono>

namespace phintys {

void run_pass(const Pass& pass, Graph& graph, const PassOptions& options,
              std::vector<PassReport>* reports) {
  const auto& excluded = options.excluded;
  if (std::find(excluded.begin(), excluded.end(), pass.name) != excluded.end()) return;
  // A pass is a function of the graph: what it left alone once it would leave alone again.
  const void* key = reinterpret_cast<const void*>(pass.run);
  if (graph.is_settled(key)) {
    if (reports) reports->push_back({pass.name, 0, false, graph.num_nodes()});
    return;
  }
  const uint64_t before = graph.changes();
  const auto start = std::chrono::steady_clock::now();
  graph.remember_order();
  pass.run(graph);
  graph.release_dropped();
  const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
  const bool changed = graph.changes() != before;
  if (reports) reports->push_back({pass.name, time.count(), changed, graph.num_nodes()});
  if (!changed) {
    graph.set_settled(key);
    return;
  }
  if (options.verify) {
    try {
      graph.verify();
    } catch (const Error& e) {
      fail(ErrorKind::internal, "after pass ", pass.name, ": ", e.what());
    }
  }
  if (options.on_change) options.on_change(pass.name, graph);
}

}  // namespace phintys
