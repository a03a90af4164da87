// Profiles: what is counted in and out of loops, and the events of the last calls.
#include <doctest/doctest.h>

#include <algorithm>
#include <thread>

#include "graph/inner_graph.h"
#include "ops/build.h"
#include "ops/build_elementwise.h"
#include "ops/control/scan.h"
#include "runtime/function.h"

using namespace phintys;
using runtime::Call;
using runtime::Function;
using runtime::FunctionProfile;
using runtime::FunctionSpec;
using runtime::InstructionProfile;
using runtime::ProfileEvent;

namespace {

// x <- tanh(x w), `n` times (an input), of a vector x and a matrix w; the last row.
Ref<Function> products(size_t trace_events) {
  Var row = make_variable(Type::tensor(DType::f64, 1), "row");
  Var inner_w = make_variable(Type::tensor(DType::f64, 2), "w");
  auto scan = make_ref<Scan>();
  const std::vector<Var> operands = {row, inner_w}, results = {tanh(dot(row, inner_w))};
  scan->graph = InnerGraph::make(operands, results);
  scan->taps = {1, -1};
  scan->keep = {true};
  scan->label = "products";
  FunctionSpec spec;
  spec.profile = true;
  spec.trace_events = trace_events;
  Var n = make_variable(Type::scalar(DType::i64), "n");
  Var start = make_variable(Type::tensor(DType::f64, 2), "start");
  Var w = make_variable(Type::tensor(DType::f64, 2), "w");
  spec.inputs = {n, start, w};
  spec.outputs = {apply_multi(scan, {n, start, w})[0]};
  return Function::compile(spec);
}

void call(Function& f, int64_t steps) {
  Array n = Array::empty(DType::i64, Dims{});
  *n.view().as<int64_t>() = steps;
  Array start = Array::empty(DType::f64, Dims{1, 3});
  Array w = Array::empty(DType::f64, Dims{3, 3});
  std::fill_n(start.view().as<double>(), 3, 1.0);
  std::fill_n(w.view().as<double>(), 9, 0.1);
  const TensorView inputs[] = {n.view(), start.view(), w.view()};
  Call c(f);
  c.run(inputs);
}

const InstructionProfile& loop_of(const FunctionProfile& profile) {
  return *std::find_if(profile.instructions.begin(), profile.instructions.end(),
                       [](const InstructionProfile& p) { return p.steps > 0; });
}

}  // namespace

TEST_CASE("profile: instructions of a loop's body belong to the loop") {
  Ref<Function> f = products(1000);
  call(*f, 5);
  call(*f, 7);
  const FunctionProfile profile = f->profile();
  CHECK(profile.calls == 2);
  const InstructionProfile& loop = loop_of(profile);
  CHECK(loop.calls == 2);
  CHECK(loop.steps == 12);
  CHECK(loop.loop);
  CHECK_FALSE(loop.whole);
  double inside = 0;
  int n_inside = 0;
  for (const InstructionProfile& p : profile.instructions) {
    if (p.owner < 0) continue;
    CHECK(&profile.instructions[static_cast<size_t>(p.owner)] == &loop);
    CHECK(p.calls == 12);
    CHECK(p.inner_seconds == 0);
    inside += p.seconds;
    ++n_inside;
  }
  CHECK(n_inside > 0);
  CHECK(inside == doctest::Approx(loop.inner_seconds));
  CHECK(loop.inner_seconds <= loop.seconds);
  CHECK(loop.seconds <= profile.seconds);
  CHECK(loop.slowest_step >= 0);
  CHECK(loop.slowest_step < 7);
  CHECK(profile.clock_seconds > 0);
}

TEST_CASE("profile: events nest, in the order in which they began") {
  Ref<Function> f = products(1000);
  call(*f, 4);
  const FunctionProfile profile = f->profile();
  REQUIRE(profile.last_calls.size() == 1);
  const std::vector<ProfileEvent>& events = profile.last_calls[0].events;
  CHECK(profile.last_calls[0].dropped == 0);
  REQUIRE(events.size() > 9);
  CHECK(events[0].instruction == -1);
  int64_t next_step = 0, last_start = 0;
  for (const ProfileEvent& e : events) {
    CHECK(e.start_ns >= last_start);
    last_start = e.start_ns;
    CHECK(e.start_ns + e.duration_ns <= events[0].start_ns + events[0].duration_ns);
    if (e.step >= 0) CHECK(e.step == next_step++);
  }
  CHECK(next_step == 4);
}

TEST_CASE("profile: events are bounded, times are not") {
  Ref<Function> f = products(20);
  call(*f, 3000);
  call(*f, 2000);
  FunctionProfile profile = f->profile();
  REQUIRE(profile.last_calls.size() == 1);
  CHECK(profile.last_calls[0].events.size() < 40);
  CHECK(profile.last_calls[0].dropped > 4000);
  CHECK(loop_of(profile).steps == 5000);
  f->reset_profile();
  CHECK(f->profile().calls == 0);
  CHECK(f->profile().last_calls.empty());
}

TEST_CASE("profile: calls at once") {
  Ref<Function> f = products(100000);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 10; ++i) call(*f, 20);
    });
  for (std::thread& t : threads) t.join();
  const FunctionProfile profile = f->profile();
  CHECK(profile.calls == 40);
  CHECK(profile.last_calls.size() == 40);
  CHECK(loop_of(profile).steps == 800);
}
