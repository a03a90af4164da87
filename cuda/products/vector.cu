// Products of matrices and vectors: what counts is how fast the matrix is read.
#include "products/kernels.h"

namespace phintys::cuda {

namespace {

constexpr int kThreads = 256;

// 16 bytes of neighbouring elements, widened. Integers that are not stored as they are summed are
// never read so.
template <class Kind>
struct Packet {
  static constexpr int kCount = 16 / sizeof(typename Kind::Acc);
  static __device__ __forceinline__ void load(typename Kind::Acc* to, const char* from) {
    struct __align__(16) All {
      typename Kind::Acc v[kCount];
    };
    const All all = *reinterpret_cast<const All*>(from);
#pragma unroll
    for (int i = 0; i < kCount; ++i) to[i] = all.v[i];
  }
};
template <>
struct Packet<F16> {
  static constexpr int kCount = 8;
  static __device__ __forceinline__ void load(float* to, const char* from) {
    const uint4 all = *reinterpret_cast<const uint4*>(from);
    const uint32_t words[4] = {all.x, all.y, all.z, all.w};
#pragma unroll
    for (int i = 0; i < 8; ++i)
      to[i] = gpu::half_to_float(static_cast<uint16_t>(words[i / 2] >> 16 * (i % 2)));
  }
};

template <class T>
__device__ __forceinline__ T from_lane(T v, int mask) {
  return __shfl_xor_sync(gpu::kAllLanes, v, mask);
}
__device__ __forceinline__ uint64_t from_lane(uint64_t v, int mask) {
  return static_cast<uint64_t>(
      __shfl_xor_sync(gpu::kAllLanes, static_cast<unsigned long long>(v), mask));
}
template <class R>
__device__ __forceinline__ Complex<R> from_lane(Complex<R> v, int mask) {
  return {from_lane(v.re, mask), from_lane(v.im, mask)};
}

// One lane's part of the sum of a row: packets (or elements) `lane`, `lane` + 32, ...
template <class Kind>
__device__ __forceinline__ typename Kind::Acc row_part(const Work& w, const char* row,
                                                       const char* x, Range terms, int lane) {
  using Acc = typename Kind::Acc;
  const Product& p = w.p;
  Acc sum{};
  int64_t k = terms.begin;
  constexpr int kCount = Packet<Kind>::kCount;
  {
    if (w.wide_a && w.wide_b) {
      const int64_t packets = (terms.end - terms.begin) / kCount;
#pragma unroll 4
      for (int64_t i = lane; i < packets; i += gpu::kWarp) {
        Acc a[kCount], b[kCount];
        Packet<Kind>::load(a, row + i * 16);
        Packet<Kind>::load(b, x + i * 16);
#pragma unroll
        for (int e = 0; e < kCount; ++e) sum = fused(a[e], b[e], sum);
      }
      k += packets * kCount;
      row += packets * 16;
      x += packets * 16;
    }
  }
#pragma unroll 4
  for (int64_t i = lane; i < terms.end - k; i += gpu::kWarp) {
    sum = fused(Kind::load(row + i * p.a.col, p), Kind::load(x + i * p.b.row, p), sum);
  }
  settle<Kind>(sum, p);
  return sum;
}

// A warp for each row.
template <class Kind>
__global__ void __launch_bounds__(kThreads) vector_rows_kernel(const Work w) {
  const Product& p = w.p;
  const int split = static_cast<int>(blockIdx.z), lane = static_cast<int>(threadIdx.x) % 32;
  const int64_t batch = w.first_batch + blockIdx.y;
  const int64_t row = int64_t{blockIdx.x} * (kThreads / 32) + threadIdx.x / 32;
  if (row >= p.m) return;
  const Range terms = terms_of(w, split);
  auto sum = row_part<Kind>(w, matrix_at(p, p.a, batch) + row * p.a.row + terms.begin * p.a.col,
                            matrix_at(p, p.b, batch) + terms.begin * p.b.row, terms, lane);
#pragma unroll
  for (int mask = 16; mask > 0; mask /= 2) sum = plus(sum, from_lane(sum, mask));
  settle<Kind>(sum, p);
  if (lane == 0) Finish<Kind>(w, batch, split).store(row, 0, sum);
}

// Neighbouring threads have neighbouring rows; the warps of a block share the terms.
template <class Kind>
__global__ void __launch_bounds__(kThreads) vector_columns_kernel(const Work w) {
  using Acc = typename Kind::Acc;
  constexpr int kWarps = kThreads / 32;
  auto* parts = gpu::dynamic_shared<Acc>();  // [kWarps][32]
  const Product& p = w.p;
  const int split = static_cast<int>(blockIdx.z), lane = static_cast<int>(threadIdx.x) % 32,
            warp = static_cast<int>(threadIdx.x) / 32;
  const int64_t batch = w.first_batch + blockIdx.y;
  const int64_t row = int64_t{blockIdx.x} * 32 + lane;
  const Range terms = terms_of(w, split);
  Acc sum{};
  if (row < p.m) {
    const char* a = matrix_at(p, p.a, batch) + row * p.a.row;
    const char* x = matrix_at(p, p.b, batch);
#pragma unroll 8
    for (int64_t k = terms.begin + warp; k < terms.end; k += kWarps)
      sum = fused(Kind::load(a + k * p.a.col, p), Kind::load(x + k * p.b.row, p), sum);
  }
  settle<Kind>(sum, p);
  parts[threadIdx.x] = sum;
  __syncthreads();
  if (warp != 0 || row >= p.m) return;
  for (int i = 1; i < kWarps; ++i) sum = plus(sum, parts[i * 32 + lane]);
  settle<Kind>(sum, p);
  Finish<Kind>(w, batch, split).store(row, 0, sum);
}

template <class Kind>
Status launch_rows(Stream* stream, const Work& w) {
  return launch_stack(stream, vector_rows_kernel<Kind>, w, tiles(w.p.m, kThreads / 32), w.splits,
                      kThreads, 0);
}
template <class Kind>
Status launch_columns(Stream* stream, const Work& w) {
  return launch_stack(stream, vector_columns_kernel<Kind>, w, tiles(w.p.m, 32), w.splits, kThreads,
                      kThreads * sizeof(typename Kind::Acc));
}

}  // namespace

Status vector_rows(Stream* stream, const Work& w) {
  return with_kind(w.p.dtype, [&]<class Kind>() { return launch_rows<Kind>(stream, w); });
}

Status vector_columns(Stream* stream, const Work& w) {
  return with_kind(w.p.dtype, [&]<class Kind>() { return launch_columns<Kind>(stream, w); });
}

}  // namespace phintys::cuda
