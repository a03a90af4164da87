#include "kernels/parallel.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <chrono>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#ifdef __linux__
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "base/error.h"
#include "kernels/sharing.h"

namespace phintys {
namespace {

// ---------------------------------------------------------------------------------------------
// Sleeping. std::atomic::wait spins and yields before it sleeps, which is what an idle worker must
// not do; so the kernel is called directly where it has such a call.

#ifdef __linux__
void sleep_while(std::atomic<std::uint32_t>& word, std::uint32_t value) {
  syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&word), FUTEX_WAIT_PRIVATE, value, nullptr,
          nullptr, 0);
}
void wake(std::atomic<std::uint32_t>& word, int count) {
  syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&word), FUTEX_WAKE_PRIVATE, count, nullptr,
          nullptr, 0);
}
constexpr int kAll = INT_MAX;
#else
void sleep_while(std::atomic<std::uint32_t>& word, std::uint32_t value) { word.wait(value); }
void wake(std::atomic<std::uint32_t>& word, int) { word.notify_all(); }
constexpr int kAll = 1;
#endif

inline void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// A few microseconds: about what going to sleep and being woken would cost at least.
constexpr int kFinishSpins = 200;
// A worker that has just worked looks for more for up to this long before it sleeps, as waking
// costs 5 to 50 us (most in virtual machines) and parallel steps follow one another closely. The
// time halves with each fruitless look, so that rare calls cost next to nothing, and grows with
// each look that found work and each sleep that was so short that a look would have been better.
constexpr int kLingerSpins = 1024;  // some 30 us
constexpr int kLeastLinger = 16;
constexpr std::int64_t kShortSleep = 100'000;  // ns, the time to wake up among them
// The time from one change of the processor that is left to the caller to the next, of which the
// change should take a hundredth at most, and what is added for each worker.
constexpr std::int64_t kTurn = 5'000'000, kTurnOfOne = 100'000;  // ns
// How many sleepers one thread wakes; each of them wakes as many again while there is work, so no
// thread, above all not the caller, pays for waking a large pool.
constexpr int kWakeFanOut = 2;

// Not initial-exec: a library with static TLS of more than some hundred bytes cannot be dlopened.
thread_local bool t_in_region = false;

// In nanoseconds.
std::int64_t now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

int available_cpus() {
#ifdef __linux__
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0) return CPU_COUNT(&set);
#endif
  return std::max(1u, std::thread::hardware_concurrency());
}

// ---------------------------------------------------------------------------------------------
// Processors. A system may put the thread that it wakes on the processor of the one that woke it,
// although others are idle: Linux in virtual machines does so at almost every time, as the host has
// taken the idle processors away. There it waits for the caller to be interrupted, which takes
// longer than most jobs. So workers may use all processors but that of the caller.

class Worker {
 public:
  template <class F>
  explicit Worker(F f) : thread_(f) {}
  void join() { thread_.join(); }

#ifdef __linux__
  static int cpu() { return sched_getcpu(); }

  // Returns false if it cannot do without that processor, being one of `workers`.
  bool leave(int cpu, int workers) {
    const pthread_t thread = thread_.native_handle();
    cpu_set_t present;
    CPU_ZERO(&present);
    if (pthread_getaffinity_np(thread, sizeof present, &present) != 0) return false;
    // What is not done here is somebody's wish.
    if (!CPU_EQUAL(&present, &others_)) all_ = present;
    // With more threads than processors, some must share in any case.
    if (workers >= CPU_COUNT(&all_)) return false;
    others_ = all_;
    CPU_CLR(cpu, &others_);
    return pthread_setaffinity_np(thread, sizeof others_, &others_) == 0;
  }

 private:
  cpu_set_t all_{}, others_{};
#else
  static int cpu() { return -1; }
  bool leave(int, int) { return false; }

 private:
#endif
  std::thread thread_;
};

