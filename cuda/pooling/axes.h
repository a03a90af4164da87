// The pooled axes as kernels see them. Windows, strides and padding are operands on the device:
// each block reads them first.
#pragma once

#include "convolution/fast_divide.h"
#include "device/pooling.h"

namespace phintys::cuda {

using device::Pooling;
using device::PoolMode;
using device::PoolParameter;

struct PoolAxis {
  int64_t window, stride, pad;
  int32_t length, out;
  bool small;  // 31 bits are enough for what is divided by the stride
  FastDivide by_stride;

  // The elements of x in window `o` are [*begin, *end).
  __device__ __forceinline__ void covered(int o, int* begin, int* end) const {
    const int64_t at = o * stride - pad;
    *begin = static_cast<int>(at < 0 ? 0 : at < length ? at : length);
    *end = static_cast<int>(at + window < length ? (at + window < 0 ? 0 : at + window) : length);
  }
  __device__ __forceinline__ int64_t divide(int64_t n) const {
    return small ? by_stride.quotient(static_cast<uint32_t>(n)) : n / stride;
  }
  // The windows that element i is in are [*begin, *end).
  __device__ __forceinline__ void covering(int i, int* begin, int* end) const {
    const int64_t at = i + pad, before = at - window;
    const int64_t first = before < 0 ? 0 : divide(before) + 1, last = divide(at) + 1;
    *begin = static_cast<int>(first < out ? first : out);
    *end = static_cast<int>(last < out ? last : out);
  }
  // How many elements an average over window `o` counts along this axis.
  __device__ __forceinline__ int64_t counted(int o, PoolMode mode) const {
    if (mode == PoolMode::average_exc_pad) {
      int begin, end;
      covered(o, &begin, &end);
      return end - begin;
    }
    const int64_t at = o * stride, room = length + 2 * pad;
    return (at + window < room ? at + window : room) - at;
  }
};

__device__ inline int64_t read_integer(const char* p, DType dtype) {
  switch (dtype) {
    case DType::i8:
      return *reinterpret_cast<const int8_t*>(p);
    case DType::i16:
      return *reinterpret_cast<const int16_t*>(p);
    case DType::i32:
      return *reinterpret_cast<const int32_t*>(p);
    case DType::u8:
      return *reinterpret_cast<const uint8_t*>(p);
    case DType::u16:
      return *reinterpret_cast<const uint16_t*>(p);
    case DType::u32:
      return *reinterpret_cast<const uint32_t*>(p);
    default:
      return *reinterpret_cast<const int64_t*>(p);
  }
}

// For the threads of a block together: fills axes[0..3).
__device__ inline void read_axes(const Pooling& p, PoolAxis* axes) {
  const int i = static_cast<int>(threadIdx.x);
  if (i < 3) {
    PoolAxis a = {1, 1, 0, 1, 1, true, FastDivide(1)};
    const int entry = i - (3 - p.ndim);
    if (entry >= 0) {
      a.window = read_integer(p.window.data + entry * p.window.stride, p.window.dtype);
      a.stride = read_integer(p.stride.data + entry * p.stride.stride, p.stride.dtype);
      a.pad = read_integer(p.pad.data + entry * p.pad.stride, p.pad.dtype);
      a.length = static_cast<int32_t>(p.length[i]);
      a.out = static_cast<int32_t>(p.out[i]);
      constexpr int64_t kMost = (int64_t{1} << 31) - 1;
      a.small = a.pad + a.length <= kMost && a.stride <= kMost;
      if (a.small) a.by_stride = FastDivide(static_cast<uint32_t>(a.stride));
    }
    axes[i] = a;
  }
  __syncthreads();
}

// Positions of the result's elements.
struct PoolPlaces {
  uint32_t size;
  FastDivide by[5];  // lengths but the first, from the second on
};
struct PoolPlace {
  uint32_t lead[3];
  uint32_t at[3];

  __device__ __forceinline__ PoolPlace(const PoolPlaces& places, uint32_t n) {
    n = places.by[4].split(n, &at[2]);
    n = places.by[3].split(n, &at[1]);
    n = places.by[2].split(n, &at[0]);
    n = places.by[1].split(n, &lead[2]);
    lead[0] = places.by[0].split(n, &lead[1]);
  }
  // Where the plane of this place begins.
  template <class T>
  __device__ __forceinline__ const T* plane(const device::PoolArray& v) const {
    return reinterpret_cast<const T*>(v.data) + lead[0] * v.lead[0] + lead[1] * v.lead[1] +
           lead[2] * v.lead[2];
  }
};

// The two halves of the work, for the two sources that have it.
inline constexpr int kPoolThreads = 256;
Status pool_forward(Stream* stream, const Pooling& p, const PoolPlaces& places);
Status pool_gradient(Stream* stream, const Pooling& p, const PoolPlaces& places);
inline dim3 pool_grid(int64_t threads) {
  // More elements than this makes are taken in turns, so that the axes are read less often.
  constexpr int64_t kMostBlocks = 4096;
  const int64_t blocks = (threads + kPoolThreads - 1) / kPoolThreads;
  return dim3(static_cast<unsigned>(blocks < kMostBlocks ? blocks : kMostBlocks));
}

}  // namespace phintys::cuda
