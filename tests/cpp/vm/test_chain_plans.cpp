// Which steps of a region run as chains, and in which order.
#include <doctest/doctest.h>

#include <algorithm>
#include <ctime>
#include <limits>
#include <random>
#include <vector>

#include "ops/elementwise/table.h"
#include "vm/chains.h"

using namespace phintys;
using namespace phintys::vm;

namespace {

constexpr int kInputs = 2;

// A region of which the plan looks at operands and dtypes alone.
struct Steps {
  Ref<FusedOp> op = make_ref<FusedOp>();
  std::vector<bool> cheap;

  Steps() { op->n_inputs = kInputs; }
  int size() const { return static_cast<int>(op->steps.size()); }
  // A step of the registers `args`: inputs, then steps. Returns its register.
  int add(std::vector<int> args, DType d = DType::f32, bool is_cheap = true) {
    static const int kOps[] = {ops::elementwise_index("neg"), ops::elementwise_index("add"),
                               ops::elementwise_index("mul_add")};
    FusedStep s{kOps[args.size() - 1], d, d, {-1, -1, -1}, {}};
    std::copy(args.begin(), args.end(), s.args);
    op->steps.push_back(s);
    cheap.push_back(is_cheap);
    return kInputs + size() - 1;
  }
  const FusedStep& step(int s) const { return op->steps[static_cast<size_t>(s)]; }
  bool can_follow(int s, int last) const {
    return cheap[static_cast<size_t>(s)] && cheap[static_cast<size_t>(last)] &&
           step(s).compute == step(last).compute;
  }
};

bool takes(const FusedStep& step, int reg) {
  return std::find(step.args, step.args + 3, reg) != step.args + 3;
}

// Everything that a plan promises.
void check(const Steps& steps, const ChainPlan& plan) {
  const auto n = static_cast<size_t>(steps.size());
  REQUIRE(plan.order.size() == n);
  REQUIRE(plan.continues.size() == n);
  std::vector<std::vector<int>> users(n);
  std::vector<bool> done(n, false);
  const auto ready = [&](int s) {
    const FusedStep& step = steps.step(s);
    return std::all_of(step.args, step.args + 3, [&](int reg) {
      return reg < kInputs || done[static_cast<size_t>(reg - kInputs)];
    });
  };
  for (int s = 0; s < steps.size(); ++s)
    for (const int reg : steps.step(s).args)
      if (reg >= kInputs) users[static_cast<size_t>(reg - kInputs)].push_back(s);
  int early = 0, twice = 0, torn = 0, missed = 0;
  for (size_t p = 0; p < n; ++p) {
    const int s = plan.order[p];
    REQUIRE(s >= 0);
    REQUIRE(s < steps.size());
    twice += done[static_cast<size_t>(s)];
    early += !ready(s);
    const int last = p == 0 ? -1 : plan.order[p - 1];
    if (plan.continues[p]) {
      torn += last < 0 || !steps.can_follow(s, last) || !takes(steps.step(s), kInputs + last);
    } else if (last >= 0) {
      // No chain ends while there is a step that could go on.
      for (const int user : users[static_cast<size_t>(last)])
        missed += steps.can_follow(user, last) && ready(user);
    }
    done[static_cast<size_t>(s)] = true;
  }
  CHECK(twice == 0);
  CHECK(early == 0);
  CHECK(torn == 0);
  CHECK(missed == 0);
}

int chains(const ChainPlan& plan) {
  return static_cast<int>(std::count(plan.continues.begin(), plan.continues.end(), false));
}

ChainPlan planned(const Steps& steps) {
  ChainPlan plan = plan_chains(*steps.op, steps.cheap);
  check(steps, plan);
  return plan;
}

Steps one_chain(int n) {
  Steps steps;
  int last = 0;
  for (int s = 0; s < n; ++s) last = s % 3 == 0 ? steps.add({last}) : steps.add({1, last});
  return steps;
}

// One value with `n` users, and their sum.
Steps fan(int n) {
  Steps steps;
  const int first = steps.add({0, 1});
  std::vector<int> users;
  for (int s = 0; s < n; ++s) users.push_back(steps.add({first, s % 2}));
  int sum = users[0];
  for (int s = 1; s < n; ++s) sum = steps.add({sum, users[static_cast<size_t>(s)]});
  return steps;
}

Steps random_steps(std::mt19937& random, int n, unsigned near) {
  Steps steps;
  for (int s = 0; s < n; ++s) {
    std::vector<int> args;
    for (unsigned j = 0; j <= random() % 3; ++j) {
      const unsigned back = 1 + static_cast<unsigned>(random() % near);
      const int reg = kInputs + s - static_cast<int>(back);
      args.push_back(std::max(reg, static_cast<int>(random() % kInputs)));
    }
    if (args.size() > 1 && random() % 8 == 0) args[1] = args[0];
    steps.add(args, random() % 4 == 0 ? DType::f64 : DType::f32, random() % 5 != 0);
  }
  return steps;
}

// The least of three times of processor, in seconds.
template <class F>
double seconds(F&& f) {
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < 3; ++i) {
    const std::clock_t start = std::clock();
    f();
    best = std::min(best, static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC);
  }
  return best;
}

}  // namespace