// ---------------------------------------------------------------------------------------------
// One running parallel_for. Slots live as long as the pool, so that a late worker may look at one
// whose job is over; what protects it is the word.
//
// word = generation << 32 | next chunk. A worker reads the word, then the job's fields, and claims
// the chunk by a compare-exchange on the word: had the slot been reused meanwhile, the generation
// would differ and the exchange fail. Claiming is the only way of joining, so a worker that is
// descheduled before it claims holds up nobody.

struct alignas(128) Slot {
  std::atomic<std::uint64_t> word{kClosed};
  std::atomic<std::uint32_t> n{0};
  std::atomic<ChunkFn> fn{nullptr};
  std::atomic<void*> ctx{nullptr};

  alignas(64) std::atomic<std::uint32_t> done{0};
  std::atomic<std::uint32_t> caller_sleeps{0};
  std::mutex error_mutex;
  std::exception_ptr error;
  std::uint32_t error_chunk = 0;

  static constexpr std::uint64_t kClosed = 0xFFFFFFFFull;
  // Leaves room above the largest count for the closed mark.
  static constexpr std::int64_t kMaxChunks = std::int64_t{1} << 31;

  void open(std::uint32_t n_chunks, void* c, ChunkFn f) {
    const std::uint64_t generation = word.load(std::memory_order_relaxed) >> 32;
    // Already closed here. Release orders the closing before the new fields: a worker that sees a
    // new field can no longer claim with the old word.
    done.store(0, std::memory_order_relaxed);
    caller_sleeps.store(0, std::memory_order_relaxed);
    n.store(n_chunks, std::memory_order_release);
    fn.store(f, std::memory_order_release);
    ctx.store(c, std::memory_order_release);
    word.store((generation + 1) << 32, std::memory_order_release);
  }
  void close() { word.fetch_or(kClosed, std::memory_order_acq_rel); }

  // Runs chunks until none is left to claim. Returns how many it ran.
  std::uint32_t work(bool as_caller) {
    std::uint32_t worked = 0;
    std::uint64_t w = word.load(std::memory_order_acquire);
    const std::uint64_t generation = w >> 32;
    const std::uint32_t count = n.load(std::memory_order_acquire);
    const ChunkFn f = fn.load(std::memory_order_acquire);
    void* const c = ctx.load(std::memory_order_acquire);
    while ((w >> 32) == generation && static_cast<std::uint32_t>(w) < count) {
      if (!word.compare_exchange_weak(w, w + 1, std::memory_order_acq_rel,
                                      std::memory_order_acquire)) {
        continue;
      }
      ++worked;
      std::uint32_t finished = 1;
      const std::uint32_t chunk = static_cast<std::uint32_t>(w);
      try {
        f(c, chunk);
      } catch (...) {
        finished += stop(count, chunk);
      }
      const std::uint32_t total = done.fetch_add(finished, std::memory_order_seq_cst) + finished;
      if (!as_caller && total == count && caller_sleeps.load(std::memory_order_seq_cst)) {
        wake(done, 1);
      }
      w = word.load(std::memory_order_acquire);
    }
    return worked;
  }

  // Keeps the exception of the lowest chunk. Chunks are claimed in order, so the lowest one that
  // throws has been claimed before any other could throw: which exception survives does not depend
  // on timing. Returns the number of chunks that will now never be claimed.
  std::uint32_t stop(std::uint32_t count, std::uint32_t chunk) {
    {
      std::lock_guard<std::mutex> lock(error_mutex);
      if (!error || chunk < error_chunk) {
        error = std::current_exception();
        error_chunk = chunk;
      }
    }
    std::uint64_t w = word.load(std::memory_order_acquire);
    for (;;) {
      const std::uint32_t next = static_cast<std::uint32_t>(w);
      if (next >= count) return 0;
      if (word.compare_exchange_weak(w, (w & ~kClosed) | count, std::memory_order_acq_rel)) {
        return count - next;
      }
    }
  }

