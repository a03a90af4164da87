// Layer normalisation. A row is read once and stays in registers, unless it is longer than a block
// can hold; the variance is the mean of squares of differences from the mean.
#include "rows/channels.h"
#include "rows/lanes.h"
#include "rows/rows.h"
#include "rows/values.h"

namespace phintys::cuda::rows {
namespace {

constexpr int kFew = 1;
constexpr int kMany = 8;
constexpr int kManyOfTwo = 4;

template <class T>
struct RowMoments {
  T mean, inv_std;
};

// Of the row's sum and, afterwards, its squares; lane 0 keeps them.
template <class T>
__device__ __forceinline__ T inverse_deviation(const device::LayerNormRows& w, T squares) {
  const T var = squares / static_cast<T>(w.cols);
  return T(1) / root_of(var + static_cast<T>(w.eps));
}
template <class T>
__device__ __forceinline__ void keep_moments(const device::LayerNormRows& w, int64_t row,
                                             RowMoments<T> m) {
  static_cast<T*>(w.mean)[row] = m.mean;
  static_cast<T*>(w.inv_std)[row] = m.inv_std;
}

template <class T, int kVectors, bool kAligned>
__global__ void __launch_bounds__(kVectors == kFew ? 128 : kMostLanes, kBlocks<T, kAligned>)
    layer_norm_kernel(device::LayerNormRows w, int lanes) {
  constexpr int kValues = kVectors * kWide<T>;
  __shared__ T shared[2][gpu::kWarp];
  const RowOfLane at(lanes, w.rows);
  const int cols = static_cast<int>(w.cols);
  T value[kValues];
  load_held<T, kVectors, kAligned>(static_cast<const T*>(w.x) + at.row * w.cols, cols, lanes,
                                   at.lane, T(0), value);
  T sum = 0;
#pragma unroll
  for (int i = 0; i < kValues; ++i) sum += value[i];
  const T mean = sum_lanes(sum, lanes, shared[0]) / static_cast<T>(cols);
  T squares = 0;
  for_held<T, kVectors, kAligned>(cols, lanes, at.lane, [&](int i, bool there) {
    value[i] -= mean;
    squares += there ? value[i] * value[i] : T(0);
  });
  const T inv_std = inverse_deviation(w, sum_lanes(squares, lanes, shared[1]));
  if (!at.there) return;
  if (at.lane == 0) keep_moments<T>(w, at.row, {mean, inv_std});
#pragma unroll
  for (int i = 0; i < kValues; ++i) value[i] *= inv_std;
  if (w.gamma) {
    const T *const gamma = static_cast<const T*>(w.gamma), *const beta =
                                                               static_cast<const T*>(w.beta);
#pragma unroll
    for (int j = 0; j < kVectors; ++j) {
      T g[kWide<T>], b[kWide<T>];
      const int from = j * lanes * kWide<T>;
      load_held<T, 1, kAligned>(gamma + from, cols - from, lanes, at.lane, T(0), g);
      load_held<T, 1, kAligned>(beta + from, cols - from, lanes, at.lane, T(0), b);
#pragma unroll
      for (int k = 0; k < kWide<T>; ++k) {
        value[j * kWide<T> + k] = value[j * kWide<T> + k] * g[k] + b[k];
      }
    }
  }
  store_held<T, kVectors, kAligned>(static_cast<T*>(w.y) + at.row * w.cols, cols, lanes, at.lane,
                                    value);
}

// Rows of any length, read three times.
template <class T>
__global__ void __launch_bounds__(kMostLanes)
    long_layer_norm_kernel(device::LayerNormRows w, bool wide) {
  constexpr int kN = kWide<T>;
  __shared__ T shared[2][gpu::kWarp];
  const int lanes = static_cast<int>(blockDim.x);
  const int64_t row = blockIdx.x, step = int64_t{lanes} * kN;
  const int64_t first = static_cast<int64_t>(threadIdx.x) * kN;
  const T* const x = static_cast<const T*>(w.x) + row * w.cols;
  T sum = 0, value[kN];
  for (int64_t i = first; i < w.cols; i += step) {
    load_some<T>(x + i, w.cols - i, wide, T(0), value);
#pragma unroll
    for (int k = 0; k < kN; ++k) sum += value[k];
  }
  const T mean = sum_lanes(sum, lanes, shared[0]) / static_cast<T>(w.cols);
  T squares = 0;
  for (int64_t i = first; i < w.cols; i += step) {
    load_some<T>(x + i, w.cols - i, wide, mean, value);
#pragma unroll
    for (int k = 0; k < kN; ++k) squares += (value[k] - mean) * (value[k] - mean);
  }
  const T inv_std = inverse_deviation(w, sum_lanes(squares, lanes, shared[1]));
  if (threadIdx.x == 0) keep_moments<T>(w, row, {mean, inv_std});
  const T *const gamma = static_cast<const T*>(w.gamma), *const beta =
                                                             static_cast<const T*>(w.beta);
  for (int64_t i = first; i < w.cols; i += step) {
    const int64_t left = w.cols - i;
    load_some<T>(x + i, left, wide, T(0), value);
#pragma unroll
    for (int k = 0; k < kN; ++k) value[k] = (value[k] - mean) * inv_std;
    if (gamma) {
      T g[kN], b[kN];
      load_some<T>(gamma + i, left, wide, T(0), g);
      load_some<T>(beta + i, left, wide, T(0), b);
#pragma unroll
      for (int k = 0; k < kN; ++k) value[k] = value[k] * g[k] + b[k];
    }
    store_some<T>(static_cast<T*>(w.y) + row * w.cols + i, left, wide, value);
  }
}

template <class T>
Status layer_norm_of(Stream* stream, const device::LayerNormRows& w) {
  static constexpr RowKernelSet<device::LayerNormRows> kernels = {
      {layer_norm_kernel<T, kFew, false>, layer_norm_kernel<T, kFew, true>},
      {layer_norm_kernel<T, kMany, false>, layer_norm_kernel<T, kMany, true>},
      long_layer_norm_kernel<T>,
      gpu::kWarp * kWide<T>,
      kFew * kWide<T>,
      kMany * kWide<T>};
  return launch_rows(stream, kernels, w, wide_rows<T>(w.cols, w.x, w.y, w.gamma, w.beta));
}

// ---- Gradient with respect to x -----------------------------------------------------------------

// With h = gy gamma and z = (x - mean) inv_std: ((h - mean(h)) - z mean(h z)) inv_std.
template <class T, int kVectors, bool kAligned>
__global__ void __launch_bounds__(kVectors == kFew ? 128 : kMostLanes, kBlocks<T, kAligned>)
    layer_norm_grad_kernel(device::LayerNormGradRows w, int lanes) {
  constexpr int kValues = kVectors * kWide<T>;
  __shared__ T shared[2][gpu::kWarp];
  const RowOfLane at(lanes, w.rows);
  const int cols = static_cast<int>(w.cols);
  const int64_t from = at.row * w.cols;
  T z[kValues], h[kValues];
  load_held<T, kVectors, kAligned>(static_cast<const T*>(w.x) + from, cols, lanes, at.lane, T(0),
                                   z);
  load_held<T, kVectors, kAligned>(static_cast<const T*>(w.gy) + from, cols, lanes, at.lane, T(0),
                                   h);
  const T mean = static_cast<const T*>(w.mean)[at.row];
  const T inv_std = static_cast<const T*>(w.inv_std)[at.row];
  T plain = 0, scaled = 0;
#pragma unroll
  for (int j = 0; j < kVectors; ++j) {
    T g[kWide<T>];
    const int first = j * lanes * kWide<T>;
    if (w.gamma) {
      load_held<T, 1, kAligned>(static_cast<const T*>(w.gamma) + first, cols - first, lanes,
                                at.lane, T(0), g);
    }
#pragma unroll
    for (int k = 0; k < kWide<T>; ++k) {
      const int i = j * kWide<T> + k;
      if (w.gamma) h[i] = h[i] * g[k];
      z[i] = (z[i] - mean) * inv_std;
      plain += h[i];
      // What is not there has h = 0; z may be infinite there all the same.
      if (first + at.lane * kWide<T> + k < cols) scaled += h[i] * z[i];
    }
  }
  const T a = sum_lanes(plain, lanes, shared[0]) / static_cast<T>(cols);
  const T b = sum_lanes(scaled, lanes, shared[1]) / static_cast<T>(cols);
#pragma unroll
  for (int i = 0; i < kValues; ++i) h[i] = ((h[i] - a) - z[i] * b) * inv_std;
  if (!at.there) return;
  store_held<T, kVectors, kAligned>(static_cast<T*>(w.gx) + from, cols, lanes, at.lane, h);
}

template <class T>
__global__ void __launch_bounds__(kMostLanes)
    long_layer_norm_grad_kernel(device::LayerNormGradRows w, bool wide) {
  constexpr int kN = kWide<T>;
  __shared__ T shared[2][gpu::kWarp];
  const int lanes = static_cast<int>(blockDim.x);
  const int64_t row = blockIdx.x, step = int64_t{lanes} * kN;
  const int64_t first = static_cast<int64_t>(threadIdx.x) * kN;
  const T* const x = static_cast<const T*>(w.x) + row * w.cols;
  const T* const gy = static_cast<const T*>(w.gy) + row * w.cols;
  const T* const gamma = static_cast<const T*>(w.gamma);
  const T mean = static_cast<const T*>(w.mean)[row];
  const T inv_std = static_cast<const T*>(w.inv_std)[row];
  T plain = 0, scaled = 0, z[kN], h[kN], g[kN];
  const auto load = [&](int64_t i, int64_t left) {
    load_some<T>(x + i, left, wide, mean, z);
    load_some<T>(gy + i, left, wide, T(0), h);
    if (gamma) load_some<T>(gamma + i, left, wide, T(0), g);
#pragma unroll
    for (int k = 0; k < kN; ++k) {
      z[k] = (z[k] - mean) * inv_std;
      if (gamma) h[k] = h[k] * g[k];
    }
  };
  for (int64_t i = first; i < w.cols; i += step) {
    const int64_t left = w.cols - i;
    load(i, left);
#pragma unroll
    for (int k = 0; k < kN; ++k) {
      plain += h[k];
      if (k < left) scaled += h[k] * z[k];
    }
  }
  const T a = sum_lanes(plain, lanes, shared[0]) / static_cast<T>(w.cols);
  const T b = sum_lanes(scaled, lanes, shared[1]) / static_cast<T>(w.cols);
  for (int64_t i = first; i < w.cols; i += step) {
    const int64_t left = w.cols - i;
    load(i, left);
#pragma unroll
    for (int k = 0; k < kN; ++k) h[k] = ((h[k] - a) - z[k] * b) * inv_std;
    store_some<T>(static_cast<T*>(w.gx) + row * w.cols + i, left, wide, h);
  }
}

template <class T>
Status layer_norm_grad_of(Stream* stream, const device::LayerNormGradRows& w) {
  static constexpr RowKernelSet<device::LayerNormGradRows> kernels = {
      {layer_norm_grad_kernel<T, kFew, false>, layer_norm_grad_kernel<T, kFew, true>},
      {layer_norm_grad_kernel<T, kManyOfTwo, false>, layer_norm_grad_kernel<T, kManyOfTwo, true>},
      long_layer_norm_grad_kernel<T>,
      gpu::kWarp * kWide<T>,
      kFew * kWide<T>,
      kManyOfTwo * kWide<T>};
  return launch_rows(stream, kernels, w, wide_rows<T>(w.cols, w.x, w.gy, w.gx, w.gamma));
}

// gamma's and beta's gradients are sums over rows: columns are channels.
ChannelSums row_sums(const device::LayerNormGradRows& w) {
  ChannelSums s;
  s.dtype = w.dtype;
  s.kind = ChannelTerm::row_gradient;
  s.outer = w.rows;
  s.channels = w.cols;
  s.inner = 1;
  s.x = w.x;
  s.gy = w.gy;
  s.mean = w.mean;
  s.inv_std = w.inv_std;
  s.parts = w.scratch;
  s.ggamma = w.ggamma;
  s.gbeta = w.gbeta;
  return s;
}

}  // namespace

Status layer_norm(Stream* stream, const device::LayerNormRows& work) {
  if (work.rows == 0) return kOk;
  if (work.dtype == DType::f32) return layer_norm_of<float>(stream, work);
  return layer_norm_of<double>(stream, work);
}

size_t layer_norm_grad_scratch(const device::LayerNormGradRows& work) {
  return work.gamma ? channel_sums_scratch(row_sums(work)) : 0;
}

Status layer_norm_grad(Stream* stream, const device::LayerNormGradRows& work) {
  if (work.gamma && work.cols > 0) {
    const Status status = channel_sums(stream, row_sums(work));
    if (status != kOk) return status;
  }
  if (work.rows * work.cols == 0) return kOk;
  if (work.dtype == DType::f32) return layer_norm_grad_of<float>(stream, work);
  return layer_norm_grad_of<double>(stream, work);
}

}  // namespace phintys::cuda::rows
