#include <algorithm>

#include "passes/loops/loop.h"
#include "passes/loops/loop_passes.h"

namespace phintys {

void trim_loops(Graph& graph) {
  std::vector<Apply*> order = graph.toposort();
  // Users first: a loop that loses an operand may leave another without users.
  std::reverse(order.begin(), order.end());
  for (Apply* node : order) {
    if (!as_scan(node) || !graph.contains(node)) continue;
    Loop loop(node);
    auto size = [&] {
      return loop.states.size() + loop.sequences.size() + loop.constants.size() +
             loop.emitted.size();
    };
    const size_t before = size();
    loop.drop_unused(graph);
    if (size() != before && loop.states.size() + loop.emitted.size() > 0) loop.replace(graph);
  }
}

}  // namespace phintys
