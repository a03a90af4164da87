#include <algorithm>

#include "base/id_map.h"
#include "graph/traverse.h"
#include "ops/dot.h"
#include "passes/loops/loop_passes.h"
#include "passes/loops/outside.h"
#include "passes/match.h"

namespace phintys {

namespace {

// Emitted values that no later step depends on, and that products with constants of the loop are
// behind: these are computed after the loop, as one product, from rows that the loop stores. It
// stores other ones for that only in place of those that it needs no longer.
class PushOut {
 public:
  PushOut(Graph* graph, Apply* node) : graph_(*graph), loop_(node), outside_(&loop_) {}

  void run() {
    std::vector<Var> fresh;
    for (const Loop::State& s : loop_.states) fresh.push_back(s.fresh);
    for (const Var& v : ancestors(fresh)) needed_.insert(v->id(), true);
    const std::vector<Loop::Emitted> emitted = loop_.emitted;
    for (const Loop::Emitted& e : emitted) {
      if (e.stacks.empty() || needed_.contains(e.value->id())) continue;
      const Var rows = push(e.value);
      if (!rows) continue;
      std::erase_if(loop_.emitted, [&](const Loop::Emitted& x) { return x.value == e.value; });
      for (Variable* stack : e.stacks)
        if (graph_.contains(stack)) graph_.replace(stack, rows);
      changed_ = true;
    }
    if (!changed_) return;
    loop_.drop_unused(graph_);
    if (!loop_.states.empty() || !loop_.emitted.empty()) loop_.replace(graph_);
  }

 private:
  // What the part of the body that only `value` needs starts from.
  struct Part {
    std::vector<const Apply*> nodes;  // operands first
    std::vector<Var> missing;         // rows that the loop does not store yet
  };

  Part part_behind(const Var& value) {
    Part part;
    IdMap<bool> inside;
    std::vector<Var> todo{value};
    while (!todo.empty()) {
      const Var v = todo.back();
      todo.pop_back();
      if (!inside.insert(v->id(), true).second) continue;
      const Apply* node = v->owner();
      const bool stored = !(v == value) && outside_.lifter().find(v.get());
      if (stored) continue;
      if (!node || needed_.contains(v->id())) {
        part.missing.push_back(v);
        continue;
      }
      part.nodes.push_back(node);
      todo.insert(todo.end(), node->inputs().begin(), node->inputs().end());
    }
    std::vector<const Apply*> ordered;
    for (const Apply* node : toposort(std::vector<Var>{value}))
      if (std::find(part.nodes.begin(), part.nodes.end(), node) != part.nodes.end())
        ordered.push_back(node);
    part.nodes = std::move(ordered);
    return part;
  }

  // A product of which one factor is the same in each step.
  bool is_product(const Apply& node) {
    if (!owner_if(node.output(), Dot::kName)) return false;
    int same = 0;
    for (const Var& v : node.inputs()) {
      const Lifted known = outside_.stored(v);
      same += known && !known.timed;
    }
    return same == 1;
  }

  // All rows of `value`, computed outside; null if that does not pay.
  Var push(const Var& value) {
    const Part part = part_behind(value);
    if (part.missing.size() > 1) return {};
    for (const Var& v : part.missing)
      if (!outside_.has_steady_shape(v)) return {};
    int64_t most = row_elements(value.type());
    for (const Var& v : part.missing) most = std::max(most, row_elements(v.type()));
    bool pays = false;
    for (const Apply* node : part.nodes) {
      pays = pays || is_product(*node);
      if (row_elements(node->output()->type()) > most) return {};
    }
    if (!pays) return {};
    // Tried before anything is stored for it.
    Lifter& lifter = outside_.lifter();
    const Lifted own = lifter.find(value.get());
    lifter.put(value.get(), {});
    Lifter trial = lifter;
    for (const Var& v : part.missing)
      trial.put(v.get(), {make_variable(rows_type(v.type())), true});
    for (const Apply* node : part.nodes) {
      if (trial.lift(*node)) continue;
      lifter.put(value.get(), own);
      return {};
    }
    for (const Var& v : part.missing) outside_.rows_of(v);
    for (const Apply* node : part.nodes) lifter.lift(*node);
    const Lifted rows = outside_.lifter().find(value.get());
    return rows.timed ? rows.value : Var();
  }

  Graph& graph_;
  Loop loop_;
  Outside outside_;
  IdMap<bool> needed_;  // behind the next steps' states
  bool changed_ = false;
};

}  // namespace

void push_out_results(Graph& graph) {
  for (Apply* node : graph.toposort())
    if (as_scan(node) && graph.contains(node) && !as_scan(node)->until) PushOut(&graph, node).run();
}

}  // namespace phintys
