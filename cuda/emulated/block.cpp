// Runs the threads of a block as fibres, and lets them wait for one another.
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "emulated/block.h"
#include "emulated/collective.h"
#include "emulated/switch.h"

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

namespace phintys::cuda::emulated {
namespace {

constexpr size_t kStackBytes = 256 * 1024;
constexpr int kNamedBarriers = 16;
constexpr int kMaxIdleRounds = 100000;

enum class State : uint8_t { fresh, ready, waiting, ended };

struct Thread {
  uint3 index{};
  State state = State::fresh;
  Context* fiber = nullptr;
  // What it waits in.
  Scope scope{};
  unsigned mask = 0;
  const char* name = nullptr;
  Site site{};
  void* mine = nullptr;
  Act act = nullptr;
  int named = -1;  // a named barrier
};

struct NamedBarrier {
  int threads = 0, arrived = 0;
};

struct Block {
  const Launch* launch = nullptr;
  bool reverse = false;
  int count = 0;
  int ended = 0;
  int at_barrier = 0;         // of the whole block
  int in_warps = 0;           // threads that wait for others of their warp, or of four
  int first_at_barrier = -1;  // a thread that waits there
  bool progress = false;      // a thread has come to a wait, left one or ended
  int current = -1;
  NamedBarrier named[kNamedBarriers];
  Thread threads[kMaxThreads];
};

// Of the one launch that runs.
Block block;
Context scheduler;
// Fibres are used again; threads that never wait share one. Never destroyed.
std::vector<Context*>& free_fibers = *new std::vector<Context*>;

[[noreturn]] void fiber_main();

Context* take_fiber() {
  if (!free_fibers.empty()) {
    Context* fiber = free_fibers.back();
    free_fibers.pop_back();
    return fiber;
  }
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  void* memory = mmap(nullptr, kStackBytes + page, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) misuse("no memory for the stack of a thread");
  mprotect(memory, page, PROT_NONE);
  auto* fiber = new Context;
  prepare(fiber, static_cast<char*>(memory) + page, kStackBytes, fiber_main);
  return fiber;
}

// The thread that runs stops here until the scheduler lets it go on.
void leave() { switch_to(block.threads[block.current].fiber, &scheduler); }

void resume(int t) {
  Thread& thread = block.threads[t];
  if (thread.state == State::fresh) {
    thread.fiber = take_fiber();
    thread.state = State::ready;
  }
  block.current = t;
  threadIdx = thread.index;
  switch_to(&scheduler, thread.fiber);
  if (thread.state == State::ended && thread.fiber) {
    free_fibers.push_back(thread.fiber);
    thread.fiber = nullptr;
  }
}

struct Range {
  int first, count;
};

Range range_of(Scope scope, int t) {
  if (scope == Scope::block) return {0, block.count};
  const int size = scope == Scope::warp ? 32 : 128;
  const int first = t / size * size;
  return {first, std::min(size, block.count - first)};
}

bool same_text(const char* a, const char* b) { return a == b || strcmp(a, b) == 0; }

bool same_wait(const Thread& a, const Thread& b) {
  return a.site.line == b.site.line && a.scope == b.scope && a.mask == b.mask && a.named < 0 &&
         b.named < 0 && same_text(a.name, b.name) && same_text(a.site.file, b.site.file);
}

void release(Thread& thread) {
  if (thread.named < 0 && thread.scope != Scope::block) --block.in_warps;
  thread.state = State::ready;
  thread.named = -1;
  block.progress = true;
}

// If all are there that thread t waits for: acts for them and lets them go on.
void try_complete(int t) {
  const Thread& key = block.threads[t];
  const Scope scope = key.scope;
  const Range range = range_of(key.scope, t);
  if (key.scope == Scope::block && block.at_barrier + block.ended < block.count) return;
  auto takes_part = [&](int i) {
    return (key.scope != Scope::warp || (key.mask >> i & 1u) != 0) &&
           block.threads[range.first + i].state != State::ended;
  };
  for (int n = 0; n < range.count; ++n) {
    // First those that come last.
    const int i = block.reverse ? n : range.count - 1 - n;
    if (!takes_part(i)) continue;
    const Thread& other = block.threads[range.first + i];
    if (other.state != State::waiting || !same_wait(key, other)) return;
  }
  if (key.act) {
    static void* members[kMaxThreads];
    const int full = key.scope == Scope::warp ? 32 : range.count;
    for (int i = 0; i < full; ++i)
      members[i] = i < range.count && takes_part(i) ? block.threads[range.first + i].mine : nullptr;
    key.act(members, full);
  }
  for (int i = 0; i < range.count; ++i)
    if (takes_part(i)) release(block.threads[range.first + i]);
  if (scope == Scope::block) {
    block.at_barrier = 0;
    block.first_at_barrier = -1;
  }
}

// Thread t has ended: others may have waited for it alone.
void try_others(int t) {
  if (block.first_at_barrier >= 0) try_complete(block.first_at_barrier);
  if (block.in_warps == 0) return;
  const Range range = range_of(Scope::four_warps, t);
  for (int i = range.first; i < range.first + range.count; ++i) {
    const Thread& other = block.threads[i];
    if (other.state == State::waiting && other.named < 0 && other.scope != Scope::block)
      try_complete(i);
  }
}

[[noreturn]] void fiber_main() {
  entered(&scheduler);
  for (;;) {
    block.launch->thread();
    const int t = block.current;
    block.threads[t].state = State::ended;
    ++block.ended;
    block.progress = true;
    try_others(t);
    leave();
  }
}

void arrive(int id, int threads) {
  if (id < 1 || id >= kNamedBarriers || threads <= 0 || threads % 32 != 0)
    misuse("barrier %d of %d threads: 1 to 15 and whole warps are possible", id, threads);
  NamedBarrier& barrier = block.named[id];
  if (barrier.arrived != 0 && barrier.threads != threads)
    misuse("barrier %d: %d threads here, %d elsewhere", id, threads, barrier.threads);
  barrier.threads = threads;
  if (++barrier.arrived < threads) return;
  barrier.arrived = 0;
  for (int t = 0; t < block.count; ++t) {
    Thread& other = block.threads[t];
    if (other.state == State::waiting && other.named == id) release(other);
  }
}

void describe_waits() {
  bool said[kMaxThreads]{};
  for (int t = 0; t < block.count; ++t) {
    const Thread& thread = block.threads[t];
    if (said[t] || thread.state != State::waiting) continue;
    int same = 0;
    for (int u = t; u < block.count; ++u) {
      const Thread& other = block.threads[u];
      if (other.state != State::waiting || said[u]) continue;
      if (u != t && !same_wait(thread, other)) continue;
      said[u] = true;
      ++same;
    }
    fprintf(stderr, "  %d thread%s, the first (%u, %u, %u), wait in %s, %s:%d", same,
            same == 1 ? "" : "s", thread.index.x, thread.index.y, thread.index.z, thread.name,
            thread.site.file, thread.site.line);
    if (thread.scope == Scope::warp && thread.named < 0)
      fprintf(stderr, " (warp %d, lanes %08x)", t / 32, thread.mask);
    fprintf(stderr, "\n");
  }
  fprintf(stderr, "  %d of %d threads have ended\n", block.ended, block.count);
}

void start_block(const Launch& launch) {
  for (int id = 0; id < kNamedBarriers; ++id) block.named[id] = {};
  block.ended = 0;
  block.at_barrier = 0;
  block.in_warps = 0;
  block.first_at_barrier = -1;
  int t = 0;
  for (unsigned z = 0; z < launch.block.z; ++z)
    for (unsigned y = 0; y < launch.block.y; ++y)
      for (unsigned x = 0; x < launch.block.x; ++x) {
        Thread& thread = block.threads[t++];
        thread.index = {x, y, z};
        thread.state = State::fresh;
        thread.named = -1;
      }
  block.count = t;
}

// Lets the threads of a warp run until none can, or none gets anywhere; true iff one ran.
bool run_warp(int first, bool* progress) {
  const int count = std::min(32, block.count - first);
  bool any = false;
  for (;;) {
    bool ran = false;
    block.progress = false;
    for (int n = 0; n < count; ++n) {
      const int t = first + (block.reverse ? count - 1 - n : n);
      const State state = block.threads[t].state;
      if (state != State::fresh && state != State::ready) continue;
      resume(t);
      ran = true;
    }
    any |= ran;
    *progress |= block.progress;
    if (!ran || !block.progress) return any;
  }
}

}  // namespace

void run_block(const Launch& launch, uint3 index, bool reverse) {
  block.launch = &launch;
  block.reverse = reverse;
  blockIdx = index;
  blockDim = launch.block;
  gridDim = launch.grid;
  start_block(launch);
  const int warps = (block.count + 31) / 32;
  int idle = 0;
  while (block.ended < block.count) {
    bool ran = false, progress = false;
    for (int w = 0; w < warps; ++w) ran |= run_warp((reverse ? warps - 1 - w : w) * 32, &progress);
    if (block.ended == block.count) break;
    if (!ran) misuse("threads wait for others that never come");
    idle = progress ? 0 : idle + 1;
    if (idle > kMaxIdleRounds) misuse("threads wait in a loop for what no other thread does");
  }
  block.launch = nullptr;
}

void act_together(Scope scope, unsigned mask, const char* name, Site site, void* mine, Act act) {
  const int t = block.current;
  if (!block.launch) misuse("%s outside of a kernel", name);
  Thread& thread = block.threads[t];
  if (scope == Scope::warp && !(mask >> (t % 32) & 1u))
    misuse("%s at %s:%d: lane %d calls it with mask %08x, which leaves it out", name, site.file,
           site.line, t % 32, mask);
  thread.scope = scope;
  thread.mask = mask;
  thread.name = name;
  thread.site = site;
  thread.mine = mine;
  thread.act = act;
  thread.state = State::waiting;
  block.progress = true;
  if (scope == Scope::block) {
    const int first = block.first_at_barrier;
    if (first >= 0 && !same_wait(thread, block.threads[first]))
      misuse("threads of one block are at different barriers");
    if (first < 0) block.first_at_barrier = t;
    ++block.at_barrier;
  } else {
    ++block.in_warps;
  }
  try_complete(t);
  if (thread.state == State::waiting) leave();
}

void named_barrier_sync(int id, int threads, const char* file, int line) {
  Thread& thread = block.threads[block.current];
  thread.scope = Scope::warp;
  thread.name = "a named barrier";
  thread.site = {file, line};
  thread.named = id;
  thread.state = State::waiting;
  block.progress = true;
  arrive(id, threads);
  if (thread.state == State::waiting) leave();
}

void named_barrier_arrive(int id, int threads) { arrive(id, threads); }

void let_others_run() { leave(); }

void misuse(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fprintf(stderr, "\nEmulated GPU: ");
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fprintf(stderr, "\n");
  if (block.launch) {
    const Thread& thread = block.threads[block.current];
    fprintf(stderr, "  kernel launched at %s:%d, block (%u, %u, %u), thread (%u, %u, %u)\n",
            block.launch->file, block.launch->line, blockIdx.x, blockIdx.y, blockIdx.z,
            thread.index.x, thread.index.y, thread.index.z);
    describe_waits();
  }
  fflush(stderr);
  abort();
}

}  // namespace phintys::cuda::emulated
