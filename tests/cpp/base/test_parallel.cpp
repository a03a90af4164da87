#include <doctest/doctest.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <mutex>
#include <numeric>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "kernels/parallel.h"
#include "kernels/sharing.h"

using namespace phintys;

namespace {

struct Threads {
  explicit Threads(int n) : before(num_threads()) { set_num_threads(n); }
  ~Threads() { set_num_threads(before); }
  int before;
};

// Runs f in a forked child that must end well within the time.
template <class F>
bool in_child(F f) {
  const pid_t pid = fork();
  if (pid == 0) {
    alarm(20);
    _exit(f() ? 0 : 1);
  }
  int status = -1;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

std::int64_t sum_to(std::int64_t n) {
  std::atomic<std::int64_t> sum{0};
  parallel_for(n, [&](std::int64_t i) { sum.fetch_add(i); });
  return sum;
}

}  // namespace

TEST_CASE("each chunk runs exactly once, for any number of threads") {
  for (int threads : {1, 2, 3, 8}) {
    Threads t(threads);
    CHECK(num_threads() == threads);
    for (std::int64_t n : {0, 1, 2, 3, 7, 1000}) {
      for (int repeat = 0; repeat < 50; ++repeat) {
        std::vector<std::atomic<int>> hits(static_cast<std::size_t>(n));
        parallel_for(n, [&](std::int64_t i) { hits[static_cast<std::size_t>(i)].fetch_add(1); });
        for (auto& h : hits) REQUIRE(h == 1);
      }
    }
  }
}

TEST_CASE("ranges cover everything, with boundaries that ignore the threads") {
  std::vector<std::pair<std::int64_t, std::int64_t>> reference;
  for (int threads : {1, 2, 5}) {
    Threads t(threads);
    std::vector<std::pair<std::int64_t, std::int64_t>> seen(11);
    parallel_ranges(1003, 100, [&](std::int64_t begin, std::int64_t end) {
      seen[static_cast<std::size_t>(begin / 100)] = {begin, end};
    });
    CHECK(seen.front().first == 0);
    CHECK(seen.back().second == 1003);
    if (reference.empty()) reference = seen;
    CHECK(seen == reference);
  }
}

TEST_CASE("floating-point results do not depend on the number of threads") {
  std::vector<float> x(1 << 18);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = 1.0f / static_cast<float>(i + 1);
  float reference = 0;
  for (int threads : {1, 2, 4, 7}) {
    Threads t(threads);
    for (int repeat = 0; repeat < 20; ++repeat) {
      float partial[64] = {};
      parallel_ranges(1 << 18, 1 << 12, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) partial[begin >> 12] += x[(std::size_t)i];
      });
      const float sum = std::accumulate(partial, partial + 64, 0.0f);
      if (threads == 1) reference = sum;
      REQUIRE(sum == reference);
    }
  }
}

TEST_CASE("work is really shared") {
  Threads t(2);
  std::atomic<int> inside{0};
  std::atomic<bool> together{false};
  parallel_for(2, [&](std::int64_t) {
    inside.fetch_add(1);
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (inside < 2 && std::chrono::steady_clock::now() < end) std::this_thread::yield();
    if (inside == 2) together = true;
  });
  CHECK(together);
}

#ifdef __linux__
namespace {

// A job that both threads take part in: `look` is called in the worker.
template <class F>
void job_with_worker(F look) {
  const auto caller = std::this_thread::get_id();
  std::atomic<int> inside{0};
  parallel_for(2, [&](std::int64_t) {
    if (std::this_thread::get_id() != caller) look();
    inside.fetch_add(1);
    while (inside < 2) std::this_thread::yield();
  });
}

// How often the worker slept while jobs followed one another at some microseconds.
std::int64_t sleeps_of_worker(int jobs) {
  std::int64_t first = -1, last = -1;
  for (int job = 0; job < jobs; ++job) {
    job_with_worker([&] {
      rusage usage{};
      getrusage(RUSAGE_THREAD, &usage);
      if (first < 0) first = usage.ru_nvcsw;
      last = usage.ru_nvcsw;
    });
    const auto next = std::chrono::steady_clock::now() + std::chrono::microseconds(5);
    while (std::chrono::steady_clock::now() < next) {
    }
  }
  return last - first;
}

cpu_set_t affinity() {
  cpu_set_t set;
  CPU_ZERO(&set);
  REQUIRE(sched_getaffinity(0, sizeof set, &set) == 0);
  return set;
}

const bool g_one_cpu = [] {
  cpu_set_t set;
  CPU_ZERO(&set);
  return sched_getaffinity(0, sizeof set, &set) != 0 || CPU_COUNT(&set) < 2;
}();

}  // namespace

