// Sums over a block of kThreads threads.
#pragma once

#include "indexing/support.h"

namespace phintys::cuda::indexing {

// The sum of what the threads before this one gave; *total: of all. Exact for integers; of floats
// the order is always the same.
__device__ __forceinline__ int64_t block_before(int64_t value, int64_t* total) {
  __shared__ int64_t sums[kThreads / 32];
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
  int64_t sum = value;
  for (int d = 1; d < 32; d *= 2) {
    const int64_t below =
        __shfl_up_sync(gpu::kAllLanes, static_cast<long long>(sum), static_cast<unsigned>(d));
    if (lane >= d) sum += below;
  }
  if (lane == 31) sums[warp] = sum;
  __syncthreads();
  int64_t before = 0, all = 0;
  for (int w = 0; w < kThreads / 32; ++w) {
    if (w < warp) before += sums[w];
    all += sums[w];
  }
  __syncthreads();
  *total = all;
  return before + sum - value;
}

}  // namespace phintys::cuda::indexing
