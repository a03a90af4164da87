#include "ops/advanced_subtensor.h"
#include "ops/subtensor.h"
#include "passes/loops/loop_passes.h"
#include "passes/match.h"

namespace phintys {

namespace {

// x[..., i, j, ...], where some integers are computed and follow one another, no bound of a slice
// is, and all else is constant; else null.
Var taken(const Apply& node) {
  std::vector<IndexEntry> entries = decode_index(op_as<Subtensor>(node).index);
  std::vector<Var> indices;
  int axis = 0, first = -1;
  for (IndexEntry& e : entries) {
    if (e.is_slice) {
      for (const IndexSlot& s : {e.start, e.stop, e.step})
        if (s.kind == SlotKind::input) return {};
    } else if (e.start.kind == SlotKind::input) {
      if (first >= 0 && first + static_cast<int>(indices.size()) != axis) return {};
      if (first < 0) first = axis;
      indices.push_back(node.inputs()[1 + indices.size()]);
      e = IndexEntry::slice();
    } else {
      continue;  // takes an axis away
    }
    ++axis;
  }
  if (indices.empty()) return {};
  while (!entries.empty() && entries.back().is_full()) entries.pop_back();
  const Var& x = node.inputs()[0];
  return advanced_subtensor(entries.empty() ? x : subtensor(x, std::move(entries)),
                            std::move(indices), first);
}

}  // namespace

void take_in_loops(Graph& graph) {
  for (Apply* node : graph.toposort()) {
    if (!owner_if(node->output(), Subtensor::kName) || node->nin() == 1) continue;
    const LocationScope scope(node->loc);
    const Var copy = taken(*node);
    if (copy && copy.dtype() == node->output()->dtype() && copy.ndim() == node->output()->ndim())
      graph.replace(node->output(), copy);
  }
}

}  // namespace phintys
