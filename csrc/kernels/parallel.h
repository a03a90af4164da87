// The process-wide thread pool.
//
// Work is a number of chunks whose boundaries the caller derives from the shape alone, never from
// the number of threads: results are then the same bits for any pool size. Chunks are claimed
// dynamically in increasing order. The calling thread takes part, and waits only for chunks that
// another thread has claimed and not finished, never for a thread to wake up.
#pragma once

#include <cstdint>
#include <memory>
#include <type_traits>

#include "base/export.h"

namespace phintys {

using ChunkFn = void (*)(void* ctx, std::int64_t chunk);

// Replaces the pool by the embedder's own: must call fn(ctx, c) once for each c in [0, n_chunks),
// on any threads, and return when all calls have returned. The fn passed to it does not throw.
using ParallelForHook = void (*)(void* hook_ctx, std::int64_t n_chunks, void* ctx, ChunkFn fn);

// The number of threads that work at the same time, the caller included. 0 means the number of
// CPUs that this process may use. Must not be called from inside a parallel region.
PHINTYS_PUBLIC void set_num_threads(int n);
PHINTYS_PUBLIC int num_threads() noexcept;

// A null hook restores the pool. Must not be called while parallel work is running.
PHINTYS_PUBLIC void set_parallel_for(ParallelForHook hook, void* hook_ctx) noexcept;

// Runs fn(ctx, c) for each c in [0, n_chunks) and returns when all have finished. If chunks throw,
// no new ones are started and the exception of the lowest chunk is rethrown here. A call from
// inside a chunk runs serially. May be called from many threads at once. Does not allocate.
PHINTYS_PUBLIC void parallel_for(std::int64_t n_chunks, void* ctx, ChunkFn fn);

// True iff the current thread is executing a chunk or holds a SerialRegion.
PHINTYS_PUBLIC bool in_parallel_region() noexcept;

// While one exists, parallel_for in this thread runs serially (with the same chunks and results).
class PHINTYS_PUBLIC SerialRegion {
 public:
  SerialRegion() noexcept;
  ~SerialRegion();
  SerialRegion(const SerialRegion&) = delete;
  SerialRegion& operator=(const SerialRegion&) = delete;

 private:
  bool outer_;
};

// parallel_for(n, [&](int64_t chunk) {...}): the callable is used where it is, not copied.
template <class F>
  requires std::is_invocable_v<F&, std::int64_t>
void parallel_for(std::int64_t n_chunks, F&& f) {
  using Fn = std::remove_reference_t<F>;
  if (n_chunks == 1) {
    f(std::int64_t{0});
    return;
  }
  parallel_for(n_chunks, const_cast<void*>(static_cast<const void*>(std::addressof(f))),
               [](void* ctx, std::int64_t chunk) { (*static_cast<Fn*>(ctx))(chunk); });
}

// Cuts [0, total) into pieces of `grain` (the last may be shorter) and calls f(begin, end) on each.
template <class F>
  requires std::is_invocable_v<F&, std::int64_t, std::int64_t>
void parallel_ranges(std::int64_t total, std::int64_t grain, F&& f) {
  if (total <= 0) return;
  if (grain < 1) grain = 1;
  if (total <= grain) {
    f(std::int64_t{0}, total);
    return;
  }
  const std::int64_t n = total / grain + (total % grain != 0);
  parallel_for(n, [&](std::int64_t chunk) {
    const std::int64_t begin = chunk * grain;
    f(begin, total - begin < grain ? total : begin + grain);
  });
}

}  // namespace phintys
