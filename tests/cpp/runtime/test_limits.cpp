// Limits of calls: what stops them, what a stopped call leaves behind.
#include <doctest/doctest.h>

#include <chrono>
#include <random>
#include <string>
#include <thread>

#include "array/shared_storage.h"
#include "base/error.h"
#include "graph/inner_graph.h"
#include "ops/build.h"
#include "ops/build_elementwise.h"
#include "ops/control/scan.h"
#include "runtime/function.h"

using namespace phintys;
using namespace std::chrono_literals;
using runtime::Call;
using runtime::CallOptions;
using runtime::CancelToken;
using runtime::Function;
using runtime::FunctionSpec;
using runtime::Limits;

namespace {

Array filled(Dims shape, double value) {
  Array a = Array::empty(DType::f64, shape);
  double* p = a.view().as<double>();
  for (int64_t i = 0; i < a.size(); ++i) p[i] = value;
  return a;
}

Var shared_of(Array value, const char* name) {
  const Type type = Type::tensor(DType::f64, value.ndim());
  return make_shared_variable(type, make_ref<SharedStorage>(std::move(value), name), name);
}

double first(const Var& shared) { return shared->storage()->value().view().as<double>()[0]; }

// x w w w ... and w <- w + 1: some `n` products of 256 by 256 matrices, each about a millisecond.
Ref<Function> product_chain(const Var& w, int n) {
  FunctionSpec spec;
  spec.name = "chain";
  Var x = make_variable(Type::tensor(DType::f64, 2), "x");
  Var y = x;
  for (int i = 0; i < n; ++i) y = tanh(dot(y, w));
  spec.inputs = {x};
  spec.outputs = {y};
  spec.updates = {{w, w + constant(1.0, DType::f64)}};
  return Function::compile(spec);
}

// A loop of `n` steps (an input): x <- 3.7 x (1 - x), keeping all rows or the last only. With
// `until`, it ends where x > `end`; never, if that is 2.
Var logistic(const Var& n, const Var& start, bool keep, bool until, double end = 2) {
  Var x = make_variable(Type::scalar(DType::f64), "x");
  Var next = constant(3.7, DType::f64) * x * (constant(1.0, DType::f64) - x);
  auto scan = make_ref<Scan>();
  std::vector<Var> results = {next};
  if (until) results.push_back(gt(next, constant(end, DType::f64)));
  const std::vector<Var> operands = {x};
  scan->graph = InnerGraph::make(operands, results);
  scan->taps = {1, -1};
  scan->keep = {keep};
  scan->until = until;
  scan->label = "logistic map";
  return apply_multi(scan, {n, start})[0];
}

// Function of (n, start), which ends with an update that counts calls.
struct Looping {
  Var count = shared_of(filled({1}, 0), "count");
  Ref<Function> f;
  Looping(bool keep, bool until, int loops = 1) {
    FunctionSpec spec;
    spec.name = "looping";
    spec.pass_options.excluded = {"merge_loops"};
    Var n = make_variable(Type::scalar(DType::i64), "n");
    Var start = make_variable(Type::tensor(DType::f64, 1), "start");
    spec.inputs = {n, start};
    for (int i = 0; i < loops; ++i) {
      Var from = i == 0 ? start : start * constant(0.5, DType::f64);
      spec.outputs.push_back(sum_all(logistic(n, from, keep, until)));
    }
    spec.updates = {{count, count + constant(1.0, DType::f64)}};
    f = Function::compile(spec);
  }
};

std::vector<Array> steps_and_start(int64_t n) {
  Array steps = Array::empty(DType::i64, Dims{});
  *steps.view().as<int64_t>() = n;
  return {steps, filled({1}, 0.3)};
}

// The kind of error that the call ends with; ErrorKind::internal if it ends well.
ErrorKind kind_of(Function& f, const std::vector<Array>& arguments, const CallOptions& options,
                  std::string* text = nullptr) {
  std::vector<TensorView> views;
  for (const Array& a : arguments) views.push_back(a.view());
  try {
    Call call(f);
    call.run(views.data(), options);
  } catch (const Error& e) {
    if (text) *text = e.what();
    return e.kind();
  }
  return ErrorKind::internal;
}

}  // namespace

TEST_CASE("limits: steps are counted over all loops of a call") {
  CallOptions options;
  options.max_steps = 5000;
  const std::string name = "f";
  Limits limits(options, name);
  CHECK(limits.steps_at_once() == Limits::kWorkPerLook / Limits::kStepWork);
  for (int i = 0; i < 1000; ++i) limits.step();
  CHECK(limits.steps_at_once() == 4000);
  limits.step(100);
  limits.give_back(100);
  limits.expect(4000);
  CHECK_THROWS_AS(limits.expect(4001), Error);
  limits.step(3999);
  limits.step();
  CHECK(limits.steps_at_once() == 1);
  try {
    limits.step();
    FAIL("no limit");
  } catch (const Error& e) {
    CHECK(e.kind() == ErrorKind::step_limit);
    CHECK(std::string(e.what()).find("'f' may take 5000 steps") != std::string::npos);
  }
}

