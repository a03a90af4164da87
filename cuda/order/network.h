// Sorting in shared memory.
#pragma once

#include "gpu.h"

namespace phintys::cuda::order {

// Batcher's bitonic network, by all threads of a block, on stretches of `length` slots (a power of
// two) side by side. Keys come with indices, no two of which are equal in a stretch: the order is
// stable. With a barrier before and behind.
template <class Key>
__device__ __forceinline__ void sort_stretches(Key* keys, uint32_t* index, int length, int slots) {
  for (int size = 2; size <= length; size *= 2) {
    for (int by = size / 2; by > 0; by /= 2) {
      __syncthreads();
      for (int t = static_cast<int>(threadIdx.x); t < slots / 2;
           t += static_cast<int>(blockDim.x)) {
        const int a = 2 * t - (t & (by - 1)), b = a + by;
        const bool up = (a & (length - 1) & size) == 0;
        const bool after = keys[a] > keys[b] || (keys[a] == keys[b] && index[a] > index[b]);
        if (after != up) continue;
        const Key key = keys[a];
        const uint32_t place = index[a];
        keys[a] = keys[b];
        index[a] = index[b];
        keys[b] = key;
        index[b] = place;
      }
    }
  }
  __syncthreads();
}

}  // namespace phintys::cuda::order
