#include "passes/rewrite.h"

#include <algorithm>

#include "graph/op.h"

namespace phintys {

RuleSet::RuleSet(std::initializer_list<std::span<const Rule>> tables) {
  for (std::span<const Rule> table : tables) {
    for (const Rule& rule : table) {
      (std::string_view(rule.op) == "*" ? any_ : by_op_[rule.op]).push_back(&rule);
    }
  }
  for (auto& [op, list] : by_op_) list.insert(list.end(), any_.begin(), any_.end());
}

std::span<const Rule* const> RuleSet::rules(std::string_view op) const {
  auto it = by_op_.find(op);
  return it == by_op_.end() ? any_ : it->second;
}

namespace {

class Rewriter {
 public:
  Rewriter(Graph& graph, const RuleSet& rules) : graph_(graph), rules_(rules) {}

  void run() {
    for (Apply* node : graph_.toposort()) push(node);
    // A bound that no terminating set of rules comes near; it turns a pair of rules that undo each
    // other into a slow compilation instead of an endless one.
    size_t budget = 64 * queue_.size() + 4096;
    while (head_ < queue_.size() && budget > 0) {
      Apply* node = queue_[head_++];
      if (head_ > 4096 && head_ * 2 > queue_.size()) {
        queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(head_));
        head_ = 0;
      }
      if (!graph_.contains(node)) continue;
      queued_[node->slot] = 0;
      if (visit(node)) --budget;
    }
  }

 private:
  void push(Apply* node) {
    if (queued_.size() < graph_.num_node_slots()) queued_.resize(graph_.num_node_slots(), 0);
    // A slot may have been reused, so the flag of a dropped node may hide a new one: compare.
    if (queued_[node->slot] == node->id()) return;
    queued_[node->slot] = node->id();
    queue_.push_back(node);
  }

  bool visit(Apply* node) {
    const RuleContext context{graph_};
    for (const Rule* rule : rules_.rules(node->op().name())) {
      LocationScope scope(node->loc);
      const uint64_t mark = newest_id();
      Var result = rule->apply(*node, context);
      if (!result || result.get() == node->output()) continue;
      if (!fits(node->output()->type(), result.type())) continue;
      const Clients users = graph_.clients(node->output());
      graph_.replace(node->output(), result);
      push_new(result.get(), mark);
      for (const Client& c : users) {
        if (c.node && graph_.contains(c.node)) push(c.node);
      }
      return true;
    }
    return false;
  }

  // A dimension known to be 1 broadcasts in the users: that must stay known.
  static bool fits(const Type& old, const Type& now) {
    if (now.dtype() != old.dtype() || now.ndim() != old.ndim()) return false;
    for (int i = 0; i < old.ndim(); ++i) {
      if (old.broadcastable(i) != now.broadcastable(i)) return false;
    }
    return true;
  }

  // Queues the nodes behind `v` that were built after `mark`, inputs first.
  void push_new(Variable* v, uint64_t mark) {
    std::vector<Apply*> fresh;
    std::vector<Variable*> work{v};
    while (!work.empty()) {
      Apply* node = work.back()->owner();
      work.pop_back();
      if (!node || node->id() <= mark || !graph_.contains(node)) continue;
      if (std::find(fresh.begin(), fresh.end(), node) != fresh.end()) continue;
      fresh.push_back(node);
      for (const Var& input : node->inputs()) work.push_back(input.get());
    }
    std::sort(fresh.begin(), fresh.end(), [](Apply* a, Apply* b) { return a->id() < b->id(); });
    for (Apply* node : fresh) push(node);
    // The replacement may also be an old node that now has other users.
    if (fresh.empty() && v->owner()) push(v->owner());
  }

  Graph& graph_;
  const RuleSet& rules_;
  std::vector<Apply*> queue_;
  size_t head_ = 0;
  std::vector<uint64_t> queued_;  // by Apply::slot: id of the node waiting in the queue, or 0
};

}  // namespace

void rewrite_to_fixpoint(Graph& graph, const RuleSet& rules) { Rewriter(graph, rules).run(); }

}  // namespace phintys
