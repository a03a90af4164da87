// Softmax, its logarithm and their gradients. A row is read once and stays in registers, unless it
// is longer than a block can hold.
#include "rows/lanes.h"
#include "rows/rows.h"
#include "rows/values.h"

namespace phintys::cuda::rows {
namespace {

// Vectors of 16 bytes that a thread holds: of rows of up to 32 lanes with one each, of longer ones.
constexpr int kFew = 1;
template <class T>
constexpr int kMany = sizeof(T) == 2 ? 4 : 8;
constexpr int kManyOfTwo = 4;  // where two arrays are held

template <class V>
__device__ __forceinline__ V greater(V a, V b) {
  return b > a ? b : a;
}

// ---- Softmax ------------------------------------------------------------------------------------

template <class T, int kVectors, bool kAligned>
__global__ void __launch_bounds__(kVectors == kFew ? 128 : kMostLanes, kBlocks<T, kAligned>)
    softmax_kernel(device::SoftmaxRows w, int lanes) {
  using V = value_of<T>;
  constexpr int kValues = kVectors * kWide<T>;
  __shared__ V shared[2][gpu::kWarp];
  const RowOfLane at(lanes, w.rows);
  const int cols = static_cast<int>(w.cols);
  V value[kValues];
  load_held<T, kVectors, kAligned>(static_cast<const T*>(w.x) + at.row * w.cols, cols, lanes,
                                   at.lane, -infinite<V>(), value);
  V top = value[0];
#pragma unroll
  for (int i = 1; i < kValues; ++i) top = greater(top, value[i]);
  top = join_lanes(top, lanes, shared[0], greater<V>);
  V sum = 0;
  // What is not there is -inf, and its exponential 0.
  for_held<T, kVectors, kAligned>(cols, lanes, at.lane, [&](int i, bool) {
    const V d = value[i] - top;
    const V e = exp_of(d);
    sum += e;
    value[i] = w.log ? d : e;
  });
  sum = sum_lanes(sum, lanes, shared[1]);
  const V by = w.log ? log_of(sum) : V(1) / sum;
#pragma unroll
  for (int i = 0; i < kValues; ++i) value[i] = w.log ? value[i] - by : value[i] * by;
  if (!at.there) return;
  store_held<T, kVectors, kAligned>(static_cast<T*>(w.out) + at.row * w.cols, cols, lanes, at.lane,
                                    value);
}

// The greatest so far, and the sum of the exponentials of what the others are below it.
template <class V>
struct RunningSum {
  V top, sum;
};
template <class V>
__device__ __forceinline__ RunningSum<V> join_running(RunningSum<V> a, RunningSum<V> b) {
  const V top = greater(a.top, b.top);
  // Where both are -inf, and where a sum has become NaN, differences say nothing.
  const V x = a.top == top ? a.sum : a.sum * exp_of(a.top - top);
  const V y = b.top == top ? b.sum : b.sum * exp_of(b.top - top);
  return {top, x + y};
}

// Rows of any length, read twice.
template <class T>
__global__ void __launch_bounds__(kMostLanes)
    long_softmax_kernel(device::SoftmaxRows w, bool wide) {
  using V = value_of<T>;
  constexpr int kN = kWide<T>;
  __shared__ V shared[2][gpu::kWarp];
  const int lanes = static_cast<int>(blockDim.x), lane = static_cast<int>(threadIdx.x);
  const T* const x = static_cast<const T*>(w.x) + static_cast<int64_t>(blockIdx.x) * w.cols;
  T* const out = static_cast<T*>(w.out) + static_cast<int64_t>(blockIdx.x) * w.cols;
  RunningSum<V> all = {-infinite<V>(), 0};
  for (int64_t i = int64_t{lane} * kN; i < w.cols; i += int64_t{lanes} * kN) {
    V value[kN];
    load_some<T>(x + i, w.cols - i, wide, -infinite<V>(), value);
    RunningSum<V> here = {value[0], 0};
#pragma unroll
    for (int k = 1; k < kN; ++k) here.top = greater(here.top, value[k]);
#pragma unroll
    for (int k = 0; k < kN; ++k) {
      // A NaN, which is not the greatest of anything, is added.
      if (value[k] != -infinite<V>()) here.sum += exp_of(value[k] - here.top);
    }
    all = join_running(all, here);
  }
  const V top = join_lanes(all.top, lanes, shared[0], greater<V>);
  const V mine = all.top == top ? all.sum : all.sum * exp_of(all.top - top);
  const V sum = sum_lanes(mine, lanes, shared[1]);
  const V by = w.log ? log_of(sum) : V(1) / sum;
  for (int64_t i = int64_t{lane} * kN; i < w.cols; i += int64_t{lanes} * kN) {
    V value[kN];
    const int64_t left = w.cols - i;
    load_some<T>(x + i, left, wide, V(0), value);
#pragma unroll
    for (int k = 0; k < kN; ++k) {
      const V d = value[k] - top;
      value[k] = w.log ? d - by : exp_of(d) * by;
    }
    store_some<T>(out + i, left, wide, value);
  }
}

template <class T>
Status softmax_of(Stream* stream, const device::SoftmaxRows& w) {
  static constexpr RowKernelSet<device::SoftmaxRows> kernels = {
      {softmax_kernel<T, kFew, false>, softmax_kernel<T, kFew, true>},
      {softmax_kernel<T, kMany<T>, false>, softmax_kernel<T, kMany<T>, true>},
      long_softmax_kernel<T>,
      gpu::kWarp * kWide<T>,
      kFew * kWide<T>,
      kMany<T> * kWide<T>};
  return launch_rows(stream, kernels, w, wide_rows<T>(w.cols, w.x, w.out));
}

// ---- Gradients ----------------------------------------------------------------------------------

// (g - sum(g z)) z, or g - exp(z) sum(g).
template <class T, int kVectors, bool kAligned>
__global__ void __launch_bounds__(kVectors == kFew ? 128 : kMostLanes, kBlocks<T, kAligned>)
    softmax_grad_kernel(device::SoftmaxRows w, int lanes) {
  constexpr int kValues = kVectors * kWide<T>;
  __shared__ T shared[gpu::kWarp];
  const RowOfLane at(lanes, w.rows);
  const int cols = static_cast<int>(w.cols);
  const int64_t from = at.row * w.cols;
  T g[kValues], z[kValues];
  load_held<T, kVectors, kAligned>(static_cast<const T*>(w.g) + from, cols, lanes, at.lane, T(0),
                                   g);
  load_held<T, kVectors, kAligned>(static_cast<const T*>(w.x) + from, cols, lanes, at.lane, T(0),
                                   z);
  T sum = 0;
#pragma unroll
  for (int i = 0; i < kValues; ++i) sum += w.log ? g[i] : g[i] * z[i];
  sum = sum_lanes(sum, lanes, shared);
  if (w.log) {
    for_held<T, kVectors, kAligned>(cols, lanes, at.lane,
                                    [&](int i, bool) { g[i] = g[i] - exp_of(z[i]) * sum; });
  } else {
#pragma unroll
    for (int i = 0; i < kValues; ++i) g[i] = (g[i] - sum) * z[i];
  }
  if (!at.there) return;
  store_held<T, kVectors, kAligned>(static_cast<T*>(w.out) + from, cols, lanes, at.lane, g);
}

template <class T>
__global__ void __launch_bounds__(kMostLanes)
    long_softmax_grad_kernel(device::SoftmaxRows w, bool wide) {
  constexpr int kN = kWide<T>;
  __shared__ T shared[gpu::kWarp];
  const int lanes = static_cast<int>(blockDim.x), lane = static_cast<int>(threadIdx.x);
  const int64_t from = static_cast<int64_t>(blockIdx.x) * w.cols;
  const T *const g = static_cast<const T*>(w.g) + from, *const z =
                                                            static_cast<const T*>(w.x) + from;
  T* const out = static_cast<T*>(w.out) + from;
  T sum = 0;
  T a[kN], b[kN];
  for (int64_t i = int64_t{lane} * kN; i < w.cols; i += int64_t{lanes} * kN) {
    const int64_t left = w.cols - i;
    load_some<T>(g + i, left, wide, T(0), a);
    load_some<T>(z + i, left, wide, T(0), b);
#pragma unroll
    for (int k = 0; k < kN; ++k) sum += w.log ? a[k] : a[k] * b[k];
  }
  sum = sum_lanes(sum, lanes, shared);
  for (int64_t i = int64_t{lane} * kN; i < w.cols; i += int64_t{lanes} * kN) {
    const int64_t left = w.cols - i;
    load_some<T>(g + i, left, wide, T(0), a);
    load_some<T>(z + i, left, wide, T(0), b);
#pragma unroll
    for (int k = 0; k < kN; ++k) a[k] = w.log ? a[k] - exp_of(b[k]) * sum : (a[k] - sum) * b[k];
    store_some<T>(out + i, left, wide, a);
  }
}

template <class T>
Status softmax_grad_of(Stream* stream, const device::SoftmaxRows& w) {
  static constexpr RowKernelSet<device::SoftmaxRows> kernels = {
      {softmax_grad_kernel<T, kFew, false>, softmax_grad_kernel<T, kFew, true>},
      {softmax_grad_kernel<T, kManyOfTwo, false>, softmax_grad_kernel<T, kManyOfTwo, true>},
      long_softmax_grad_kernel<T>,
      gpu::kWarp * kWide<T>,
      kFew * kWide<T>,
      kManyOfTwo * kWide<T>};
  return launch_rows(stream, kernels, w, wide_rows<T>(w.cols, w.x, w.g, w.out));
}

// Some lanes for each row; `out` may be z.
template <class T>
__global__ void __launch_bounds__(kMostLanes)
    crossentropy_kernel(device::CrossentropyRows w, int lanes) {
  const RowOfLane at(lanes, w.rows);
  if (!at.there) return;
  const T* const z = static_cast<const T*>(w.z) + at.row * w.cols;
  T* const out = static_cast<T*>(w.out) + at.row * w.cols;
  if (at.row >= w.known) {
    for (int64_t i = at.lane; i < w.cols; i += lanes) out[i] = 0;
    return;
  }
  int64_t hit = load_integer(w.y.data + at.row * w.y.strides[0], w.y.dtype);
  if (hit < -w.cols || hit >= w.cols) {
    *w.failed = 1;
    return;
  }
  if (hit < 0) hit += w.cols;
  const T v = *reinterpret_cast<const T*>(w.v.data + at.row * w.v.strides[0]);
#pragma unroll 4
  for (int64_t i = at.lane; i < w.cols; i += lanes) {
    const T p = (w.log ? exp_of(z[i]) : z[i]) * -v;
    out[i] = i == hit ? p + v : p;
  }
}

// Rows without columns: every index is out of range.
__global__ void refuse_kernel(int* failed) { *failed = 1; }

}  // namespace

Status softmax(Stream* stream, const device::SoftmaxRows& work) {
  if (work.rows * work.cols == 0) return kOk;
  switch (work.dtype) {
    case DType::f16:
      return softmax_of<HalfBits>(stream, work);
    case DType::f32:
      return softmax_of<float>(stream, work);
    case DType::f64:
      return softmax_of<double>(stream, work);
    default:
      return kUnsupported;
  }
}

Status softmax_grad(Stream* stream, const device::SoftmaxRows& work) {
  if (work.rows * work.cols == 0) return kOk;
  switch (work.dtype) {
    case DType::f32:
      return softmax_grad_of<float>(stream, work);
    case DType::f64:
      return softmax_grad_of<double>(stream, work);
    default:
      return kUnsupported;
  }
}

Status crossentropy_softmax_grad(Stream* stream, const device::CrossentropyRows& work) {
  if (work.cols == 0 && work.known > 0) {
    return gpu::launch(stream, refuse_kernel, dim3(1), dim3(1), 0, work.failed);
  }
  if (work.rows * work.cols == 0) return kOk;
  const RowLaunch l(work.rows, work.cols, 8);
  if (!l.fits) return kUnsupported;
  const auto kernel =
      work.dtype == DType::f32 ? crossentropy_kernel<float> : crossentropy_kernel<double>;
  return gpu::launch(stream, kernel, l.grid, l.block, 0, work, l.lanes);
}

}  // namespace phintys::cuda::rows