  void wait_finished(std::uint32_t count) {
    for (int i = 0; i < kFinishSpins; ++i) {
      if (done.load(std::memory_order_acquire) == count) return;
      relax();
    }
    caller_sleeps.store(1, std::memory_order_seq_cst);
    for (;;) {
      const std::uint32_t d = done.load(std::memory_order_seq_cst);
      if (d == count) return;
      sleep_while(done, d);
    }
  }
};

class Pool {
 public:
  static constexpr int kSlots = 32;

  // Returns false if the caller should do the work alone: all slots are taken, or sharing does not
  // pay now.
  bool run(std::int64_t n_chunks, void* ctx, ChunkFn fn, int threads) {
    const std::int64_t start = now();
    if (!account_.pays(start)) return false;
    if (PHINTYS_UNLIKELY(running_.load(std::memory_order_acquire) != threads - 1)) {
      resize(threads - 1);
    }
    const int cpu = Worker::cpu();
    if (PHINTYS_UNLIKELY(cpu != callers_cpu_.load(std::memory_order_relaxed))) leave_to_caller(cpu);
    const int index = take_slot();
    if (index < 0) return false;
    Slot& slot = slots_[index];
    const std::uint32_t bit = std::uint32_t{1} << index;
    const std::uint32_t n = static_cast<std::uint32_t>(n_chunks);
    slot.open(n, ctx, fn);
    open_.fetch_or(bit, std::memory_order_seq_cst);
    epoch_.fetch_add(1, std::memory_order_seq_cst);
    wake_workers(n - 1);

    t_in_region = true;
    const std::uint32_t own = slot.work(/*as_caller=*/true);
    t_in_region = false;
    open_.fetch_and(~bit, std::memory_order_relaxed);
    const std::int64_t worked = now();
    slot.wait_finished(n);
    account_.enter(start, worked, now(), own, n);
    std::exception_ptr error = std::move(slot.error);
    slot.error = nullptr;
    slot.close();
    used_.fetch_and(~bit, std::memory_order_release);
    if (PHINTYS_UNLIKELY(error != nullptr)) std::rethrow_exception(std::move(error));
    return true;
  }

  // Starts or ends workers until there are n.
  void resize(int n) {
    std::lock_guard<std::mutex> lock(resize_mutex_);
    wanted_.store(n, std::memory_order_seq_cst);
    // Not left by new ones, nor by others while they were too many.
    callers_cpu_.store(-1, std::memory_order_relaxed);
    next_turn_ = 0;
    if (static_cast<int>(workers_.size()) > n) {
      epoch_.fetch_add(1, std::memory_order_seq_cst);
      wake(epoch_, kAll);
      while (static_cast<int>(workers_.size()) > n) {
        workers_.back().join();
        workers_.pop_back();
      }
    }
    try {
      workers_.reserve(static_cast<std::size_t>(n));
      while (static_cast<int>(workers_.size()) < n) {
        const int index = static_cast<int>(workers_.size());
        workers_.emplace_back([this, index] { worker(index); });
      }
    } catch (const std::system_error&) {
      // The system refuses more threads. That is no reason to fail, nor to try again at each call:
      // those that exist, if only the caller, do the work.
    }
    running_.store(n, std::memory_order_release);
  }

 private:
  int take_slot() {
    std::uint32_t used = used_.load(std::memory_order_relaxed);
    for (;;) {
      if (used == ~std::uint32_t{0}) return -1;
      const int index = std::countr_one(used);
      if (used_.compare_exchange_weak(used, used | (std::uint32_t{1} << index),
                                      std::memory_order_acquire, std::memory_order_relaxed)) {
        return index;
      }
    }
  }

  // Callers on several processors take turns slowly: each turn costs about a microsecond for each
  // worker that sleeps and more for one that runs.
  void leave_to_caller(int cpu) {
    std::unique_lock<std::mutex> lock(resize_mutex_, std::try_to_lock);
    const std::int64_t time = now();
    if (!lock || time < next_turn_) return;
    const int n = static_cast<int>(workers_.size());
    next_turn_ = time + kTurn + n * kTurnOfOne;
    callers_cpu_.store(cpu, std::memory_order_relaxed);
    for (Worker& worker : workers_)
      if (!worker.leave(cpu, n)) break;
  }

