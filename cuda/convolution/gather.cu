// Products of packed filters and a source that is gathered through a table (plan.h).
#include "convolution/block_product.h"
#include "convolution/plan.h"

namespace phintys::cuda {
namespace {

// A column of the gathered matrix: the source at one point.
template <class T>
struct Column {
  const T* from;
  int at[3];

  __device__ Column(const ConvPlan& plan, const ConvPhase& phase, int group, uint32_t n) {
    from = static_cast<const T*>(plan.source) + group * plan.channels * plan.source_channel;
    if (n >= static_cast<uint32_t>(phase.columns)) {
      at[0] = at[1] = at[2] = -(1 << 30);
      return;
    }
    const ConvPoint p = point_of(phase.points, n);
    int64_t offset = p.image * plan.source_image;
#pragma unroll
    for (int i = 0; i < 3; ++i) {
      at[i] = static_cast<int>(p.at[i]) * plan.axis[i].source_step;
      offset += at[i] * plan.source_spatial[i];
    }
    from += offset;
  }
  __device__ __forceinline__ T load(const ConvPlan& plan, const int4& term) const {
    const bool inside =
        static_cast<uint32_t>(at[0] + term.y) < static_cast<uint32_t>(plan.axis[0].source) &&
        static_cast<uint32_t>(at[1] + term.z) < static_cast<uint32_t>(plan.axis[1].source) &&
        static_cast<uint32_t>(at[2] + term.w) < static_cast<uint32_t>(plan.axis[2].source);
    return inside ? __ldg(from + term.x) : T(0);
  }
};

template <class T, class Product>
__device__ __forceinline__ void store(const ConvPlan& plan, const ConvPhase& phase,
                                      const Product& product, int group, int first_row,
                                      uint32_t first_column) {
  constexpr int kRows = sizeof(product.sums) / sizeof(product.sums[0]);
  constexpr int kColumns = sizeof(product.sums[0]) / sizeof(T);
  T* const result = plan.splits > 1 ? static_cast<T*>(plan.partial) + blockIdx.z * plan.result_size
                                    : static_cast<T*>(plan.result);
  // Points of the only phase follow each other as columns do.
  const bool vectors = plan.phases == 1 && plan.result_plane % 4 == 0;
#pragma unroll
  for (int c = 0; c < kColumns; ++c) {
    const uint32_t n = first_column + product.column_of(c / 4) + c % 4;
    if (n >= static_cast<uint32_t>(phase.columns) || (vectors && c % 4 != 0)) continue;
    const ConvPoint p = point_of(phase.points, n);
    int64_t offset = 0;
#pragma unroll
    for (int i = 0; i < 3; ++i) {
      offset = offset * plan.axis[i].result + static_cast<int>(p.at[i]) * plan.axis[i].result_step +
               phase.first[i];
    }
    offset += p.image * plan.result_image;
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      const int row = first_row + product.row_of(r / 4) + r % 4;
      if (row >= plan.rows) continue;
      T* const to = result + offset + (group * plan.rows + row) * plan.result_plane;
      if (vectors) {
        Four<T> four;
#pragma unroll
        for (int i = 0; i < 4; ++i) four.v[i] = product.sums[r][c / 4 * 4 + i];
        *reinterpret_cast<Four<T>*>(to) = four;
      } else {
        *to = product.sums[r][c];
      }
    }
  }
}

template <class T, int kBlockRows, int kBlockColumns, int kBlockTerms, int kRows, int kColumns>
__global__ __launch_bounds__(kBlockRows / kRows * (kBlockColumns / kColumns),
                             kRows == 8 ? 2 : 1) void gather_kernel(ConvPlan plan) {
  using Product = BlockProduct<T, kBlockRows, kBlockColumns, kRows, kColumns>;
  constexpr int kThreads = Product::kThreads;
  constexpr int kA = kBlockRows * kBlockTerms / kThreads;
  constexpr int kB = kBlockColumns * kBlockTerms / kThreads;
  constexpr int kStep = kThreads / kBlockColumns;  // from one term of a thread to the next
  static_assert(kThreads % kBlockColumns == 0 && kBlockRows % kA == 0);
  __shared__ __align__(16) T a[2][kBlockTerms][kBlockRows];
  __shared__ __align__(16) T b[2][kBlockTerms][kBlockColumns];

  const int t = static_cast<int>(threadIdx.x);
  const int group = static_cast<int>(blockIdx.y) % plan.groups;
  const int phase_index = static_cast<int>(blockIdx.y) / plan.groups;
  const ConvPhase phase = plan.phase[phase_index];
  const int row_blocks = plan.padded_rows / kBlockRows;
  const int first_row = static_cast<int>(blockIdx.x % row_blocks) * kBlockRows;
  const uint32_t first_column = blockIdx.x / row_blocks * kBlockColumns;
  if (first_column >= static_cast<uint32_t>(phase.columns)) return;

  const int steps = (phase.terms + kBlockTerms - 1) / kBlockTerms;
  const int steps_of_split = (steps + plan.splits - 1) / plan.splits;
  const int begin = min(steps, static_cast<int>(blockIdx.z) * steps_of_split);
  const int end = min(steps, begin + steps_of_split);

  const Column<T> column(plan, phase, group, first_column + t % kBlockColumns);
  const int4* table = reinterpret_cast<const int4*>(plan.table) +
                      static_cast<int64_t>(phase_index) * plan.padded_terms + t / kBlockColumns;
  const int a_term = t * kA / kBlockRows, a_row = t * kA % kBlockRows;
  const T* filters =
      static_cast<const T*>(plan.packed) +
      (static_cast<int64_t>(blockIdx.y) * plan.padded_terms + a_term) * plan.padded_rows +
      first_row + a_row;
  Piece<T, kA> next_a;
  T next_b[kB];
  auto load = [&](int step) {
    next_a = *reinterpret_cast<const Piece<T, kA>*>(filters + static_cast<int64_t>(step) *
                                                                  kBlockTerms * plan.padded_rows);
#pragma unroll
    for (int i = 0; i < kB; ++i) {
      next_b[i] = column.load(plan, __ldg(table + step * kBlockTerms + i * kStep));
    }
  };
  auto keep = [&](int buffer) {
    *reinterpret_cast<Piece<T, kA>*>(&a[buffer][a_term][a_row]) = next_a;
#pragma unroll
    for (int i = 0; i < kB; ++i) {
      b[buffer][t / kBlockColumns + i * kStep][t % kBlockColumns] = next_b[i];
    }
  };

  Product product;
  if (begin < end) {
    load(begin);
    keep(0);
    __syncthreads();
    for (int step = begin; step < end; ++step) {
      const int buffer = (step - begin) & 1;
      if (step + 1 < end) load(step + 1);
      product.template add<kBlockTerms, kBlockRows, kBlockColumns>(a[buffer][0], b[buffer][0]);
      if (step + 1 < end) keep(buffer ^ 1);
      __syncthreads();
    }
  }
  store<T>(plan, phase, product, group, first_row, first_column);
}

template <class T, int kBlockRows, int kBlockColumns, int kBlockTerms, int kRows, int kColumns>
Status queue_kernel(Stream* stream, const ConvPlan& plan) {
  const int64_t blocks =
      plan.padded_rows / kBlockRows * ((plan.columns + kBlockColumns - 1) / kBlockColumns);
  if (blocks > gpu::kMaxGridX) return kUnsupported;
  return gpu::launch(stream,
                     gather_kernel<T, kBlockRows, kBlockColumns, kBlockTerms, kRows, kColumns>,
                     dim3(static_cast<unsigned>(blocks), plan.phases * plan.groups, plan.splits),
                     dim3(kBlockRows / kRows * (kBlockColumns / kColumns)), 0, plan);
}

}  // namespace

Status gather_product(Stream* stream, const ConvPlan& plan, DType dtype, int block_rows) {
  if (dtype == DType::f64) return queue_kernel<double, 64, 64, 8, 4, 4>(stream, plan);
  if (block_rows == 128) return queue_kernel<float, 128, 128, 8, 8, 8>(stream, plan);
  if (block_rows == 32) return queue_kernel<float, 32, 128, 16, 4, 4>(stream, plan);
  return queue_kernel<float, 64, 64, 16, 4, 4>(stream, plan);
}

}  // namespace phintys::cuda
