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

template <class Product>
__device__ __forceinline__ void store(const ConvPlan& plan, const ConvPhase& phase,
                                      const Product& product, int group, int first_row,
                                      uint32_t first_column) {
  using T = typename Product::Element;
  constexpr int kVector = Product::kVector;
  T* const result = plan.splits > 1 ? static_cast<T*>(plan.partial) + blockIdx.z * plan.result_size
                                    : static_cast<T*>(plan.result);
  // Points of the only phase follow each other as columns do.
  const bool vectors = plan.phases == 1 && plan.result_plane % kVector == 0;
#pragma unroll
  for (int c = 0; c < Product::kColumns; ++c) {
    const uint32_t n = first_column + product.column_at(c);
    if (n >= static_cast<uint32_t>(phase.columns) || (vectors && c % kVector != 0)) continue;
    const ConvPoint p = point_of(phase.points, n);
    int64_t offset = 0;
#pragma unroll
    for (int i = 0; i < 3; ++i) {
      offset = offset * plan.axis[i].result + static_cast<int>(p.at[i]) * plan.axis[i].result_step +
               phase.first[i];
    }
    offset += p.image * plan.result_image;
#pragma unroll
    for (int r = 0; r < Product::kRows; ++r) {
      const int row = first_row + product.row_at(r);
      if (row >= plan.rows) continue;
      T* const to = result + offset + (group * plan.rows + row) * plan.result_plane;
      if (vectors) {
        Piece<T, kVector> piece;
#pragma unroll
        for (int i = 0; i < kVector; ++i) piece.v[i] = product.value(r, c / kVector * kVector + i);
        *reinterpret_cast<Piece<T, kVector>*>(to) = piece;
      } else {
        *to = product.value(r, c);
      }
    }
  }
}

template <class Product, int kBlockTerms>
__global__ void __launch_bounds__(Product::kThreads, Product::kBlocks)
    gather_kernel(ConvPlan plan) {
  using T = typename Product::Element;
  constexpr int kBlockRows = Product::kBlockRows, kBlockColumns = Product::kBlockColumns;
  constexpr int kThreads = Product::kThreads;
  constexpr int kA = kBlockRows * kBlockTerms / kThreads;
  constexpr int kB = kBlockColumns * kBlockTerms / kThreads;
  constexpr int kStep = kThreads / kBlockColumns;  // from one term of a thread to the next
  constexpr int kPitchA = kBlockRows + Product::kPad, kPitchB = kBlockColumns + Product::kPad;
  static_assert(kThreads % kBlockColumns == 0 && kBlockRows % kA == 0);
  __shared__ __align__(16) T a[2][kBlockTerms][kPitchA];
  __shared__ __align__(16) T b[2][kBlockTerms][kPitchB];

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
#pragma unroll
    for (int i = 0; i < kA; ++i) next_a.v[i] = Product::kept(next_a.v[i]);
    *reinterpret_cast<Piece<T, kA>*>(&a[buffer][a_term][a_row]) = next_a;
#pragma unroll
    for (int i = 0; i < kB; ++i) {
      b[buffer][t / kBlockColumns + i * kStep][t % kBlockColumns] = Product::kept(next_b[i]);
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
      product.template add<kBlockTerms, kPitchA, kPitchB>(a[buffer][0], b[buffer][0]);
      if (step + 1 < end) keep(buffer ^ 1);
      __syncthreads();
    }
  }
  store(plan, phase, product, group, first_row, first_column);
}

template <class Product, int kBlockTerms>
Status queue_kernel(Stream* stream, const ConvPlan& plan) {
  const int64_t columns = (plan.columns + Product::kBlockColumns - 1) / Product::kBlockColumns;
  const int64_t blocks = plan.padded_rows / Product::kBlockRows * columns;
  if (blocks > gpu::kMaxGridX) return kUnsupported;
  return gpu::launch(stream, gather_kernel<Product, kBlockTerms>,
                     dim3(static_cast<unsigned>(blocks), plan.phases * plan.groups, plan.splits),
                     dim3(Product::kThreads), 0, plan);
}

}  // namespace

Status gather_product(Stream* stream, const ConvPlan& plan, BlockKind kind) {
  switch (kind) {
    case BlockKind::f64:
      return queue_kernel<PlainProduct<double, 64, 64, 4, 4>, 8>(stream, plan);
    case BlockKind::few_rows:
      return queue_kernel<PlainProduct<float, 32, 128, 4, 4>, 16>(stream, plan);
    case BlockKind::small:
      return queue_kernel<PlainProduct<float, 64, 64, 4, 4>, 16>(stream, plan);
    case BlockKind::large:
      return queue_kernel<PlainProduct<float, 128, 128, 8, 8>, 8>(stream, plan);
    case BlockKind::small_tensor:
      return queue_kernel<SmallTensorProduct, 16>(stream, plan);
    case BlockKind::large_tensor:
      return queue_kernel<LargeTensorProduct, 16>(stream, plan);
  }
  return kUnsupported;
}

}  // namespace phintys::cuda
