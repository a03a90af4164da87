#include "base/id_map.h"
#include "graph/traverse.h"
#include "passes/loops/lift.h"
#include "passes/loops/loop.h"
#include "passes/loops/loop_passes.h"

namespace phintys {

namespace {

class Hoist {
 public:
  explicit Hoist(Loop* loop) : loop_(loop), lifter_(loop->steps) {
    for (const Loop::Constant& k : loop_->constants) {
      lifter_.put(k.inside.get(), {k.outer, false});
      same_.insert(k.inside->id(), false);
    }
  }

  bool run() {
    const std::vector<Var> results = loop_->results();
    const std::vector<Apply*> order = toposort(results);
    for (const Apply* node : order) visit(*node);
    for (const Apply* node : order) {
      if (node->nout() == 1 && same_.contains(node->output()->id())) continue;
      for (const Var& v : node->inputs()) need(v);
    }
    for (const Var& v : results) need(v);
    return found_;
  }

 private:
  // Notes whether what a node computes is the same in each step, and whether it is worth anything.
  void visit(const Apply& node) {
    bool worth = !is_loop_view(node.op());
    bool constants = true;
    for (const Var& v : node.inputs()) {
      const bool* known = same_.find(v->id());
      if (!known && !v->is_constant()) return;
      constants = constants && !known;
      worth = worth || (known && *known);
    }
    if (!constants && lifter_.lift(node)) same_.insert(node.output()->id(), worth);
  }

  // Views stay inside: they cost nothing, and products know transposed matrices by them.
  void need(const Var& v) {
    const bool* worth = same_.find(v->id());
    if (!worth || !*worth || !done_.insert(v->id(), true).second) return;
    if (is_loop_view(v->owner()->op())) {
      for (const Var& u : v->owner()->inputs()) need(u);
      return;
    }
    loop_->constants.push_back({lifter_.find(v.get()).value, v});
    found_ = true;
  }

  Loop* loop_;
  Lifter lifter_;
  IdMap<bool> same_;  // in each step; the value: whether it takes more than views to compute
  IdMap<bool> done_;
  bool found_ = false;
};

}  // namespace

void hoist_from_loops(Graph& graph) {
  for (Apply* node : graph.toposort()) {
    if (!as_scan(node)) continue;
    Loop loop(node);
    if (!Hoist(&loop).run()) continue;
    loop.drop_unused(graph);
    loop.replace(graph);
  }
}

}  // namespace phintys
