// Sums and maxima of warps and blocks, always in the same order.
#pragma once

#include "solvers/solvers.h"

namespace phintys::cuda::solvers {

// Of a warp; every lane gets it.
template <class R>
PHINTYS_INLINE_DEVICE R warp_sum(R x) {
  for (int step = gpu::kWarp / 2; step > 0; step /= 2) {
    x += __shfl_xor_sync(gpu::kAllLanes, x, step);
  }
  return x;
}
template <class R>
PHINTYS_INLINE_DEVICE Complex<R> warp_sum(Complex<R> x) {
  return {warp_sum(x.re), warp_sum(x.im)};
}
template <class R>
PHINTYS_INLINE_DEVICE R warp_max(R x) {
  for (int step = gpu::kWarp / 2; step > 0; step /= 2) {
    const R other = __shfl_xor_sync(gpu::kAllLanes, x, step);
    x = other > x ? other : x;
  }
  return x;
}

// Of a block, in the order of warps; `parts` has room for one of each.
template <class R>
PHINTYS_INLINE_DEVICE R block_sum(R x, R* parts) {
  x = warp_sum(x);
  if (threadIdx.x % gpu::kWarp == 0) parts[threadIdx.x / gpu::kWarp] = x;
  __syncthreads();
  const int warps = static_cast<int>(blockDim.x) / gpu::kWarp;
  R sum = parts[0];
  for (int i = 1; i < warps; ++i) sum += parts[i];
  __syncthreads();
  return sum;
}
template <class R>
PHINTYS_INLINE_DEVICE R block_max(R x, R* parts) {
  x = warp_max(x);
  if (threadIdx.x % gpu::kWarp == 0) parts[threadIdx.x / gpu::kWarp] = x;
  __syncthreads();
  const int warps = static_cast<int>(blockDim.x) / gpu::kWarp;
  R most = parts[0];
  for (int i = 1; i < warps; ++i) most = parts[i] > most ? parts[i] : most;
  __syncthreads();
  return most;
}

// The conjugate of x times y.
template <class T>
PHINTYS_INLINE_DEVICE T dot_step(T x, T y, T sum) {
  return mul_add(conjugated(x), y, sum);
}

}  // namespace phintys::cuda::solvers