TEST_CASE("limits: a loop sees its token and the clock soon, without looking at every step") {
  CallOptions options;
  options.cancel.push_back(make_ref<CancelToken>());
  const std::string name;
  Limits limits(options, name);
  for (int i = 0; i < 100000; ++i) limits.step();
  options.cancel[0]->cancel();
  int64_t more = 0;
  CHECK_THROWS_AS(
      for (;;) {
        limits.step();
        ++more;
      },
      Error);
  CHECK(more <= limits.steps_at_once());

  CallOptions timed;
  timed.deadline = CallOptions::Clock::now() + 20ms;
  Limits watch(timed, name);
  CHECK_THROWS_AS(for (;;) watch.step(watch.steps_at_once()), Error);
  CHECK(CallOptions::Clock::now() >= timed.deadline);
  CHECK(CallOptions::Clock::now() < timed.deadline + 2s);
}

TEST_CASE("limits: polls come only in calls that last, and may stop them") {
  static int polls = 0;
  CallOptions options;
  options.poll = [] {
    if (++polls == 2) fail(ErrorKind::runtime, "enough");
  };
  const std::string name;
  Limits limits(options, name);
  for (int i = 0; i < 1000; ++i) limits.look();
  CHECK(polls == 0);
  const auto start = CallOptions::Clock::now();
  CHECK_THROWS_AS(for (;;) limits.step(), Error);
  CHECK(polls == 2);
  CHECK(CallOptions::Clock::now() - start >= 90ms);
}

TEST_CASE("limits: a call past its deadline or cancelled before it began does nothing") {
  Var w = shared_of(filled({8, 8}, 1), "w");
  Ref<Function> f = product_chain(w, 3);
  const std::vector<Array> x = {filled({8, 8}, 1)};
  CallOptions late, cancelled, fine;
  late.deadline = CallOptions::Clock::now();
  cancelled.cancel = {make_ref<CancelToken>(), make_ref<CancelToken>()};
  cancelled.cancel[1]->cancel();
  fine.deadline = CallOptions::Clock::now() + 1h;
  fine.cancel = {make_ref<CancelToken>()};
  fine.max_steps = 1;  // there is no loop
  std::string text;
  CHECK(kind_of(*f, x, late, &text) == ErrorKind::timeout);
  CHECK(text == "the call of 'chain' did not end by its deadline");
  CHECK(kind_of(*f, x, cancelled, &text) == ErrorKind::cancelled);
  CHECK(text == "the call of 'chain' was cancelled");
  CHECK(first(w) == 1);
  CHECK(kind_of(*f, x, fine) == ErrorKind::internal);
  CHECK(first(w) == 2);
}

TEST_CASE("limits: a long program stops between instructions and can be called again") {
  Var w = shared_of(filled({256, 256}, 0.001), "w");
  Ref<Function> f = product_chain(w, 3000);
  const std::vector<Array> x = {filled({256, 256}, 1)};
  CallOptions options;
  const auto start = CallOptions::Clock::now();
  options.deadline = start + 50ms;
  CHECK(kind_of(*f, x, options) == ErrorKind::timeout);
  CHECK(CallOptions::Clock::now() - start >= 50ms);
  CHECK(first(w) == 0.001);

  CallOptions stopped;
  stopped.cancel = {make_ref<CancelToken>()};
  std::thread other([&] {
    std::this_thread::sleep_for(30ms);
    stopped.cancel[0]->cancel();
  });
  CHECK(kind_of(*f, x, stopped) == ErrorKind::cancelled);
  other.join();
  CHECK(first(w) == 0.001);

  Ref<Function> shorter = product_chain(w, 2);
  CHECK(kind_of(*shorter, x, {}) == ErrorKind::internal);
  CHECK(first(w) == 1.001);
}

TEST_CASE("limits: waiting for shared variables ends too") {
  Var w = shared_of(filled({8, 8}, 1), "w");
  Ref<Function> f = product_chain(w, 3);
  const std::vector<Array> x = {filled({8, 8}, 1)};
  for (bool writer : {true, false}) {
    StorageMutex& mutex = w->storage()->mutex();
    writer ? mutex.lock() : mutex.lock_shared();
    ErrorKind kind = ErrorKind::internal;
    std::thread other([&] {
      CallOptions options;
      options.deadline = CallOptions::Clock::now() + 40ms;
      kind = kind_of(*f, x, options);
    });
    other.join();
    writer ? mutex.unlock() : mutex.unlock_shared();
    CHECK(kind == ErrorKind::timeout);
    CHECK(first(w) == 1);
  }
  CHECK(kind_of(*f, x, {}) == ErrorKind::internal);
}

