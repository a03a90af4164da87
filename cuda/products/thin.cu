// Products whose sums have few terms (an outer product has one), and the end of products whose
// sums were cut into pieces.
#include "products/kernels.h"

namespace phintys::cuda {

namespace {

constexpr int kThreads = 256;
constexpr int kCols = 128, kRows = 16;  // of the piece of the result that a block computes

template <class Kind>
__global__ void __launch_bounds__(kThreads) thin_kernel(const Work w) {
  using Acc = typename Kind::Acc;
  const Product& p = w.p;
  const int64_t batch = w.first_batch + blockIdx.y;
  const int64_t place = blockIdx.x;
  const int64_t col = place % w.tiles_n * kCols + threadIdx.x % kCols;
  const int64_t first = place / w.tiles_n * kRows + threadIdx.x / kCols;
  if (col >= p.n) return;
  const char* a = matrix_at(p, p.a, batch);
  const char* b = matrix_at(p, p.b, batch) + col * p.b.col;
  const Finish<Kind> finish(w, batch, 0);
  Acc at_col{};
  if (p.k > 0) at_col = Kind::load(b, p);
#pragma unroll 2
  for (int i = 0; i < kRows; i += kThreads / kCols) {
    const int64_t row = first + i;
    if (row >= p.m) break;
    Acc sum{};
    if (p.k > 0) sum = fused(Kind::load(a + row * p.a.row, p), at_col, sum);
#pragma unroll 1
    for (int64_t k = 1; k < p.k; ++k)
      sum = fused(Kind::load(a + row * p.a.row + k * p.a.col, p), Kind::load(b + k * p.b.row, p),
                  sum);
    settle<Kind>(sum, p);
    finish.store(row, col, sum);
  }
}

template <class Kind>
__global__ void __launch_bounds__(kThreads)
    combine_kernel(const Work w, const char* partial, int splits) {
  using Acc = typename Kind::Acc;
  const Product& p = w.p;
  const int64_t batch = w.first_batch + blockIdx.y;
  const int64_t size = p.m * p.n, i = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i >= size) return;
  const Acc* from = reinterpret_cast<const Acc*>(partial) + batch * size + i;
  Acc sum = *from;
#pragma unroll 4
  for (int s = 1; s < splits; ++s) sum = plus(sum, from[s * w.batches * size]);
  settle<Kind>(sum, p);
  const int64_t row = i / p.n;
  Finish<Kind>(w, batch, 0).store(row, i - row * p.n, sum);
}

template <class Kind>
Status launch_thin(Stream* stream, Work w) {
  const int64_t rows = tiles(w.p.m, kRows), cols = tiles(w.p.n, kCols);
  if (rows > gpu::kMaxGridX / cols) return kUnsupported;
  w.tiles_n = static_cast<int32_t>(cols);
  return launch_stack(stream, thin_kernel<Kind>, w, rows * cols, 1, kThreads, 0);
}

template <class Kind>
Status launch_combine(Stream* stream, Work w, const char* partial, int splits) {
  w.partial = nullptr;
  const int64_t blocks = tiles(w.p.m * w.p.n, kThreads);
  if (blocks > gpu::kMaxGridX) return kUnsupported;
  for (w.first_batch = 0; w.first_batch < w.batches; w.first_batch += gpu::kMaxGridYZ) {
    const int64_t left = w.batches - w.first_batch;
    const dim3 grid(static_cast<unsigned>(blocks),
                    static_cast<unsigned>(left < gpu::kMaxGridYZ ? left : gpu::kMaxGridYZ));
    const Status status =
        gpu::launch(stream, combine_kernel<Kind>, grid, dim3(kThreads), 0, w, partial, splits);
    if (status != kOk) return status;
  }
  return kOk;
}

}  // namespace

Status thin(Stream* stream, const Work& w) {
  return with_kind(w.p.dtype, [&]<class Kind>() { return launch_thin<Kind>(stream, w); });
}

Status combine(Stream* stream, const Work& w, const char* partial, int splits) {
  return with_kind(w.p.dtype,
                   [&]<class Kind>() { return launch_combine<Kind>(stream, w, partial, splits); });
}

}  // namespace phintys::cuda
