// Maxima, sums and averages over windows; values where maxima were found.
#include "pooling/axes.h"

namespace phintys::cuda {
namespace {

template <class T>
struct Max {
  static __device__ __forceinline__ T neutral() { return -static_cast<T>(INFINITY); }
  // NaN wins.
  static __device__ __forceinline__ T join(T a, T b) {
    const T m = a > b ? a : b;
    return a != a ? a : m;
  }
};
template <class T>
struct Sum {
  static __device__ __forceinline__ T neutral() { return 0; }
  static __device__ __forceinline__ T join(T a, T b) { return a + b; }
};

template <class T>
__device__ __forceinline__ T divided(T sum, const PoolAxis* axes, const PoolPlace& place,
                                     PoolMode mode) {
  if (mode != PoolMode::average_inc_pad && mode != PoolMode::average_exc_pad) return sum;
  int64_t count = 1;
  for (int i = 0; i < 3; ++i) count *= axes[i].counted(static_cast<int>(place.at[i]), mode);
  return sum / static_cast<T>(count);
}

struct Window {
  int begin[3], end[3];
  __device__ __forceinline__ Window(const PoolAxis* axes, const PoolPlace& place) {
#pragma unroll
    for (int i = 0; i < 3; ++i) {
      axes[i].covered(static_cast<int>(place.at[i]), &begin[i], &end[i]);
    }
  }
};

// Calls f(offset in the plane of x, in that of `v`) for the window's elements.
template <class F>
__device__ __forceinline__ void for_window(const Window& w, const device::PoolArray& x,
                                           const device::PoolArray& v, F&& f) {
  for (int d = w.begin[0]; d < w.end[0]; ++d) {
    for (int h = w.begin[1]; h < w.end[1]; ++h) {
      const int64_t row_x = d * x.pooled[0] + h * x.pooled[1];
      const int64_t row_v = d * v.pooled[0] + h * v.pooled[1];
      for (int i = w.begin[2]; i < w.end[2]; ++i) {
        f(row_x + i * x.pooled[2], row_v + i * v.pooled[2]);
      }
    }
  }
}

template <class T, class Join>
__global__ __launch_bounds__(kPoolThreads) void pool_kernel(Pooling p, PoolPlaces places) {
  __shared__ PoolAxis axes[3];
  read_axes(p, axes);
  const uint32_t step = gridDim.x * kPoolThreads;
  for (uint32_t n = blockIdx.x * kPoolThreads + threadIdx.x; n < places.size; n += step) {
    const PoolPlace place(places, n);
    const T* const x = place.plane<T>(p.x);
    T value = Join::neutral();
    for_window(Window(axes, place), p.x, p.x,
               [&](int64_t at, int64_t) { value = Join::join(value, __ldg(x + at)); });
    reinterpret_cast<T*>(p.result)[n] = divided(value, axes, place, p.mode);
  }
}

// A warp for each window: for long ones.
template <class T, class Join>
__global__ __launch_bounds__(kPoolThreads) void wide_kernel(Pooling p, PoolPlaces places) {
  __shared__ PoolAxis axes[3];
  read_axes(p, axes);
  const uint32_t lane = threadIdx.x % gpu::kWarp, warp = threadIdx.x / gpu::kWarp;
  const uint32_t step = gridDim.x * (kPoolThreads / gpu::kWarp);
  for (uint32_t n = blockIdx.x * (kPoolThreads / gpu::kWarp) + warp; n < places.size; n += step) {
    const PoolPlace place(places, n);
    const Window w(axes, place);
    const T* const x = place.plane<T>(p.x);
    T value = Join::neutral();
    const int rows = max(0, w.end[1] - w.begin[1]), columns = max(0, w.end[2] - w.begin[2]);
    for (int d = w.begin[0]; d < w.end[0]; ++d) {
      const T* const from =
          x + d * p.x.pooled[0] + w.begin[1] * p.x.pooled[1] + w.begin[2] * p.x.pooled[2];
      // An image may be longer than 31 bits, a row not.
      int row = 0;
      int64_t column = lane;
      while (columns > 0 && row < rows) {
        if (column >= columns) {
          const int64_t skip = column / columns;
          row += static_cast<int>(skip < rows ? skip : rows);
          column -= skip * columns;
          continue;
        }
        value = Join::join(value, __ldg(from + row * p.x.pooled[1] + column * p.x.pooled[2]));
        column += gpu::kWarp;
      }
    }
#pragma unroll
    for (int d = gpu::kWarp / 2; d > 0; d /= 2) {
      value = Join::join(value, __shfl_xor_sync(gpu::kAllLanes, value, d));
    }
    if (lane == 0) reinterpret_cast<T*>(p.result)[n] = divided(value, axes, place, p.mode);
  }
}

template <class T>
__global__ __launch_bounds__(kPoolThreads) void chosen_kernel(Pooling p, PoolPlaces places) {
  __shared__ PoolAxis axes[3];
  read_axes(p, axes);
  const uint32_t step = gridDim.x * kPoolThreads;
  for (uint32_t n = blockIdx.x * kPoolThreads + threadIdx.x; n < places.size; n += step) {
    const PoolPlace place(places, n);
    const T* const x = place.plane<T>(p.x);
    const T* const v = place.plane<T>(p.g);
    const T top = place.plane<T>(p.z)[place.at[0] * p.z.pooled[0] + place.at[1] * p.z.pooled[1] +
                                      place.at[2] * p.z.pooled[2]];
    T total = 0;
    for_window(Window(axes, place), p.x, p.g, [&](int64_t at, int64_t at_v) {
      if (__ldg(x + at) == top) total += __ldg(v + at_v);
    });
    reinterpret_cast<T*>(p.result)[n] = total;
  }
}

__device__ inline void write_integer(char* p, DType dtype, int64_t value) {
  switch (dtype) {
    case DType::i8:
    case DType::u8:
      *reinterpret_cast<int8_t*>(p) = static_cast<int8_t>(value);
      break;
    case DType::i16:
    case DType::u16:
      *reinterpret_cast<int16_t*>(p) = static_cast<int16_t>(value);
      break;
    case DType::i32:
    case DType::u32:
      *reinterpret_cast<int32_t*>(p) = static_cast<int32_t>(value);
      break;
    default:
      *reinterpret_cast<int64_t*>(p) = value;
  }
}

// Integers of all kinds: rare, so one kernel does.
__global__ __launch_bounds__(kPoolThreads) void integer_kernel(Pooling p, PoolPlaces places,
                                                               int item) {
  __shared__ PoolAxis axes[3];
  read_axes(p, axes);
  // u64 compares as i64 with the highest bit turned.
  constexpr uint64_t kSign = uint64_t{1} << 63;
  const uint64_t turn = p.dtype == DType::u64 ? kSign : 0;
  const bool is_unsigned = p.dtype == DType::u8 || p.dtype == DType::u16 || p.dtype == DType::u32;
  const int64_t least = is_unsigned ? 0 : static_cast<int64_t>(kSign) >> (64 - 8 * item);
  const uint32_t step = gridDim.x * kPoolThreads;
  for (uint32_t n = blockIdx.x * kPoolThreads + threadIdx.x; n < places.size; n += step) {
    const PoolPlace place(places, n);
    const int64_t plane =
        place.lead[0] * p.x.lead[0] + place.lead[1] * p.x.lead[1] + place.lead[2] * p.x.lead[2];
    int64_t top = least;
    uint64_t sum = 0;
    for_window(Window(axes, place), p.x, p.x, [&](int64_t at, int64_t) {
      const auto value =
          static_cast<uint64_t>(read_integer(p.x.data + (plane + at) * item, p.dtype));
      sum += value;
      const auto turned = static_cast<int64_t>(value ^ turn);
      if (turned > top) top = turned;
    });
    const uint64_t result = p.mode == PoolMode::max ? static_cast<uint64_t>(top) ^ turn : sum;
    write_integer(p.result + static_cast<int64_t>(n) * item, p.dtype, static_cast<int64_t>(result));
  }
}

template <class T, class Join>
Status queue_kernel(Stream* stream, const Pooling& p, const PoolPlaces& places) {
  const int64_t in = p.length[0] * p.length[1] * p.length[2], out = p.out[0] * p.out[1] * p.out[2];
  // Windows are about this long, or longer.
  if (in >= 48 * out) {
    return gpu::launch(stream, wide_kernel<T, Join>,
                       pool_grid(static_cast<int64_t>(places.size) * gpu::kWarp),
                       dim3(kPoolThreads), 0, p, places);
  }
  return gpu::launch(stream, pool_kernel<T, Join>, pool_grid(places.size), dim3(kPoolThreads), 0, p,
                     places);
}

}  // namespace

Status pool_forward(Stream* stream, const Pooling& p, const PoolPlaces& places) {
  const bool f32 = p.dtype == DType::f32;
  if (p.part == device::PoolPart::max_chosen) {
    return gpu::launch(stream, f32 ? chosen_kernel<float> : chosen_kernel<double>,
                       pool_grid(places.size), dim3(kPoolThreads), 0, p, places);
  }
  const bool maxima = p.mode == PoolMode::max;
  switch (p.dtype) {
    case DType::f32:
      return maxima ? queue_kernel<float, Max<float>>(stream, p, places)
                    : queue_kernel<float, Sum<float>>(stream, p, places);
    case DType::f64:
      return maxima ? queue_kernel<double, Max<double>>(stream, p, places)
                    : queue_kernel<double, Sum<double>>(stream, p, places);
    case DType::i8:
    case DType::u8:
      return gpu::launch(stream, integer_kernel, pool_grid(places.size), dim3(kPoolThreads), 0, p,
                         places, 1);
    case DType::i16:
    case DType::u16:
      return gpu::launch(stream, integer_kernel, pool_grid(places.size), dim3(kPoolThreads), 0, p,
                         places, 2);
    case DType::i32:
    case DType::u32:
      return gpu::launch(stream, integer_kernel, pool_grid(places.size), dim3(kPoolThreads), 0, p,
                         places, 4);
    case DType::i64:
    case DType::u64:
      return gpu::launch(stream, integer_kernel, pool_grid(places.size), dim3(kPoolThreads), 0, p,
                         places, 8);
    default:
      return kUnsupported;
  }
}

}  // namespace phintys::cuda
