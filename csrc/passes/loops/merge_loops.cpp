#include "base/id_map.h"
#include "passes/loops/loop.h"
#include "passes/loops/loop_passes.h"

namespace phintys {

namespace {

// Loops of one graph that are tried with each other at most.
constexpr size_t kMaxLoops = 64;

bool depends_on(const Apply* node, const Apply* other) {
  IdMap<bool> seen;
  std::vector<const Apply*> todo{node};
  while (!todo.empty()) {
    const Apply* n = todo.back();
    todo.pop_back();
    if (n == other) return true;
    if (!seen.insert(n->id(), true).second) continue;
    for (const Var& v : n->inputs())
      if (v->owner()) todo.push_back(v->owner());
  }
  return false;
}

bool alike(const Apply& a, const Apply& b) {
  const Scan &x = *as_scan(&a), &y = *as_scan(&b);
  return a.input(0) == b.input(0) && !x.until && !y.until && x.truncate == y.truncate &&
         x.recompute == y.recompute && x.same_settings(y);
}

template <class T>
void append(std::vector<T>* to, const std::vector<T>& from) {
  to->insert(to->end(), from.begin(), from.end());
}

Apply* merged(Graph& graph, Apply* a, Apply* b) {
  Loop both(a), other(b, true);
  append(&both.states, other.states);
  append(&both.sequences, other.sequences);
  append(&both.constants, other.constants);
  append(&both.emitted, other.emitted);
  both.unify();
  return both.replace(graph).get();
}

}  // namespace

void merge_loops(Graph& graph) {
  std::vector<Apply*> loops;
  for (Apply* node : graph.toposort())
    if (as_scan(node) && loops.size() < kMaxLoops) loops.push_back(node);
  // A later loop may need an earlier one, never the other way round; a merged one takes the place
  // of the earlier.
  for (size_t i = 0; i < loops.size(); ++i) {
    for (size_t j = i + 1; j < loops.size();) {
      if (!alike(*loops[i], *loops[j]) || depends_on(loops[j], loops[i])) {
        ++j;
        continue;
      }
      loops[i] = merged(graph, loops[i], loops[j]);
      loops.erase(loops.begin() + static_cast<std::ptrdiff_t>(j));
    }
  }
}

}  // namespace phintys
