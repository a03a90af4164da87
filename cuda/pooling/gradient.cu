// Gradients of pooling with respect to its operand: each element collects from its windows.
#include "pooling/axes.h"

namespace phintys::cuda {
namespace {

template <class T, bool kMax>
__global__ __launch_bounds__(kPoolThreads) void gradient_kernel(Pooling p, PoolPlaces places) {
  __shared__ PoolAxis axes[3];
  read_axes(p, axes);
  const bool averages = p.mode == PoolMode::average_inc_pad || p.mode == PoolMode::average_exc_pad;
  const uint32_t step = gridDim.x * kPoolThreads;
  for (uint32_t n = blockIdx.x * kPoolThreads + threadIdx.x; n < places.size; n += step) {
    const PoolPlace place(places, n);
    int begin[3], end[3];
#pragma unroll
    for (int i = 0; i < 3; ++i) {
      axes[i].covering(static_cast<int>(place.at[i]), &begin[i], &end[i]);
    }
    const T* const g = place.plane<T>(p.g);
    const T* const z = kMax ? place.plane<T>(p.z) : nullptr;
    T x = 0;
    if constexpr (kMax) {
      x = place.plane<T>(p.x)[place.at[0] * p.x.pooled[0] + place.at[1] * p.x.pooled[1] +
                              place.at[2] * p.x.pooled[2]];
    }
    T total = 0;
    for (int d = begin[0]; d < end[0]; ++d) {
      for (int h = begin[1]; h < end[1]; ++h) {
        const T* const g_row = g + d * p.g.pooled[0] + h * p.g.pooled[1];
        int64_t outer = 1;
        if (!kMax && averages) outer = axes[0].counted(d, p.mode) * axes[1].counted(h, p.mode);
        for (int i = begin[2]; i < end[2]; ++i) {
          if constexpr (kMax) {
            const T top = __ldg(z + d * p.z.pooled[0] + h * p.z.pooled[1] + i * p.z.pooled[2]);
            if (x == top) total += __ldg(g_row + i * p.g.pooled[2]);
          } else {
            const T value = __ldg(g_row + i * p.g.pooled[2]);
            total += averages ? value / static_cast<T>(outer * axes[2].counted(i, p.mode)) : value;
          }
        }
      }
    }
    reinterpret_cast<T*>(p.result)[n] = total;
  }
}

}  // namespace

Status pool_gradient(Stream* stream, const Pooling& p, const PoolPlaces& places) {
  const bool f32 = p.dtype == DType::f32;
  auto* const kernel = p.part == device::PoolPart::max_gradient
                           ? (f32 ? gradient_kernel<float, true> : gradient_kernel<double, true>)
                           : (f32 ? gradient_kernel<float, false> : gradient_kernel<double, false>);
  return gpu::launch(stream, kernel, pool_grid(places.size), dim3(kPoolThreads), 0, p, places);
}

}  // namespace phintys::cuda