TEST_CASE("a worker stays awake between jobs that follow one another closely" *
          doctest::skip(g_one_cpu)) {
  constexpr int kJobs = 200;
  Threads t(2);
  std::int64_t least = kJobs;
  // Other programs may take the processor away for a while.
  for (int round = 0; round < 50 && least > kJobs / 4; ++round) {
    least = std::min(least, sleeps_of_worker(kJobs));
  }
  CHECK(least <= kJobs / 4);
}

TEST_CASE("a worker leaves its caller's processor" * doctest::skip(g_one_cpu)) {
  const cpu_set_t all = affinity();
  Threads t(2);
  int cpu = -1;
  job_with_worker([&] { cpu = sched_getcpu(); });
  for (int round = 0; round < 3; ++round) {
    // The caller comes to where the worker is, which may take some jobs to notice.
    const int callers = cpu;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(callers, &one);
    REQUIRE(sched_setaffinity(0, sizeof one, &one) == 0);
    {
      Threads many(64);  // too many to leave a processor to anyone
      sum_to(100);
    }
    int shared = 0;
    for (int job = 0; job < 200; ++job) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      job_with_worker([&] { cpu = sched_getcpu(); });
      shared += cpu == callers;
    }
    CHECK(shared < 50);
  }
  sched_setaffinity(0, sizeof all, &all);
}
#endif

namespace {

// A series of jobs of eight chunks, one after another.
struct Jobs {
  SharingAccount account;
  std::int64_t time = 0;

  // The caller does `own` chunks in 30 us and waits that long. Returns whether sharing still pays.
  bool job(std::uint32_t own, std::int64_t waited) {
    const std::int64_t worked = time + 30'000, end = worked + waited;
    account.enter(time, worked, end, own, 8);
    time = end;
    return account.pays(time);
  }
  // Jobs of which each costs 10 ms of waiting, until sharing does not pay.
  void spoil() {
    for (int i = 0; i < 100; ++i)
      if (!job(7, 10 * SharingAccount::kMs)) return;
    FAIL("sharing goes on");
  }
};

}  // namespace

