// The gradient of filters: products of the output's gradient and the gathered input, summed over
// images and output points (plan.h). Blocks that share results write partial sums.
//
// Here `filters` of the plan is the gradient of the output: filter_channel is its stride from image
// to image, filter_row from channel to channel, filter_tap those between points.
#include "convolution/block_product.h"
#include "convolution/plan.h"

namespace phintys::cuda {
namespace {

constexpr int kTerms = 16;  // points at a time
constexpr int kPad = 4;     // between rows of shared memory: fewer threads meet in one bank

template <class Product>
__global__ void __launch_bounds__(Product::kThreads, Product::kBlocks)
    filter_kernel(ConvPlan plan) {
  using T = typename Product::Element;
  constexpr int kBlock = Product::kBlockRows, kThreads = Product::kThreads;
  static_assert(Product::kBlockColumns == kBlock);
  constexpr int kLoads = kBlock * kTerms / kThreads;
  constexpr int kStep = kThreads / kTerms;  // rows from one load of a thread to the next
  constexpr int kPitch = kBlock + kPad;
  __shared__ __align__(16) T a[2][kTerms][kPitch];
  __shared__ __align__(16) T b[2][kTerms][kPitch];
  __shared__ __align__(16) int4 terms[kBlock];

  const int t = static_cast<int>(threadIdx.x);
  const int group = static_cast<int>(blockIdx.y);
  const int row_blocks = (plan.rows + kBlock - 1) / kBlock;
  const int first_row = static_cast<int>(blockIdx.x % row_blocks) * kBlock;
  const int first_term = static_cast<int>(blockIdx.x / row_blocks) * kBlock;
  const ConvPhase phase = plan.phase[0];
  // The table has entries up to a multiple of kBlock.
  for (int i = t; i < kBlock; i += kThreads) {
    terms[i] = __ldg(reinterpret_cast<const int4*>(plan.table) + first_term + i);
  }
  __syncthreads();

  const uint32_t columns = static_cast<uint32_t>(phase.columns);
  const uint32_t steps = (columns + kTerms - 1) / kTerms;
  const uint32_t steps_of_split = (steps + plan.splits - 1) / plan.splits;
  const uint32_t begin = min(steps, blockIdx.z * steps_of_split);
  const uint32_t end = min(steps, begin + steps_of_split);
  const int point = t % kTerms, row = t / kTerms;
  const T* const source =
      static_cast<const T*>(plan.source) + group * plan.channels * plan.source_channel;
  const T* const grad = static_cast<const T*>(plan.filters) + group * plan.filter_group +
                        (first_row + row) * plan.filter_row;

  T next_a[kLoads], next_b[kLoads];
  auto load = [&](uint32_t step) {
    const uint32_t n = step * kTerms + point;
    const bool known = n < columns;
    const ConvPoint p = point_of(phase.points, known ? n : 0);
    const T* from = source + p.image * plan.source_image;
    const T* g = grad + p.image * plan.filter_channel;
    int at[3];
#pragma unroll
    for (int i = 0; i < 3; ++i) {
      at[i] = static_cast<int>(p.at[i]) * plan.axis[i].source_step;
      from += at[i] * plan.source_spatial[i];
      g += p.at[i] * plan.filter_tap[i];
    }
#pragma unroll
    for (int i = 0; i < kLoads; ++i) {
      const bool inside = known && first_row + row + i * kStep < plan.rows;
      next_a[i] = inside ? __ldg(g + i * kStep * plan.filter_row) : T(0);
    }
#pragma unroll
    for (int i = 0; i < kLoads; ++i) {
      const int4 term = terms[row + i * kStep];
      const bool inside =
          known &&
          static_cast<uint32_t>(at[0] + term.y) < static_cast<uint32_t>(plan.axis[0].source) &&
          static_cast<uint32_t>(at[1] + term.z) < static_cast<uint32_t>(plan.axis[1].source) &&
          static_cast<uint32_t>(at[2] + term.w) < static_cast<uint32_t>(plan.axis[2].source);
      next_b[i] = inside ? __ldg(from + term.x) : T(0);
    }
  };
  auto keep = [&](int buffer) {
#pragma unroll
    for (int i = 0; i < kLoads; ++i) {
      a[buffer][point][row + i * kStep] = Product::kept(next_a[i]);
      b[buffer][point][row + i * kStep] = Product::kept(next_b[i]);
    }
  };

  Product product;
  if (begin < end) {
    load(begin);
    keep(0);
    __syncthreads();
    for (uint32_t step = begin; step < end; ++step) {
      const int buffer = static_cast<int>((step - begin) & 1);
      if (step + 1 < end) load(step + 1);
      product.template add<kTerms, kPitch, kPitch>(a[buffer][0], b[buffer][0]);
      if (step + 1 < end) keep(buffer ^ 1);
      __syncthreads();
    }
  }
  T* const result = plan.splits > 1 ? static_cast<T*>(plan.partial) + blockIdx.z * plan.result_size
                                    : static_cast<T*>(plan.result);
#pragma unroll
  for (int r = 0; r < Product::kRows; ++r) {
    const int m = first_row + product.row_at(r);
#pragma unroll
    for (int c = 0; c < Product::kColumns; ++c) {
      const int j = first_term + product.column_at(c);
      if (m < plan.rows && j < plan.terms) {
        result[static_cast<int64_t>(group * plan.rows + m) * plan.terms + j] = product.value(r, c);
      }
    }
  }
}

template <class Product>
Status queue_kernel(Stream* stream, const ConvPlan& plan) {
  const int64_t row_blocks = (plan.rows + Product::kBlockRows - 1) / Product::kBlockRows;
  const int64_t blocks =
      row_blocks * ((plan.terms + Product::kBlockColumns - 1) / Product::kBlockColumns);
  if (blocks > gpu::kMaxGridX) return kUnsupported;
  return gpu::launch(stream, filter_kernel<Product>,
                     dim3(static_cast<unsigned>(blocks), plan.groups, plan.splits),
                     dim3(Product::kThreads), 0, plan);
}

}  // namespace

Status filter_product(Stream* stream, const ConvPlan& plan, BlockKind kind) {
  switch (kind) {
    case BlockKind::f64:
      return queue_kernel<PlainProduct<double, 64, 64, 4, 4>>(stream, plan);
    case BlockKind::few_rows:
    case BlockKind::small:
      return queue_kernel<PlainProduct<float, 64, 64, 4, 4>>(stream, plan);
    case BlockKind::large:
      return queue_kernel<PlainProduct<float, 128, 128, 8, 8>>(stream, plan);
    case BlockKind::small_tensor:
      return queue_kernel<SmallTensorProduct>(stream, plan);
    case BlockKind::large_tensor:
      return queue_kernel<LargeTensorProduct>(stream, plan);
  }
  return kUnsupported;
}

}  // namespace phintys::cuda
