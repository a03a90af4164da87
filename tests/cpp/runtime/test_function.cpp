// Compiled functions from C++: state, aliases, failures, threads, forks.
#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <thread>

#include "array/shared_storage.h"
#include "base/error.h"
#include "kernels/memory.h"
#include "kernels/parallel.h"
#include "ops/build.h"
#include "ops/build_elementwise.h"
#include "runtime/function.h"

using namespace phintys;
using runtime::Call;
using runtime::Function;
using runtime::FunctionSpec;

namespace {

Array vector_of(int64_t n, double first, double step = 0) {
  Array a = Array::empty(DType::f64, {n});
  for (int64_t i = 0; i < n; ++i) a.view().as<double>()[i] = first + step * static_cast<double>(i);
  return a;
}

Var shared_vector(int64_t n, double first, double step, const char* name) {
  return make_shared_variable(Type::tensor(DType::f64, 1),
                              make_ref<SharedStorage>(vector_of(n, first, step), name), name);
}

double at(const Var& shared, int64_t i) {
  return shared->storage()->value().view().as<double>()[i];
}

std::vector<Array> call(Function& f, const std::vector<Array>& arguments = {}) {
  std::vector<TensorView> views;
  for (const Array& a : arguments) views.push_back(a.view());
  Call c(f);
  c.run(views.data());
  std::vector<Array> out;
  for (size_t i = 0; i < f.outputs().size(); ++i) out.push_back(c.take_output(static_cast<int>(i)));
  return out;
}

}  // namespace

TEST_CASE("function: updates are simultaneous, for every way of computing them") {
  for (bool reuse : {true, false}) {
    for (bool fuse : {true, false}) {
      for (int64_t n : {1, 2, 3000}) {
        Var a = shared_vector(n, 1, 1, "a"), b = shared_vector(n, 100, -1, "b");
        FunctionSpec spec;
        spec.fuse = fuse;
        spec.reuse_memory = reuse;
        spec.updates = {{a, a + b}, {b, a - b}};
        Ref<Function> f = Function::compile(spec);
        double x = 1, y = 100;
        for (int i = 0; i < 3; ++i) {
          call(*f);
          double sum = x + y;
          y = x - y;
          x = sum;
          CHECK(at(a, 0) == x);
          CHECK(at(b, 0) == y);
        }
      }
    }
  }
}

TEST_CASE("function: without reuse every value has memory of its own") {
  Var x = make_variable(Type::tensor(DType::f64, 2));
  Var y = x;
  for (int i = 0; i < 10; ++i) y = dot(y, x);
  FunctionSpec spec;
  spec.inputs = {x};
  spec.outputs = {sum_all(y)};
  const Dims shape{64, 64};
  size_t one = 64 * 64 * 8;
  size_t with = Function::compile(spec)->planned_bytes(std::span(&shape, 1));
  spec.reuse_memory = false;
  size_t without = Function::compile(spec)->planned_bytes(std::span(&shape, 1));
  CHECK(with < 3 * one);
  CHECK(without >= 10 * one);
}

TEST_CASE("function: an argument in the memory of the state that the call writes") {
  const int64_t n = 1000;
  Var s = shared_vector(n, 0, 1, "s");
  Var x = make_variable(Type::tensor(DType::f64, 1));
  FunctionSpec spec;
  spec.inputs = {x};
  spec.updates = {{s, s + x * 2}};
  Ref<Function> f = Function::compile(spec);
  Array lent = s->storage()->value();
  const int64_t shape[1] = {n}, back[1] = {-8};
  TensorView reversed{lent.data() + (n - 1) * 8, DType::f64, 1, shape, back};
  {
    Call c(*f);
    c.run(&reversed);
  }
  for (int64_t i = 0; i < n; ++i) REQUIRE(at(s, i) == static_cast<double>(i + 2 * (n - 1 - i)));
}

TEST_CASE("function: a failed call leaves the state") {
  Var s = shared_vector(1000, 1, 0, "s"), t = shared_vector(1000, 2, 0, "t");
  Var x = make_variable(Type::tensor(DType::f64, 1));
  FunctionSpec spec;
  spec.inputs = {x};
  spec.updates = {{s, s + 1.0}, {t, t + x}};
  Ref<Function> f = Function::compile(spec);
  CHECK_THROWS_AS(call(*f, {vector_of(999, 1)}), Error);
  CHECK(at(s, 0) == 1);
  CHECK(at(t, 999) == 2);
  call(*f, {vector_of(1000, 1)});
  CHECK(at(s, 0) == 2);
  CHECK(at(t, 999) == 3);
}

