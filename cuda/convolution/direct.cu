// Convolutions with few channels in a group (depthwise ones first of all), where products of
// matrices would be mostly empty: a thread has a point and sums over channels and taps.
#include "convolution/block_product.h"
#include "convolution/plan.h"

namespace phintys::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kRows = 4;  // of the result that a thread computes
constexpr int kTaps = 9;  // of filters' gradients that a block computes

struct DirectAxis {
  int32_t in, out, kernel, dilation, lo, stride;
  FastDivide by_stride;
};

struct DirectPlan {
  bool gradient, flip;
  int32_t groups, rows, channels;  // of a group: of the result, of the source
  uint32_t columns;                // images times points of the result
  FastDivide points[3];
  DirectAxis axis[3];
  const void* source;
  const void* filters;
  void* result;
  int64_t source_image, source_channel, source_spatial[3];
  int64_t filter_row, filter_channel, filter_group, filter_tap[3];
  int64_t result_plane;
  int32_t splits;
  void* partial;
};

// The coordinate of the source that tap k meets at `at` of the result. False: outside.
template <bool kGradient>
__device__ __forceinline__ bool find_source(const DirectAxis& a, int at, int k, int* source) {
  if constexpr (kGradient) {
    const int distance = at + a.lo - k * a.dilation;
    if (distance < 0) return false;
    *source = static_cast<int>(a.by_stride.quotient(static_cast<uint32_t>(distance)));
    return *source * a.stride == distance && *source < a.out;
  } else {
    *source = at * a.stride + k * a.dilation - a.lo;
    return static_cast<uint32_t>(*source) < static_cast<uint32_t>(a.in);
  }
}

template <class T, bool kGradient>
__global__ __launch_bounds__(kThreads) void direct_kernel(DirectPlan plan) {
  const uint32_t n = blockIdx.x * kThreads + threadIdx.x;
  if (n >= plan.columns) return;
  const int chunks = (plan.rows + kRows - 1) / kRows;
  const int group = static_cast<int>(blockIdx.y) / chunks;
  const int first = static_cast<int>(blockIdx.y) % chunks * kRows;
  const int rows = min(kRows, plan.rows - first);
  const ConvPoint p = point_of(plan.points, n);
  const T* const source = static_cast<const T*>(plan.source) + p.image * plan.source_image +
                          group * plan.channels * plan.source_channel;
  const T* const filters =
      static_cast<const T*>(plan.filters) + group * plan.filter_group + first * plan.filter_row;
  const DirectAxis* const a = plan.axis;
  T sums[kRows] = {};
  for (int k0 = 0; k0 < a[0].kernel; ++k0) {
    int s0, s1, s2;
    if (!find_source<kGradient>(a[0], static_cast<int>(p.at[0]), k0, &s0)) continue;
    const int f0 = plan.flip ? a[0].kernel - 1 - k0 : k0;
    for (int k1 = 0; k1 < a[1].kernel; ++k1) {
      if (!find_source<kGradient>(a[1], static_cast<int>(p.at[1]), k1, &s1)) continue;
      const int f1 = plan.flip ? a[1].kernel - 1 - k1 : k1;
      const T* const row = source + s0 * plan.source_spatial[0] + s1 * plan.source_spatial[1];
      const T* const filter_row = filters + f0 * plan.filter_tap[0] + f1 * plan.filter_tap[1];
      for (int k2 = 0; k2 < a[2].kernel; ++k2) {
        if (!find_source<kGradient>(a[2], static_cast<int>(p.at[2]), k2, &s2)) continue;
        const int f2 = plan.flip ? a[2].kernel - 1 - k2 : k2;
        const T* x = row + s2 * plan.source_spatial[2];
        const T* w = filter_row + f2 * plan.filter_tap[2];
        for (int c = 0; c < plan.channels; ++c) {
          const T value = __ldg(x);
#pragma unroll
          for (int r = 0; r < kRows; ++r) {
            if (r < rows) sums[r] = fused(__ldg(w + r * plan.filter_row), value, sums[r]);
          }
          x += plan.source_channel;
          w += plan.filter_channel;
        }
      }
    }
  }
  const uint32_t plane = static_cast<uint32_t>(plan.result_plane);
  T* const to =
      static_cast<T*>(plan.result) + (n - p.image * plane) +
      (static_cast<int64_t>(p.image) * plan.groups * plan.rows + group * plan.rows + first) *
          plan.result_plane;
  for (int r = 0; r < rows; ++r) to[r * plan.result_plane] = sums[r];
}