TEST_CASE("limits: updates that are written directly are all written or none") {
  // Some long instructions, then as long a time of updates that are written one after another.
  const Dims shape{400000};
  std::vector<Var> state;
  FunctionSpec spec;
  spec.fuse = false;
  Var a = make_variable(Type::tensor(DType::f64, 1), "a");
  spec.inputs = {a};
  Var change = a;
  for (int i = 0; i < 4; ++i) change = tanh(change);
  for (int i = 0; i < 16; ++i) {
    state.push_back(shared_of(filled(shape, 0.5), "s"));
    spec.updates.push_back({state.back(), state.back() + change});
  }
  Ref<Function> f = Function::compile(spec);
  const std::vector<Array> argument = {filled(shape, 0.25)};
  std::mt19937 random(7);
  int stopped = 0, done = 0;
  for (int trial = 0; trial < 60; ++trial) {
    std::vector<double> before;
    for (const Var& s : state) before.push_back(first(s));
    CallOptions options;
    options.cancel = {make_ref<CancelToken>()};
    const auto start = CallOptions::Clock::now();
    const std::chrono::microseconds delay(random() % 20000);
    std::thread other([&] {
      std::this_thread::sleep_until(start + delay);
      options.cancel[0]->cancel();
    });
    const bool ended = kind_of(*f, argument, options) == ErrorKind::internal;
    other.join();
    ++(ended ? done : stopped);
    for (size_t i = 0; i < state.size(); ++i) CHECK((first(state[i]) != before[i]) == ended);
  }
  CHECK(stopped > 0);
  CHECK(done > 0);
}

TEST_CASE("limits: loops take no more steps than allowed, all together") {
  for (bool keep : {false, true}) {
    for (bool until : {false, true}) {
      Looping one(keep, until), two(keep, until, 2);
      CallOptions options;
      options.max_steps = 1000;
      std::string text;
      CHECK(kind_of(*one.f, steps_and_start(1000), options) == ErrorKind::internal);
      CHECK(kind_of(*one.f, steps_and_start(1001), options, &text) == ErrorKind::step_limit);
      CHECK(text.find("'looping' may take 1000 steps of loops") != std::string::npos);
      CHECK(text.find("logistic map") != std::string::npos);
      CHECK(text.find("Apply node that caused the error") != std::string::npos);
      CHECK(first(one.count) == 1);
      CHECK(kind_of(*two.f, steps_and_start(500), options) == ErrorKind::internal);
      CHECK(kind_of(*two.f, steps_and_start(501), options) == ErrorKind::step_limit);
      CHECK(kind_of(*two.f, steps_and_start(501), {}) == ErrorKind::internal);
      CHECK(first(two.count) == 2);
    }
  }
}

TEST_CASE("limits: steps after the end of a loop do not count") {
  FunctionSpec spec;
  Var n = make_variable(Type::scalar(DType::i64), "n");
  Var start = make_variable(Type::tensor(DType::f64, 1), "start");
  spec.inputs = {n, start};
  for (int i = 1; i <= 10; ++i) {  // each ends after its first step: 0.3 becomes 0.777
    Var from = start * constant(1 - 0.01 * i, DType::f64);
    spec.outputs.push_back(sum_all(logistic(n, from, false, true, 0.5)));
  }
  Ref<Function> f = Function::compile(spec);
  CallOptions options;
  options.max_steps = 10;
  CHECK(kind_of(*f, steps_and_start(1000), options) == ErrorKind::internal);
  options.max_steps = 9;
  CHECK(kind_of(*f, steps_and_start(1000), options) == ErrorKind::step_limit);
}

TEST_CASE("limits: a loop without end obeys the clock and the token") {
  for (bool until : {false, true}) {
    Looping loop(false, until);
    const std::vector<Array> arguments = steps_and_start(int64_t{1} << 50);
    const auto start = CallOptions::Clock::now();
    CallOptions timed, cancelled;
    timed.deadline = start + 30ms;
    CHECK(kind_of(*loop.f, arguments, timed) == ErrorKind::timeout);
    CHECK(CallOptions::Clock::now() >= timed.deadline);
    cancelled.cancel = {make_ref<CancelToken>()};
    std::thread other([&] {
      std::this_thread::sleep_for(30ms);
      cancelled.cancel[0]->cancel();
    });
    CHECK(kind_of(*loop.f, arguments, cancelled) == ErrorKind::cancelled);
    other.join();
    CHECK(first(loop.count) == 0);
    CHECK(kind_of(*loop.f, steps_and_start(10), timed) == ErrorKind::timeout);
    CHECK(kind_of(*loop.f, steps_and_start(10), {}) == ErrorKind::internal);
    CHECK(first(loop.count) == 1);
    CHECK(CallOptions::Clock::now() - start < 20s);
  }
}