TEST_CASE("nothing to plan") {
  CHECK(planned(Steps()).order.empty());
  Steps steps;
  for (int s = 0; s < 5; ++s) steps.add({1, std::max(0, kInputs + s - 1)}, DType::f32, false);
  const ChainPlan plan = planned(steps);
  CHECK(plan.order == std::vector<int>{0, 1, 2, 3, 4});
  CHECK(chains(plan) == 5);
}

TEST_CASE("what interrupts a chain") {
  Steps steps;
  const int a = steps.add({0, 1});
  const int b = steps.add({a, a});                  // the same operand twice
  const int c = steps.add({b}, DType::f32, false);  // not cheap
  const int d = steps.add({c, 0});
  const int e = steps.add({d}, DType::f64);  // another dtype
  steps.add({e, 1}, DType::f64);
  const ChainPlan plan = planned(steps);
  CHECK(plan.order == std::vector<int>{0, 1, 2, 3, 4, 5});
  CHECK(plan.continues == std::vector<bool>{false, true, false, false, false, true});
}

TEST_CASE("a step that waits for another chain") {
  // (x + y) * -(y + y): the second factor first, or its chain goes on with the product.
  Steps steps;
  const int sum = steps.add({0, 1});
  const int other = steps.add({1, 1});
  const int negative = steps.add({other});
  steps.add({sum, negative});
  const ChainPlan plan = planned(steps);
  CHECK(plan.order == std::vector<int>{0, 1, 2, 3});
  CHECK(plan.continues == std::vector<bool>{false, false, true, true});
}

TEST_CASE("deep chains and wide fans") {
  CHECK(chains(planned(one_chain(500))) == 1);
  // The first user goes on; each other one starts anew, and the last goes on with the sum.
  const ChainPlan plan = planned(fan(500));
  CHECK(chains(plan) <= 500);
  CHECK(plan.continues[1]);
}

TEST_CASE("random regions") {
  std::mt19937 random(3);
  for (int trial = 0; trial < 400; ++trial) {
    const int n = 1 + static_cast<int>(random() % 120);
    planned(random_steps(random, n, trial % 2 ? 4 : 60));
  }
}

TEST_CASE("planning takes linear time") {
  std::mt19937 random(4);
  const auto grows = [](const char* what, const Steps& small, const Steps& large) {
    planned(large);
    const double a = seconds([&] {
      for (int i = 0; i < 20; ++i) plan_chains(*small.op, small.cheap);
    });
    const double b = seconds([&] { plan_chains(*large.op, large.cheap); });
    // 20 times the steps; were it quadratic, 400 times the time of one small region.
    INFO(what, ": ", b / (a / 20));
    CHECK(b < 100 * (a / 20) + 0.02);
  };
  grows("chain", one_chain(5000), one_chain(100000));
  grows("fan", fan(2500), fan(50000));
  grows("near", random_steps(random, 5000, 4), random_steps(random, 100000, 4));
  grows("far", random_steps(random, 5000, 5000), random_steps(random, 100000, 100000));
}