  void wake_workers(std::uint32_t useful) {
    const std::uint32_t sleepers = sleepers_.load(std::memory_order_seq_cst);
    if (sleepers == 0) return;
    wake(epoch_,
         static_cast<int>(std::min({useful, sleepers, static_cast<std::uint32_t>(kWakeFanOut)})));
  }

  void worker(int index) {
    t_in_region = true;
    int linger = kLeastLinger;
    for (;;) {
      std::uint32_t seen = epoch_.load(std::memory_order_seq_cst);
      if (index >= wanted_.load(std::memory_order_seq_cst)) return;
      const bool worked = look_for_work();
      const std::uint32_t before = worked ? epoch_.load(std::memory_order_relaxed) : seen;
      bool more = before != seen;
      for (int i = 0; i < linger && !more; ++i) {
        relax();
        more = epoch_.load(std::memory_order_relaxed) != before;
      }
      linger = more ? std::min(2 * linger, kLingerSpins) : std::max(linger / 2, kLeastLinger);
      if (more) continue;
      seen = before;
      // Going to sleep. Either the next caller sees this thread in sleepers_, or its new epoch is
      // seen here by the kernel's comparison.
      if (epoch_.load(std::memory_order_relaxed) != seen) continue;
      const std::int64_t asleep = now();
      sleepers_.fetch_add(1, std::memory_order_seq_cst);
      sleep_while(epoch_, seen);
      sleepers_.fetch_sub(1, std::memory_order_seq_cst);
      if (now() - asleep < kShortSleep) linger = std::min(4 * linger, kLingerSpins);
    }
  }

  bool look_for_work() {
    bool worked = false;
    for (std::uint32_t open = open_.load(std::memory_order_seq_cst); open; open &= open - 1) {
      Slot& slot = slots_[std::countr_zero(open)];
      const std::uint32_t next =
          static_cast<std::uint32_t>(slot.word.load(std::memory_order_acquire));
      const std::uint32_t n = slot.n.load(std::memory_order_acquire);
      if (next < n && n - next > 1) wake_workers(n - next - 1);
      worked |= slot.work(/*as_caller=*/false) > 0;
    }
    return worked;
  }

  Slot slots_[kSlots];
  alignas(64) std::atomic<std::uint32_t> used_{0};
  alignas(64) std::atomic<std::uint32_t> open_{0};
  alignas(64) std::atomic<std::uint32_t> epoch_{0};
  alignas(64) std::atomic<std::uint32_t> sleepers_{0};
  alignas(64) std::atomic<int> running_{0};
  std::atomic<int> wanted_{0};
  std::atomic<int> callers_cpu_{-1};  // which workers may not use
  std::mutex resize_mutex_;
  std::vector<Worker> workers_;
  std::int64_t next_turn_ = 0;
  alignas(64) SharingAccount account_;
};

// The pool is never destroyed: at process exit its workers sleep until the process is gone, and no
// static destructor may pull memory away from under them.
std::atomic<Pool*> g_pool{nullptr};
// A forked child has its parent's pool object but none of its threads; it drops it and builds its
// own at its first parallel call. Kept reachable for leak checkers.
std::atomic<Pool*> g_parents_pool{nullptr};
std::atomic<int> g_threads{0};

struct Hook {
  std::atomic<ParallelForHook> fn{nullptr};
  std::atomic<void*> ctx{nullptr};
};
Hook g_hook;

void after_fork_in_child() {
  g_parents_pool.store(g_pool.exchange(nullptr));
  t_in_region = false;
}

[[maybe_unused]] const int g_atfork = pthread_atfork(nullptr, nullptr, after_fork_in_child);

