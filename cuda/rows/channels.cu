// Normalisation of channels: batch normalisation and its gradient.
#include "rows/channels.h"

#include "rows/lanes.h"
#include "rows/rows.h"
#include "rows/values.h"

namespace phintys::cuda::rows {
namespace {

constexpr int kThreads = 256;
constexpr int64_t kMostParts = 64;
constexpr int64_t kPart = 8192;  // elements of a channel that make a part, at least
constexpr int kColumns = 32;     // channels side by side in a block where inner is 1
constexpr int64_t kRows = 64;    // rows that make a part there, at least

// How a channel is cut.
struct Parts {
  int64_t number, length;
};
Parts parts_of(const ChannelSums& s) {
  const int64_t count = s.outer * s.inner, least = s.inner == 1 ? kRows : kPart;
  int64_t number = (count + least - 1) / least;
  number = number < 1 ? 1 : number > kMostParts ? kMostParts : number;
  return {number, (count + number - 1) / number};
}

template <class T>
struct TwoSums {
  T a, b;
};

// What an element adds.
template <class T>
__device__ __forceinline__ void add_term(const ChannelSums& s, int64_t i, T mean, T inv_std,
                                         TwoSums<T>* sums) {
  const T x = static_cast<const T*>(s.x)[i];
  if (s.kind == ChannelTerm::value) {
    sums->a += x;
    return;
  }
  const T d = x - mean;
  if (s.kind == ChannelTerm::square) {
    sums->a += d * d;
    return;
  }
  const T g = static_cast<const T*>(s.gy)[i];
  sums->a += g;
  sums->b += g * (d * inv_std);
}

// Channel blockIdx.y, part blockIdx.x. kIndex: of the elements of a channel.
template <class T, class Index>
__global__ void __launch_bounds__(kThreads) plane_sums_kernel(ChannelSums s, Parts parts) {
  __shared__ T shared[2][gpu::kWarp];
  const int64_t count = s.outer * s.inner;
  const int64_t begin = static_cast<int64_t>(blockIdx.x) * parts.length;
  const int64_t end = begin + parts.length < count ? begin + parts.length : count;
  const Index inner = static_cast<Index>(s.inner);
  for (int64_t c = blockIdx.y; c < s.channels; c += gridDim.y) {
    const T mean = s.kind == ChannelTerm::value ? T(0) : static_cast<const T*>(s.mean)[c];
    TwoSums<T> sums = {0, 0};
#pragma unroll 4
    for (int64_t i = begin + threadIdx.x; i < end; i += kThreads) {
      const Index at = static_cast<Index>(i), plane = at / inner;
      add_term<T>(s, (plane * s.channels + c) * s.inner + (at - plane * inner), mean, T(1), &sums);
    }
    const T a = sum_lanes(sums.a, kThreads, shared[0]);
    const T b = sum_lanes(sums.b, kThreads, shared[1]);
    if (threadIdx.x == 0) {
      T* const to = static_cast<T*>(s.parts) + blockIdx.x * 2 * s.channels + c;
      to[0] = a;
      to[s.channels] = b;
    }
    __syncthreads();
  }
}

// The same where channels lie side by side (inner is 1): columns, in blocks of kColumns.
template <class T>
__global__ void __launch_bounds__(kThreads) column_sums_kernel(ChannelSums s, Parts parts) {
  constexpr int kHigh = kThreads / kColumns;
  __shared__ TwoSums<T> shared[kHigh][kColumns];
  const int column = static_cast<int>(threadIdx.x) % kColumns;
  const int high = static_cast<int>(threadIdx.x) / kColumns;
  const int64_t c = static_cast<int64_t>(blockIdx.x) * kColumns + column;
  const int64_t begin = static_cast<int64_t>(blockIdx.y) * parts.length;
  const int64_t end = begin + parts.length < s.outer ? begin + parts.length : s.outer;
  const bool by_row = s.kind == ChannelTerm::row_gradient;
  TwoSums<T> sums = {0, 0};
  if (c < s.channels) {
    T mean = by_row || s.kind == ChannelTerm::value ? T(0) : static_cast<const T*>(s.mean)[c];
    T inv_std = 1;
#pragma unroll 4
    for (int64_t r = begin + high; r < end; r += kHigh) {
      if (by_row) {
        mean = static_cast<const T*>(s.mean)[r];
        inv_std = static_cast<const T*>(s.inv_std)[r];
      }
      add_term<T>(s, r * s.channels + c, mean, inv_std, &sums);
    }
  }
  shared[high][column] = sums;
  __syncthreads();
  if (high != 0 || c >= s.channels) return;
  for (int k = 1; k < kHigh; ++k) {
    sums.a += shared[k][column].a;
    sums.b += shared[k][column].b;
  }
  T* const to = static_cast<T*>(s.parts) + blockIdx.y * 2 * s.channels + c;
  to[0] = sums.a;
  to[s.channels] = sums.b;
}

// One thread for each channel.
template <class T>
__global__ void __launch_bounds__(kThreads) join_parts_kernel(ChannelSums s, int64_t number) {
  const int64_t c = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (c >= s.channels) return;
  T a = 0, b = 0;
  for (int64_t k = 0; k < number; ++k) {
    const T* const from = static_cast<const T*>(s.parts) + k * 2 * s.channels + c;
    a += from[0];
    b += from[s.channels];
  }
  const T count = static_cast<T>(s.outer * s.inner);
  switch (s.kind) {
    case ChannelTerm::value:
      static_cast<T*>(s.to_mean)[c] = a / count;
      break;
    case ChannelTerm::square: {
      const T var = a / count;
      static_cast<T*>(s.to_var)[c] = var;
      static_cast<T*>(s.to_inv_std)[c] = T(1) / root_of(var + static_cast<T>(s.eps));
      break;
    }
    case ChannelTerm::gradient:
      static_cast<T*>(s.gbeta)[c] = a;
      static_cast<T*>(s.ggamma)[c] = b * static_cast<const T*>(s.inv_std)[c];
      break;
    case ChannelTerm::row_gradient:
      static_cast<T*>(s.gbeta)[c] = a;
      static_cast<T*>(s.ggamma)[c] = b;
      break;
  }
}

template <class T>
Status channel_sums_of(Stream* stream, const ChannelSums& s) {
  const Parts parts = parts_of(s);
  const int64_t columns = (s.channels + kColumns - 1) / kColumns;
  const int64_t joins = (s.channels + kThreads - 1) / kThreads;
  if (columns > gpu::kMaxGridX) return kUnsupported;
  Status status;
  if (s.inner == 1) {
    const dim3 grid(static_cast<unsigned>(columns), static_cast<unsigned>(parts.number));
    status = gpu::launch(stream, column_sums_kernel<T>, grid, dim3(kThreads), 0, s, parts);
  } else {
    const int64_t high = s.channels < gpu::kMaxGridYZ ? s.channels : gpu::kMaxGridYZ;
    const dim3 grid(static_cast<unsigned>(parts.number), static_cast<unsigned>(high));
    const bool narrow = s.outer * s.inner <= INT32_MAX;
    status = gpu::launch(stream,
                         narrow ? plane_sums_kernel<T, uint32_t> : plane_sums_kernel<T, uint64_t>,
                         grid, dim3(kThreads), 0, s, parts);
  }
  if (status != kOk) return status;
  return gpu::launch(stream, join_parts_kernel<T>, dim3(static_cast<unsigned>(joins)),
                     dim3(kThreads), 0, s, parts.number);
}

// ---- What is done to each element ---------------------------------------------------------------

// y = (x - mean) * (scale * factor) + shift; with gy: ((gy - sum(gy) / n) - z b) * (factor *
// scale), where z = x - mean and b = sum(gy z) / n * factor^2.
struct ChannelMap {
  int64_t outer, channels, inner;
  const void *x, *gy, *mean, *scale, *shift, *factor;
  const void *ggamma, *gbeta;
  void* y;
};

template <class T>
struct ChannelFactors {
  T mean, scale, shift, b;
  __device__ __forceinline__ ChannelFactors(const ChannelMap& w, int64_t c) {
    mean = static_cast<const T*>(w.mean)[c];
    scale = static_cast<const T*>(w.scale)[c];
    const T factor = w.factor ? static_cast<const T*>(w.factor)[c] : T(1);
    if (w.factor) scale = factor * scale;
    shift = b = 0;
    if (w.gy) {
      const T count = static_cast<T>(w.outer * w.inner);
      shift = static_cast<const T*>(w.gbeta)[c] / count;
      b = static_cast<const T*>(w.ggamma)[c] / count * factor;
    } else {
      shift = static_cast<const T*>(w.shift)[c];
    }
  }
  __device__ __forceinline__ T map(T x) const { return (x - mean) * scale + shift; }
  __device__ __forceinline__ T map(T x, T g) const {
    return ((g - shift) - (x - mean) * b) * scale;
  }
};

template <class T, int kN>
struct alignas(sizeof(T) * kN) Several {
  T at[kN];
};

// kN elements for each thread, which lie in one plane, or side by side in one row of channels.
template <class T, int kN, class Index>
__global__ void __launch_bounds__(kThreads) channel_map_kernel(ChannelMap w, int64_t groups) {
  using Some = Several<T, kN>;
  const int64_t group = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (group >= groups) return;
  const Index at = static_cast<Index>(group) * kN, inner = static_cast<Index>(w.inner);
  const Index plane = w.inner == 1 ? at : at / inner;
  const int64_t c = static_cast<int64_t>(plane % static_cast<Index>(w.channels));
  Some x = static_cast<const Some*>(w.x)[group], g;
  if (w.gy) g = static_cast<const Some*>(w.gy)[group];
  ChannelFactors<T> f(w, c);
#pragma unroll
  for (int k = 0; k < kN; ++k) {
    if (k > 0 && w.inner == 1) f = ChannelFactors<T>(w, c + k);
    x.at[k] = w.gy ? f.map(x.at[k], g.at[k]) : f.map(x.at[k]);
  }
  static_cast<Some*>(w.y)[group] = x;
}

template <class T, int kN>
Status channel_map_by(Stream* stream, const ChannelMap& w, int64_t size) {
  const int64_t groups = size / kN;
  const int64_t blocks = (groups + kThreads - 1) / kThreads;
  if (blocks > gpu::kMaxGridX) return kUnsupported;
  return gpu::launch(
      stream,
      size <= INT32_MAX ? channel_map_kernel<T, kN, uint32_t> : channel_map_kernel<T, kN, uint64_t>,
      dim3(static_cast<unsigned>(blocks)), dim3(kThreads), 0, w, groups);
}

Status channel_map(Stream* stream, DType dtype, const ChannelMap& w) {
  const int64_t size = w.outer * w.channels * w.inner;
  if (size == 0) return kOk;
  const int64_t row = w.inner == 1 ? w.channels : w.inner;
  if (dtype == DType::f32) {
    if (wide_rows<float>(row, w.x, w.y, w.gy)) return channel_map_by<float, 4>(stream, w, size);
    return channel_map_by<float, 1>(stream, w, size);
  }
  if (wide_rows<double>(row, w.x, w.y, w.gy)) return channel_map_by<double, 2>(stream, w, size);
  return channel_map_by<double, 1>(stream, w, size);
}

template <class W>
ChannelSums sums_for(const W& w, ChannelTerm kind) {
  ChannelSums s;
  s.dtype = w.dtype;
  s.kind = kind;
  s.outer = w.outer;
  s.channels = w.channels;
  s.inner = w.inner;
  s.x = w.x;
  s.mean = w.mean;
  s.inv_std = w.inv_std;
  s.parts = w.scratch;
  return s;
}

}  // namespace

size_t channel_sums_scratch(const ChannelSums& s) {
  const size_t item = s.dtype == DType::f32 ? 4 : 8;
  return static_cast<size_t>(parts_of(s).number * 2 * s.channels) * item;
}

Status channel_sums(Stream* stream, const ChannelSums& s) {
  if (s.channels == 0) return kOk;
  if (s.dtype == DType::f32) return channel_sums_of<float>(stream, s);
  return channel_sums_of<double>(stream, s);
}

size_t channel_norm_scratch(DType dtype, int64_t outer, int64_t channels, int64_t inner) {
  ChannelSums s;
  s.dtype = dtype;
  s.outer = outer;
  s.channels = channels;
  s.inner = inner;
  return channel_sums_scratch(s);
}

Status channel_norm(Stream* stream, const device::ChannelNorm& work) {
  ChannelSums s = sums_for(work, ChannelTerm::value);
  s.to_mean = work.mean;
  Status status = channel_sums(stream, s);
  if (status != kOk) return status;
  s.kind = ChannelTerm::square;
  s.eps = work.eps;
  s.to_var = work.var;
  s.to_inv_std = work.inv_std;
  status = channel_sums(stream, s);
  if (status != kOk) return status;
  const ChannelMap map{work.outer,   work.channels, work.inner, work.x,  nullptr, work.mean,
                       work.inv_std, work.beta,     work.gamma, nullptr, nullptr, work.y};
  return channel_map(stream, work.dtype, map);
}

Status channel_norm_grad(Stream* stream, const device::ChannelNormGrad& work) {
  ChannelSums s = sums_for(work, ChannelTerm::gradient);
  s.gy = work.gy;
  s.ggamma = work.ggamma;
  s.gbeta = work.gbeta;
  const Status status = channel_sums(stream, s);
  if (status != kOk) return status;
  const ChannelMap map{work.outer, work.channels, work.inner,   work.x,      work.gy,    work.mean,
                       work.gamma, nullptr,       work.inv_std, work.ggamma, work.gbeta, work.gx};
  return channel_map(stream, work.dtype, map);
}

Status scale_channels(Stream* stream, const device::ScaleChannelRows& work) {
  const ChannelMap map{work.outer, work.channels, work.inner, work.x,  nullptr, work.mean,
                       work.scale, work.shift,    nullptr,    nullptr, nullptr, work.y};
  return channel_map(stream, work.dtype, map);
}

}  // namespace phintys::cuda::rows