TEST_CASE("function: a monitor that throws leaves the state") {
  Var s = shared_vector(10, 1, 0, "s");
  int seen = 0;
  FunctionSpec spec;
  spec.updates = {{s, exp(s + 1.0) * 2.0}};
  spec.monitor = [&](const Apply&, std::span<const TensorView>) {
    if (++seen == 2) fail(ErrorKind::assertion, "stop");
  };
  Ref<Function> f = Function::compile(spec);
  CHECK_THROWS_AS(call(*f), Error);
  CHECK(at(s, 0) == 1);
}

TEST_CASE("function: steady calls allocate outputs only") {
  Var s = shared_vector(5000, 1, 0, "s");
  Var x = make_variable(Type::tensor(DType::f64, 1));
  FunctionSpec spec;
  spec.inputs = {x};
  spec.outputs = {exp(x) * s};
  spec.updates = {{s, s * 0.5 + x}};
  Ref<Function> f = Function::compile(spec);
  std::vector<Array> argument = {vector_of(5000, 1)};
  call(*f, argument);
  uint64_t before = memory_stats().allocations;
  for (int i = 0; i < 10; ++i) call(*f, argument);
  CHECK(memory_stats().allocations - before == 10);
}

TEST_CASE("storage mutex: readers that never pause let a writer in") {
  StorageMutex mutex;
  std::atomic<bool> stop{false};
  std::vector<std::thread> readers;
  for (int i = 0; i < 4; ++i)
    readers.emplace_back([&] {
      while (!stop) {
        std::shared_lock lock(mutex);
        std::this_thread::sleep_for(std::chrono::microseconds(200));
      }
    });
  for (int i = 0; i < 20; ++i) std::lock_guard lock(mutex);
  stop = true;
  for (std::thread& t : readers) t.join();
}

TEST_CASE("storage mutex: what a thread holds it may read, not write") {
  StorageMutex mutex, other;
  std::unique_lock lock(mutex);
  {
    StorageMutex::Held held(&mutex);
    std::shared_lock again(mutex);
    std::shared_lock once_more(mutex);
    std::unique_lock elsewhere(other);
    CHECK_THROWS_AS(mutex.lock(), Error);
    CHECK_THROWS_AS(mutex.try_lock(), Error);
  }
  CHECK_FALSE(std::shared_lock(mutex, std::try_to_lock).owns_lock());
  lock.unlock();
  CHECK(std::unique_lock(mutex, std::try_to_lock).owns_lock());
}

TEST_CASE("storage mutex: free in a forked child") {
  StorageMutex mutex, shared;
  std::atomic<int> step{0};
  std::thread holder([&] {
    std::lock_guard lock(mutex);
    std::shared_lock reader(shared);
    step = 1;
    while (step < 2) std::this_thread::yield();
  });
  while (step < 1) std::this_thread::yield();
  pid_t child = fork();
  if (child == 0) {
    alarm(20);
    bool good = std::unique_lock(mutex, std::try_to_lock).owns_lock() &&
                std::unique_lock(shared, std::try_to_lock).owns_lock();
    {
      std::lock_guard again(mutex);
    }
    _exit(good ? 0 : 1);
  }
  step = 2;
  int status = 0;
  waitpid(child, &status, 0);
  holder.join();
  CHECK(status == 0);
  CHECK(std::unique_lock(mutex, std::try_to_lock).owns_lock());
}

TEST_CASE("function: many threads, many shapes, one state") {
  set_num_threads(4);
  Var s = shared_vector(1, 0, 0, "s");
  Var x = make_variable(Type::tensor(DType::f64, 1));
  FunctionSpec spec;
  spec.inputs = {x};
  spec.outputs = {tanh(x) + x, sum_all(x)};
  spec.updates = {{s, s + 1.0}};
  Ref<Function> f = Function::compile(spec);
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 6; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 60; ++i) {
        int64_t n = (i * 7919 + t * 104729) % 70000;
        std::vector<Array> out = call(*f, {vector_of(n, 1)});
        wrong += out[1].view().as<double>()[0] != static_cast<double>(n);
        wrong += out[0].shape()[0] != n;
        if (n) wrong += out[0].view().as<double>()[n - 1] != std::tanh(1.0) + 1.0;
      }
    });
  for (std::thread& t : threads) t.join();
  CHECK(wrong == 0);
  CHECK(at(s, 0) == 360);
  set_num_threads(0);
}
