#include "vm/chains.h"

#include <algorithm>
#include <functional>
#include <queue>

#include "ops/elementwise/table.h"

namespace phintys::vm {

int step_arity(const FusedStep& s) { return s.op < 0 ? 1 : ops::elementwise_info(s.op).arity; }

namespace {

// Steps in an order that their operands allow: after a cheap step, one that takes its result, if
// there is any; otherwise the first that is ready.
class Scheduler {
 public:
  Scheduler(const FusedOp& op, const std::vector<bool>& cheap)
      : op_(op), cheap_(cheap), users_(op.steps.size()), waits_(op.steps.size(), 0) {
    for (size_t s = 0; s < op.steps.size(); ++s) {
      const FusedStep& step = op.steps[s];
      for (int j = 0; j < step_arity(step); ++j) {
        const int from = step.args[j] - op.n_inputs;
        if (from < 0) continue;
        users_[static_cast<size_t>(from)].push_back(static_cast<int>(s));
        ++waits_[s];
      }
      if (waits_[s] == 0) ready_.push(static_cast<int>(s));
    }
  }

  ChainPlan run() {
    ChainPlan plan;
    done_.assign(op_.steps.size(), false);
    int last = -1;
    while (plan.order.size() < op_.steps.size()) {
      int next = last < 0 ? -1 : follower(last);
      plan.continues.push_back(next >= 0);
      if (next < 0) next = first_ready();
      plan.order.push_back(next);
      finish(next);
      last = next;
    }
    return plan;
  }

 private:
  bool cheap(int s) const { return cheap_[static_cast<size_t>(s)]; }

  int follower(int last) const {
    if (!cheap(last)) return -1;
    for (int s : users_[static_cast<size_t>(last)]) {
      const auto i = static_cast<size_t>(s);
      if (waits_[i] == 0 && cheap(s) && !done_[i] &&
          op_.steps[i].compute == op_.steps[static_cast<size_t>(last)].compute)
        return s;
    }
    return -1;
  }

  int first_ready() {
    for (;;) {
      const int s = ready_.top();
      ready_.pop();
      if (!done_[static_cast<size_t>(s)]) return s;
    }
  }

  void finish(int s) {
    done_[static_cast<size_t>(s)] = true;
    for (int user : users_[static_cast<size_t>(s)])
      if (--waits_[static_cast<size_t>(user)] == 0) ready_.push(user);
  }

  const FusedOp& op_;
  const std::vector<bool>& cheap_;
  std::vector<std::vector<int>> users_;  // of each step; twice if it is two operands
  std::vector<int> waits_;               // operands that are still to be computed
  std::vector<bool> done_;
  std::priority_queue<int, std::vector<int>, std::greater<int>> ready_;
};

}  // namespace

ChainPlan plan_chains(const FusedOp& op, const std::vector<bool>& cheap) {
  if (std::find(cheap.begin(), cheap.end(), true) != cheap.end()) return Scheduler(op, cheap).run();
  ChainPlan plan;
  for (size_t s = 0; s < op.steps.size(); ++s) plan.order.push_back(static_cast<int>(s));
  plan.continues.assign(op.steps.size(), false);
  return plan;
}

int row_to_hold(const FusedOp& op, const ChainPlan& plan, size_t begin, size_t end, int loaded,
                const std::vector<bool>& single_value) {
  std::vector<int> reads(single_value.size(), 0);
  std::vector<bool> computed(single_value.size(), false);  // in this chain
  int previous = loaded, best = -1;
  for (size_t p = begin; p < end; ++p) {
    const FusedStep& s = op.steps[static_cast<size_t>(plan.order[p])];
    for (int j = 0; j < step_arity(s); ++j) {
      const auto r = static_cast<size_t>(s.args[j]);
      if (s.args[j] == previous || single_value[r] || computed[r]) continue;
      if (++reads[r] > (best < 0 ? 0 : reads[static_cast<size_t>(best)])) best = s.args[j];
    }
    previous = op.n_inputs + plan.order[p];
    computed[static_cast<size_t>(previous)] = true;
  }
  // Strips of half the width run each step twice as often, which costs about a quarter of a row's
  // reads; below four reads there was nothing to gain.
  const int n = best < 0 ? 0 : reads[static_cast<size_t>(best)];
  return n >= 4 && 4 * n >= static_cast<int>(end - begin) ? best : -1;
}

}  // namespace phintys::vm
