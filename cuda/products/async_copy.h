// Copies from global to shared memory that go on while the thread computes (cp.async).
//
// Emulated, a copy happens at the last moment that the rules allow: when its thread waits for it.
// A wait or a barrier that is missing therefore shows.
#pragma once

#include "gpu.h"
#ifdef PHINTYS_EMULATED
#include <vector>
#endif

namespace phintys::cuda {

#ifdef PHINTYS_EMULATED

namespace emulated {

struct AsyncCopy {
  void* to;
  const void* from;
  int bytes, valid;
};
struct AsyncCopies {
  std::vector<AsyncCopy> open;
  std::vector<std::vector<AsyncCopy>> groups;
};
inline AsyncCopies& async_copies() {
  static AsyncCopies all[gpu::kMaxThreads];
  return all[threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z)];
}

}  // namespace emulated

template <int kBytes>
__device__ inline void copy_async(void* to, const void* from, int valid) {
  const auto place = [](const void* p) { return reinterpret_cast<uintptr_t>(p); };
  if (place(to) % kBytes || (valid > 0 && place(from) % kBytes) || valid > kBytes || valid < 0)
    emulated::misuse("a copy of %d bytes, %d of them valid, that is not aligned", kBytes, valid);
  emulated::async_copies().open.push_back({to, from, kBytes, valid});
}

template <int kBytes>
__device__ inline void copy_async_whole(void* to, const void* from) {
  copy_async<kBytes>(to, from, kBytes);
}

__device__ inline void end_of_copies() {
  emulated::AsyncCopies& mine = emulated::async_copies();
  mine.groups.push_back(std::move(mine.open));
  mine.open.clear();
}

template <int kGroups>
__device__ inline void wait_for_copies() {
  auto& groups = emulated::async_copies().groups;
  if (groups.size() <= kGroups) return;
  const size_t done = groups.size() - kGroups;
  for (size_t g = 0; g < done; ++g) {
    for (const emulated::AsyncCopy& copy : groups[g]) {
      memset(copy.to, 0, static_cast<size_t>(copy.bytes));
      if (copy.valid > 0) memcpy(copy.to, copy.from, static_cast<size_t>(copy.valid));
    }
  }
  groups.erase(groups.begin(), groups.begin() + static_cast<ptrdiff_t>(done));
}

#else

// Queues a copy of kBytes (4, 8, 16) of which the first `valid` are read from `from`; the others
// are zeros. Both addresses are multiples of kBytes; without valid bytes `from` is not read.
template <int kBytes>
__device__ __forceinline__ void copy_async(void* to, const void* from, int valid) {
  static_assert(kBytes == 4 || kBytes == 8 || kBytes == 16);
  const unsigned place = static_cast<unsigned>(__cvta_generic_to_shared(to));
  if constexpr (kBytes == 16) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(place), "l"(from), "r"(valid)
                 : "memory");
  } else {
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(place), "l"(from),
                 "n"(kBytes), "r"(valid)
                 : "memory");
  }
}

// All bytes are valid.
template <int kBytes>
__device__ __forceinline__ void copy_async_whole(void* to, const void* from) {
  const unsigned place = static_cast<unsigned>(__cvta_generic_to_shared(to));
  if constexpr (kBytes == 16) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(place), "l"(from) : "memory");
  } else {
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2;" ::"r"(place), "l"(from), "n"(kBytes)
                 : "memory");
  }
}

// The copies that this thread has queued since the last call are a group.
__device__ __forceinline__ void end_of_copies() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}

// Waits until all but the last kGroups groups of this thread have arrived.
template <int kGroups>
__device__ __forceinline__ void wait_for_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kGroups) : "memory");
}

#endif

}  // namespace phintys::cuda
