// What products of a convolution read: phases, tables, packed filters. And the end of split sums.
#include "convolution/plan.h"

namespace phintys::cuda {
namespace {

constexpr int kTermsOfBlock = 32;
constexpr int kOutside = -(1 << 30);  // a displacement that no point comes back from
constexpr int kJoinColumns = 32, kJoinRows = 16;

// The taps along one axis that meet a phase: first, first + period, ...
struct Taps {
  int first, period, count;
};

__device__ Taps taps_of(const ConvPlanAxis& a, int remainder, bool gradient) {
  if (!gradient) return {0, 1, a.kernel};
  int x = a.stride, y = a.dilation;
  while (y != 0) {
    const int rest = x % y;
    x = y;
    y = rest;
  }
  const int period = a.stride / x;
  for (int t = 0; t < a.kernel && t < period; ++t) {
    const int64_t at =
        static_cast<int64_t>(remainder) + a.lo - static_cast<int64_t>(t) * a.dilation;
    if (at % a.stride == 0) return {t, period, (a.kernel - 1 - t) / period + 1};
  }
  return {0, period, 0};
}

struct PhaseTaps {
  ConvPhase phase;
  Taps taps[3];
};

__device__ void find_phase(const ConvPlan& plan, int index, PhaseTaps* to) {
  int64_t columns = plan.batch;
  int terms = plan.channels;
  for (int i = 2; i >= 0; --i) {
    const ConvPlanAxis& a = plan.axis[i];
    const int phases = a.result < a.result_step ? a.result : a.result_step;
    const int first = index % phases;
    index /= phases;
    const int points = (a.result - first + a.result_step - 1) / a.result_step;
    to->taps[i] = taps_of(a, first, plan.gradient);
    to->phase.first[i] = first;
    to->phase.points[i] = FastDivide(static_cast<uint32_t>(points));
    columns *= points;
    terms *= to->taps[i].count;
  }
  to->phase.columns = static_cast<int32_t>(columns);
  to->phase.terms = terms;
}

// Term k of a phase: where its filters' element lies (relative to that of row 0), and its source.
__device__ int64_t find_term(const ConvPlan& plan, const PhaseTaps& p, int k, ConvTerm* term) {
  int64_t filter = 0, offset = 0;
  for (int i = 2; i >= 0; --i) {
    const ConvPlanAxis& a = plan.axis[i];
    const Taps& taps = p.taps[i];
    const int stored = taps.first + k % taps.count * taps.period;
    k /= taps.count;
    // Which of the two is mirrored does not matter to sums, but filter_product() stores terms in
    // the order of the filters' memory.
    int tap = stored, place = stored;
    if (plan.flip && plan.gradient) place = a.kernel - 1 - stored;
    if (plan.flip && !plan.gradient) tap = a.kernel - 1 - stored;
    int64_t d = static_cast<int64_t>(tap) * a.dilation - a.lo;
    if (plan.gradient) d = (p.phase.first[i] - d) / a.stride;
    term->d[i] = static_cast<int32_t>(d);
    filter += place * plan.filter_tap[i];
    offset += d * plan.source_spatial[i];
  }
  term->offset = static_cast<int32_t>(offset + k * plan.source_channel);
  return filter + k * plan.filter_channel;
}

template <class T>
__global__ void prepare_kernel(ConvPlan plan, bool pack) {
  __shared__ PhaseTaps p;
  const int group = static_cast<int>(blockIdx.y) % plan.groups;
  const int phase = static_cast<int>(blockIdx.y) / plan.groups;
  const int first = static_cast<int>(blockIdx.x) * kTermsOfBlock;
  if (threadIdx.x == 0) {
    find_phase(plan, phase, &p);
    if (blockIdx.x == 0 && group == 0) plan.phase[phase] = p.phase;
  }
  __syncthreads();
  const int terms = p.phase.terms;
  const int end = min(first + kTermsOfBlock, plan.padded_terms);
  if (group == 0) {
    for (int k = first + static_cast<int>(threadIdx.x); k < end; k += blockDim.x) {
      ConvTerm term = {0, {kOutside, kOutside, kOutside}};
      if (k < terms) find_term(plan, p, k, &term);
      plan.table[static_cast<int64_t>(phase) * plan.padded_terms + k] = term;
    }
  }
  if (!pack) return;
  const int rows = plan.padded_rows;
  T* const to =
      static_cast<T*>(plan.packed) + static_cast<int64_t>(blockIdx.y) * plan.padded_terms * rows;
  const T* const from = static_cast<const T*>(plan.filters) + group * plan.filter_group;
  // The rows of one term lie side by side; lines of the filters' memory serve the terms to come.
  for (int i = static_cast<int>(threadIdx.x); i < (end - first) * rows; i += blockDim.x) {
    const int k = first + i / rows, row = i % rows;
    T value = 0;
    if (k < terms && row < plan.rows) {
      ConvTerm term;
      value = from[row * plan.filter_row + find_term(plan, p, k, &term)];
    }
    to[static_cast<int64_t>(k) * rows + row] = value;
  }
}

template <class T>
__global__ void join_kernel(const T* partial, T* result, int64_t size, int splits) {
  __shared__ T sums[kJoinRows][kJoinColumns];
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kJoinColumns + threadIdx.x;
  T sum = 0;
  if (i < size) {
#pragma unroll 4
    for (int s = static_cast<int>(threadIdx.y); s < splits; s += kJoinRows) {
      sum += partial[s * size + i];
    }
  }
  sums[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y != 0 || i >= size) return;
  for (int s = 1; s < kJoinRows; ++s) sum += sums[s][threadIdx.x];
  result[i] = sum;
}

}  // namespace

Status prepare(Stream* stream, const ConvPlan& plan, DType dtype, bool pack) {
  const dim3 grid((plan.padded_terms + kTermsOfBlock - 1) / kTermsOfBlock,
                  static_cast<unsigned>(plan.phases * (pack ? plan.groups : 1)));
  ConvPlan p = plan;
  if (!pack) p.groups = 1;
  return gpu::launch(stream, dtype == DType::f32 ? prepare_kernel<float> : prepare_kernel<double>,
                     grid, dim3(256), 0, p, pack);
}

Status join_partials(Stream* stream, const void* partial, void* result, int64_t size, int splits,
                     DType dtype) {
  const dim3 grid(static_cast<unsigned>((size + kJoinColumns - 1) / kJoinColumns));
  const dim3 block(kJoinColumns, kJoinRows);
  if (dtype == DType::f32) {
    return gpu::launch(stream, join_kernel<float>, grid, block, 0,
                       static_cast<const float*>(partial), static_cast<float*>(result), size,
                       splits);
  }
  return gpu::launch(stream, join_kernel<double>, grid, block, 0,
                     static_cast<const double*>(partial), static_cast<double*>(result), size,
                     splits);
}

}  // namespace phintys::cuda