TEST_CASE("jobs are shared for as long as that pays") {
  constexpr std::int64_t kMs = SharingAccount::kMs;
  Jobs jobs;
  // What a worker saves covers short waits, and a long one for many jobs.
  for (int i = 0; i < 10000; ++i) REQUIRE(jobs.job(4, 5'000));
  for (int i = 0; i < 10; ++i) {
    REQUIRE(jobs.job(4, 3 * kMs));
    for (int k = 0; k < 100; ++k) REQUIRE(jobs.job(4, 0));
  }
  // The same waits after each job do not pay; the pauses double.
  for (std::int64_t pause = SharingAccount::kShortest; pause < SharingAccount::kLongest;
       pause *= 2) {
    jobs.spoil();
    jobs.time += pause - 1;
    CHECK_FALSE(jobs.account.pays(jobs.time));
    CHECK(jobs.account.pays(++jobs.time));
  }
  for (int i = 0; i < 3; ++i) {
    jobs.spoil();
    CHECK_FALSE(jobs.account.pays(jobs.time + SharingAccount::kLongest - 1));
    jobs.time += SharingAccount::kLongest;
    CHECK(jobs.account.pays(jobs.time));
  }
  // A calm time later they are short again.
  for (const std::int64_t end = jobs.time + SharingAccount::kCalm + kMs; jobs.time < end;)
    REQUIRE(jobs.job(4, 0));
  jobs.spoil();
  CHECK(jobs.account.pays(jobs.time + SharingAccount::kShortest));
  // A caller that had lost its own processor for a second has not saved anything by it.
  Jobs late;
  late.account.enter(0, 1000 * kMs, 1000 * kMs, 4, 8);
  late.time = 1000 * kMs;
  late.spoil();
}

TEST_CASE("the exception of the lowest chunk arrives, always the same") {
  for (int threads : {1, 2, 4}) {
    Threads t(threads);
    for (int repeat = 0; repeat < 200; ++repeat) {
      std::atomic<int> ran{0};
      std::string text;
      try {
        parallel_for(1000, [&](std::int64_t i) {
          ran.fetch_add(1);
          if (i >= 5) throw std::runtime_error("chunk " + std::to_string(i));
        });
      } catch (const std::runtime_error& e) {
        text = e.what();
      }
      REQUIRE(text == "chunk 5");
      REQUIRE(ran >= 6);
      REQUIRE(ran < 1000);
    }
    CHECK(sum_to(100) == 4950);
  }
}

TEST_CASE("nested calls run serially in the same thread") {
  Threads t(4);
  std::atomic<int> count{0};
  std::atomic<bool> moved{false};
  parallel_for(20, [&](std::int64_t) {
    CHECK(in_parallel_region());
    const auto me = std::this_thread::get_id();
    parallel_for(20, [&](std::int64_t) {
      if (std::this_thread::get_id() != me) moved = true;
      count.fetch_add(1);
    });
  });
  CHECK(count == 400);
  CHECK_FALSE(moved);
  CHECK_FALSE(in_parallel_region());
  bool refused = false;
  parallel_for(2, [&](std::int64_t i) {
    if (i != 0) return;
    try {
      set_num_threads(3);
    } catch (const Error& e) {
      refused = e.kind() == ErrorKind::runtime;
    }
  });
  CHECK(refused);
}

TEST_CASE("a serial region keeps the work in its thread") {
  Threads t(4);
  const auto me = std::this_thread::get_id();
  SerialRegion serial;
  parallel_for(100, [&](std::int64_t) { REQUIRE(std::this_thread::get_id() == me); });
}

TEST_CASE("many callers at the same time") {
  Threads t(3);
  std::vector<std::thread> callers;
  std::atomic<int> wrong{0};
  for (int c = 0; c < 40; ++c) {
    callers.emplace_back([&wrong, c] {
      for (int i = 0; i < 200; ++i) {
        const std::int64_t n = 2 + (i + c) % 50;
        if (sum_to(n) != n * (n - 1) / 2) wrong.fetch_add(1);
      }
    });
  }
  for (auto& c : callers) c.join();
  CHECK(wrong == 0);
}

TEST_CASE("the number of threads may change while others work") {
  Threads t(2);
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  std::thread worker([&] {
    while (!stop) {
      if (sum_to(37) != 666) wrong.fetch_add(1);
    }
  });
  for (int i = 0; i < 100; ++i) set_num_threads(1 + i % 5);
  stop = true;
  worker.join();
  CHECK(wrong == 0);
  CHECK_THROWS_AS(set_num_threads(-1), Error);
}

TEST_CASE("a forked child builds its own pool") {
  Threads t(3);
  CHECK(sum_to(1000) == 499500);
  for (int i = 0; i < 20; ++i) {
    CHECK(in_child([] { return sum_to(1000) == 499500 && num_threads() == 3; }));
  }
  // While another thread keeps the parent's pool busy.
  std::atomic<bool> stop{false};
  std::thread busy([&] {
    while (!stop) sum_to(100);
  });
  for (int i = 0; i < 50; ++i) CHECK(in_child([] { return sum_to(1000) == 499500; }));
  stop = true;
  busy.join();
}

TEST_CASE("an embedder's parallel-for takes the pool's place") {
  struct Seen {
    int calls = 0;
  } seen;
  set_parallel_for(
      [](void* hook_ctx, std::int64_t n, void* ctx, ChunkFn fn) {
        ++static_cast<Seen*>(hook_ctx)->calls;
        for (std::int64_t i = n - 1; i >= 0; --i) fn(ctx, i);
      },
      &seen);
  CHECK(sum_to(10) == 45);
  CHECK(seen.calls == 1);
  CHECK_THROWS_WITH(
      parallel_for(3, [](std::int64_t i) { throw std::runtime_error(std::to_string(i)); }), "0");
  set_parallel_for(nullptr, nullptr);
  CHECK(sum_to(10) == 45);
  CHECK(seen.calls == 2);
}
