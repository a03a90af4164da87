#include <algorithm>

#include "base/id_map.h"
#include "graph/traverse.h"
#include "ops/build.h"
#include "ops/dot.h"
#include "passes/loops/lift.h"
#include "passes/loops/loop.h"
#include "passes/loops/loop_passes.h"
#include "passes/match.h"

namespace phintys {

namespace {

// What depends on no state. Of it, a value is computed outside, for all steps at once, if that
// takes no more memory than the sequences that it is made of (but for products), and if a product
// or a costly function is behind it: the rest is done better next to what uses it. An emitted value
// goes outside as a whole, and the loop with the last of them.
class BatchOut {
 public:
  BatchOut(Graph* graph, Apply* node) : graph_(*graph), loop_(node), lifter_(loop_.steps) {
    for (const Loop::Constant& k : loop_.constants) lifter_.put(k.inside.get(), {k.outer, false});
    for (const Loop::Sequence& s : loop_.sequences) {
      const bool sure = surely_has_rows(s.rows, loop_.steps);
      // One that may be too short stays inside if it could meet another: the loop says what is
      // wrong, while expressions of all rows would only say that lengths differ.
      if (!sure && loop_.sequences.size() > 1 && !computed_by_loop(s.rows)) continue;
      lifter_.put(s.row.get(), {sequence_rows(s.rows, loop_.steps), true});
      facts_.insert(s.row->id(), {false, true, sure, 0});
    }
  }

  // Rows that a loop made, perhaps viewed: a gradient reads as many as that loop has steps.
  static bool computed_by_loop(Var rows) {
    while (rows->owner() && is_loop_view(rows->owner()->op())) rows = rows->owner()->inputs()[0];
    return as_scan(rows->owner()) != nullptr;
  }

  void run() {
    const std::vector<Apply*> order = toposort(loop_.results());
    for (const Apply* node : order) visit(*node);
    const bool emits_less = push_emitted();
    for (const Apply* node : order) {
      const Fact* fact = node->nout() == 1 ? facts_.find(node->output()->id()) : nullptr;
      if (fact && fact->fits) continue;
      for (const Var& v : node->inputs()) cut(v);
    }
    for (const Loop::State& s : loop_.states) cut(s.fresh);
    for (const Loop::Emitted& e : loop_.emitted) cut(e.value);
    if (!emits_less && !found_) return;
    loop_.drop_unused(graph_);
    if (!loop_.states.empty() || !loop_.emitted.empty()) loop_.replace(graph_);
  }

 private:
  struct Fact {
    bool gains = false;   // a product or a costly function is behind it
    bool fits = false;    // all steps of it take no more memory than what it is made of
    bool sure = false;    // the sequences behind it have enough rows
    int64_t largest = 0;  // row that is computed on the way
  };

  void visit(const Apply& node) {
    const Lifted lifted = lifter_.lift(node);
    if (!lifted || !lifted.timed) return;
    const bool product = owner_if(node.output(), Dot::kName) != nullptr;
    Fact fact{is_costly_elementwise(node.op()), true, true, row_elements(node.output()->type())};
    int64_t made_of = 0;
    int timed = 0;
    for (const Var& v : node.inputs()) {
      if (!lifter_.find(v.get()).timed) continue;
      const Fact& f = *facts_.find(v->id());
      fact.gains = fact.gains || f.gains;
      fact.fits = fact.fits && f.fits;
      fact.sure = fact.sure && f.sure;
      fact.largest = std::max(fact.largest, f.largest);
      made_of += row_elements(v.type());
      ++timed;
    }
    if (product && timed == 1) {
      fact.gains = true;
    } else {
      fact.fits = fact.fits && row_elements(node.output()->type()) <= made_of;
    }
    facts_.insert(node.output()->id(), fact);
  }

  // The emitted values that need no loop.
  bool push_emitted() {
    bool pushed = false;
    std::erase_if(loop_.emitted, [&](const Loop::Emitted& e) {
      const Lifted all = lifter_.find(e.value.get());
      if (!all) return false;
      const Fact* fact = facts_.find(e.value->id());
      const bool enough = all.timed ? fact->sure : surely_has_rows(Var(), loop_.steps);
      if (!enough || (fact && !fact->fits && fact->largest > row_elements(e.value.type())))
        return false;
      Var rows = all.value;
      if (!all.timed) {
        std::vector<Var> dims = shape_list(rows);
        dims.insert(dims.begin(), loop_.steps);
        rows = alloc(rows, std::move(dims));
      }
      for (Variable* stack : e.stacks)
        if (graph_.contains(stack)) graph_.replace(stack, rows);
      pushed = true;
      return true;
    });
    return pushed;
  }

  // Computes `v` outside, if that is worth it; views of it stay inside.
  void cut(const Var& v) {
    const Fact* fact = facts_.find(v->id());
    if (!fact || !fact->fits || !fact->gains || !done_.insert(v->id(), true).second) return;
    if (is_loop_view(v->owner()->op())) {
      for (const Var& u : v->owner()->inputs()) cut(u);
      return;
    }
    loop_.sequences.push_back({lifter_.find(v.get()).value, v});
    found_ = true;
  }

  Graph& graph_;
  Loop loop_;
  Lifter lifter_;
  IdMap<Fact> facts_;  // of what changes from step to step and depends on no state
  IdMap<bool> done_;
  bool found_ = false;
};

}  // namespace

void batch_out_of_loops(Graph& graph) {
  for (Apply* node : graph.toposort())
    if (as_scan(node) && graph.contains(node) && !as_scan(node)->until)
      BatchOut(&graph, node).run();
}

}  // namespace phintys