Pool& pool() {
  Pool* p = g_pool.load(std::memory_order_acquire);
  if (PHINTYS_LIKELY(p != nullptr)) return *p;
  Pool* fresh = new Pool;
  if (g_pool.compare_exchange_strong(p, fresh, std::memory_order_acq_rel)) return *fresh;
  delete fresh;
  return *p;
}

void run_serially(std::int64_t n_chunks, void* ctx, ChunkFn fn) {
  for (std::int64_t i = 0; i < n_chunks; ++i) fn(ctx, i);
}

// An embedder's pool may be C, or not expect exceptions: they are carried around it.
struct Guarded {
  ChunkFn fn;
  void* ctx;
  std::mutex mutex{};
  std::exception_ptr error{};
  std::int64_t error_chunk = 0;

  static void run(void* self_ptr, std::int64_t chunk) {
    Guarded& self = *static_cast<Guarded*>(self_ptr);
    const bool outer = t_in_region;
    t_in_region = true;
    try {
      self.fn(self.ctx, chunk);
    } catch (...) {
      std::lock_guard<std::mutex> lock(self.mutex);
      if (!self.error || chunk < self.error_chunk) {
        self.error = std::current_exception();
        self.error_chunk = chunk;
      }
    }
    t_in_region = outer;
  }
};

}  // namespace

int num_threads() noexcept {
  int n = g_threads.load(std::memory_order_relaxed);
  if (PHINTYS_UNLIKELY(n == 0)) {
    n = available_cpus();
    g_threads.store(n, std::memory_order_relaxed);
  }
  return n;
}

void set_num_threads(int n) {
  if (t_in_region) {
    fail(ErrorKind::runtime, "the number of threads cannot be changed inside a parallel region");
  }
  if (n < 0 || n > 4096) {
    fail(ErrorKind::value, "the number of threads must be from 0 (all CPUs) to 4096, not ", n);
  }
  g_threads.store(n == 0 ? available_cpus() : n, std::memory_order_relaxed);
  // Surplus workers end now; missing ones start with the next parallel call.
  if (Pool* p = g_pool.load(std::memory_order_acquire)) p->resize(num_threads() - 1);
}

void set_parallel_for(ParallelForHook hook, void* hook_ctx) noexcept {
  g_hook.ctx.store(hook_ctx, std::memory_order_relaxed);
  g_hook.fn.store(hook, std::memory_order_release);
}

bool in_parallel_region() noexcept { return t_in_region; }

SerialRegion::SerialRegion() noexcept : outer_(t_in_region) { t_in_region = true; }
SerialRegion::~SerialRegion() { t_in_region = outer_; }

void parallel_for(std::int64_t n_chunks, void* ctx, ChunkFn fn) {
  if (n_chunks <= 1 || t_in_region) {
    run_serially(n_chunks, ctx, fn);
    return;
  }
  if (const ParallelForHook hook = g_hook.fn.load(std::memory_order_acquire)) {
    Guarded guarded{fn, ctx};
    hook(g_hook.ctx.load(std::memory_order_relaxed), n_chunks, &guarded, &Guarded::run);
    if (guarded.error) std::rethrow_exception(guarded.error);
    return;
  }
  const int threads = num_threads();
  if (threads <= 1) {
    run_serially(n_chunks, ctx, fn);
    return;
  }
  Pool& p = pool();
  if (n_chunks <= Slot::kMaxChunks) {
    if (!p.run(n_chunks, ctx, fn, threads)) run_serially(n_chunks, ctx, fn);
    return;
  }
  struct Part {
    void* ctx;
    ChunkFn fn;
    std::int64_t base;
  };
  for (std::int64_t base = 0; base < n_chunks; base += Slot::kMaxChunks) {
    Part part{ctx, fn, base};
    parallel_for(std::min(Slot::kMaxChunks, n_chunks - base), &part,
                 [](void* self, std::int64_t i) {
                   const Part& x = *static_cast<Part*>(self);
                   x.fn(x.ctx, x.base + i);
                 });
  }
}

}  // namespace phintys