// The sums of all threads of the block, in a fixed order; each of the first `n` threads has one.
template <class T>
__device__ T join_block(T (&sums)[kTaps]) {
  __shared__ T joined[kTaps][kThreads / gpu::kWarp];
  const int lane = threadIdx.x % gpu::kWarp, warp = threadIdx.x / gpu::kWarp;
#pragma unroll
  for (int k = 0; k < kTaps; ++k) {
#pragma unroll
    for (int d = gpu::kWarp / 2; d > 0; d /= 2) {
      sums[k] += __shfl_xor_sync(gpu::kAllLanes, sums[k], d);
    }
    if (lane == 0) joined[k][warp] = sums[k];
  }
  __syncthreads();
  T total = 0;
  if (threadIdx.x < kTaps) {
    for (int w = 0; w < kThreads / gpu::kWarp; ++w) total += joined[threadIdx.x][w];
  }
  return total;
}

// For the gradient of filters: `source` is the input, `filters` the gradient of the output, with
// strides as in filters.cu. A block has one pair of channels and kTaps taps.
template <class T>
__global__ __launch_bounds__(kThreads) void direct_filters_kernel(DirectPlan plan) {
  __shared__ ConvTerm terms[kTaps];
  const DirectAxis* const a = plan.axis;
  const int taps = a[0].kernel * a[1].kernel * a[2].kernel;
  const int pieces = (taps + kTaps - 1) / kTaps;
  const int pair = static_cast<int>(blockIdx.x) / pieces;
  const int first = static_cast<int>(blockIdx.x) % pieces * kTaps;
  const int channel = pair % plan.channels, out_channel = pair / plan.channels;
  const int group = out_channel / plan.rows;
  if (threadIdx.x < kTaps) {
    ConvTerm term = {0, {-(1 << 30), 0, 0}};
    int k = first + static_cast<int>(threadIdx.x);
    if (k < taps) {
      if (plan.flip) k = taps - 1 - k;
      int64_t offset = 0;
      for (int i = 2; i >= 0; --i) {
        term.d[i] = k % a[i].kernel * a[i].dilation - a[i].lo;
        k /= a[i].kernel;
        offset += term.d[i] * plan.source_spatial[i];
      }
      term.offset = static_cast<int32_t>(offset);
    }
    terms[threadIdx.x] = term;
  }
  __syncthreads();
  const T* const source =
      static_cast<const T*>(plan.source) + (group * plan.channels + channel) * plan.source_channel;
  const T* const grad = static_cast<const T*>(plan.filters) + out_channel * plan.filter_row;
  T sums[kTaps] = {};
  const uint32_t step = kThreads * plan.splits;
  for (uint32_t n = blockIdx.y * kThreads + threadIdx.x; n < plan.columns; n += step) {
    const ConvPoint p = point_of(plan.points, n);
    const T* from = source + p.image * plan.source_image;
    const T* g = grad + p.image * plan.filter_channel;
    int at[3];
#pragma unroll
    for (int i = 0; i < 3; ++i) {
      at[i] = static_cast<int>(p.at[i]) * a[i].stride;
      from += at[i] * plan.source_spatial[i];
      g += p.at[i] * plan.filter_tap[i];
    }
    const T value = __ldg(g);
#pragma unroll
    for (int k = 0; k < kTaps; ++k) {
      const ConvTerm term = terms[k];
      const bool inside =
          static_cast<uint32_t>(at[0] + term.d[0]) < static_cast<uint32_t>(a[0].in) &&
          static_cast<uint32_t>(at[1] + term.d[1]) < static_cast<uint32_t>(a[1].in) &&
          static_cast<uint32_t>(at[2] + term.d[2]) < static_cast<uint32_t>(a[2].in);
      if (inside) sums[k] = fused(value, __ldg(from + term.offset), sums[k]);
    }
  }
  const T total = join_block(sums);
  const int k = first + static_cast<int>(threadIdx.x);
  if (threadIdx.x >= kTaps || k >= taps) return;
  const int64_t size = static_cast<int64_t>(plan.groups) * plan.rows * plan.channels * taps;
  T* const result = plan.splits > 1 ? static_cast<T*>(plan.partial) + blockIdx.y * size
                                    : static_cast<T*>(plan.result);
  result[static_cast<int64_t>(pair) * taps + k] = total;
}

bool unit_strides(const Convolution& c) {
  return c.axis[0].stride == 1 && c.axis[1].stride == 1 && c.axis[2].stride == 1;
}

int64_t count_taps(const Convolution& c) {
  return c.axis[0].kernel * c.axis[1].kernel * c.axis[2].kernel;
}

int64_t count_columns(const Convolution& c) {
  int64_t columns = c.batch;
  for (const device::ConvAxis& a : c.axis) columns *= c.part == ConvPart::inputs ? a.in : a.out;
  return columns;
}

int64_t filter_blocks(const Convolution& c) {
  return c.groups * c.out_channels * c.in_channels * ((count_taps(c) + kTaps - 1) / kTaps);
}

int64_t count_splits(const Convolution& c) {
  if (c.part != ConvPart::filters) return 1;
  const int64_t wanted = 1056 / filter_blocks(c), most = count_columns(c) / (4 * kThreads);
  const int64_t splits = wanted < most ? wanted : most;
  return splits < 1 ? 1 : splits;
}

}  // namespace

bool takes_direct(const Convolution& c) {
  if (count_columns(c) > (int64_t{1} << 31) - 1024) return false;
  for (const device::ConvAxis& a : c.axis) {
    if (a.in + a.lo >= int64_t{1} << 30) return false;
  }
  if (c.part == ConvPart::filters) {
    return c.groups > 1 && c.out_channels <= 4 && c.in_channels <= 4 &&
           filter_blocks(c) <= gpu::kMaxGridX;
  }
  const bool gradient = c.part == ConvPart::inputs;
  const int64_t rows = gradient ? c.in_channels : c.out_channels;
  if (c.groups * ((rows + kRows - 1) / kRows) > gpu::kMaxGridYZ) return false;
  if (c.groups > 1) return rows <= 2 * kRows;
  const int64_t terms = (gradient ? c.out_channels : c.in_channels) * count_taps(c);
  return rows <= kRows && terms <= 1024 && count_columns(c) >= 16384 &&
         (!gradient || unit_strides(c));
}

int64_t direct_scratch(const Convolution& c) {
  const int64_t splits = count_splits(c);
  if (splits == 1) return 0;
  return splits * c.groups * c.out_channels * c.in_channels * count_taps(c) *
         (c.dtype == DType::f32 ? 4 : 8);
}

Status direct(Stream* stream, const Convolution& c, const ConvPlan& from) {
  DirectPlan p = {};
  p.gradient = from.gradient;
  p.flip = from.flip;
  p.groups = from.groups;
  p.rows = from.rows;
  p.channels = from.channels;
  p.columns = static_cast<uint32_t>(count_columns(c));
  p.source = from.source;
  p.filters = from.filters;
  p.result = from.result;
  p.source_image = from.source_image;
  p.source_channel = from.source_channel;
  p.filter_row = from.filter_row;
  p.filter_channel = from.filter_channel;
  p.filter_group = from.filter_group;
  p.result_plane = from.result_plane;
  p.splits = static_cast<int32_t>(count_splits(c));
  p.partial = c.scratch;
  for (int i = 0; i < 3; ++i) {
    const device::ConvAxis& a = c.axis[i];
    p.axis[i] = {static_cast<int32_t>(a.in),
                 static_cast<int32_t>(a.out),
                 static_cast<int32_t>(a.kernel),
                 static_cast<int32_t>(a.dilation),
                 static_cast<int32_t>(a.lo),
                 static_cast<int32_t>(a.stride),
                 FastDivide(static_cast<uint32_t>(a.stride))};
    p.points[i] = FastDivide(static_cast<uint32_t>(from.axis[i].result));
    p.source_spatial[i] = from.source_spatial[i];
    p.filter_tap[i] = from.filter_tap[i];
  }
  const bool f32 = c.dtype == DType::f32;
  if (c.part != ConvPart::filters) {
    const dim3 grid((p.columns + kThreads - 1) / kThreads,
                    p.groups * ((p.rows + kRows - 1) / kRows));
    auto* const kernel = p.gradient
                             ? (f32 ? direct_kernel<float, true> : direct_kernel<double, true>)
                             : (f32 ? direct_kernel<float, false> : direct_kernel<double, false>);
    return gpu::launch(stream, kernel, grid, dim3(kThreads), 0, p);
  }
  const dim3 grid(static_cast<unsigned>(filter_blocks(c)), p.splits);
  const Status status =
      gpu::launch(stream, f32 ? direct_filters_kernel<float> : direct_filters_kernel<double>, grid,
                  dim3(kThreads), 0, p);
  if (status != kOk || p.splits == 1) return status;
  const int64_t size = c.groups * c.out_channels * c.in_channels * count_taps(c);
  return join_partials(stream, p.partial, p.result, size, p.splits, c.dtype);
}

}  // namespace phintys::cuda
