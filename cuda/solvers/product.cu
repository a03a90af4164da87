// What factorisations subtract from what is left: tiles of 64 x 64.
#include "solvers/solvers.h"

namespace phintys::cuda::solvers {

namespace {

constexpr int kTile = 64;
constexpr int kDepth = 16;
constexpr int kThreads = 256;
constexpr int kPer = 4;  // rows and columns of a thread, 16 apart

// Copies x[kTile, kDepth], from (i, l) on, into shared memory as to[l][i]; beyond the matrix: 0.
// Threads side by side read side by side where the matrix has them so.
template <class T>
PHINTYS_INLINE_DEVICE void load_tile(T (*to)[kTile + 1], const T* x, int64_t i_stride,
                                     int64_t l_stride, int64_t i_left, int64_t l_left,
                                     bool conjugate) {
  const bool deep = l_stride == 1;
  for (int part = 0; part < kTile * kDepth / kThreads; ++part) {
    const int t = static_cast<int>(threadIdx.x) + part * kThreads;
    const int i = deep ? t / kDepth : t % kTile;
    const int l = deep ? t % kDepth : t / kTile;
    T value = make<T>(0);
    if (i < i_left && l < l_left) value = x[i * i_stride + l * l_stride];
    to[l][i] = conjugate ? conjugated(value) : value;
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads) subtract_tiles(Product<T> w) {
  __shared__ T left[kDepth][kTile + 1];
  __shared__ T right[kDepth][kTile + 1];
  if (w.lower && blockIdx.x > blockIdx.y) return;
  const int64_t i0 = static_cast<int64_t>(blockIdx.y) * kTile;
  const int64_t j0 = static_cast<int64_t>(blockIdx.x) * kTile;
  const int ti = threadIdx.x / 16, tj = threadIdx.x % 16;
  for (int64_t matrix = blockIdx.z; matrix < w.count; matrix += gridDim.z) {
    const T* a = w.a.at(matrix) + i0 * w.a.row;
    const T* b = w.b.at(matrix) + j0 * w.b.col;
    T sum[kPer][kPer];
    for (int i = 0; i < kPer; ++i)
      for (int j = 0; j < kPer; ++j) sum[i][j] = make<T>(0);
    for (int64_t l0 = 0; l0 < w.k; l0 += kDepth) {
      load_tile(left, a + l0 * w.a.col, w.a.row, w.a.col, w.m - i0, w.k - l0, w.conjugate_a);
      load_tile(right, b + l0 * w.b.row, w.b.col, w.b.row, w.n - j0, w.k - l0, w.conjugate_b);
      __syncthreads();
#pragma unroll
      for (int l = 0; l < kDepth; ++l) {
        T x[kPer], y[kPer];
        for (int i = 0; i < kPer; ++i) x[i] = left[l][ti + 16 * i];
        for (int j = 0; j < kPer; ++j) y[j] = right[l][tj + 16 * j];
        for (int i = 0; i < kPer; ++i)
          for (int j = 0; j < kPer; ++j) sum[i][j] = mul_add(x[i], y[j], sum[i][j]);
      }
      __syncthreads();
    }
    T* c = w.c.at(matrix);
    for (int i = 0; i < kPer; ++i) {
      const int64_t row = i0 + ti + 16 * i;
      for (int j = 0; j < kPer; ++j) {
        const int64_t column = j0 + tj + 16 * j;
        if (row >= w.m || column >= w.n) continue;
        T* at = c + row * w.c.row + column * w.c.col;
        *at = w.fresh ? negative(sum[i][j]) : mul_add(make<T>(-1), sum[i][j], *at);
      }
    }
  }
}

}  // namespace

template <class T>
Status subtract_product(Stream* stream, Product<T> w) {
  if (w.m == 0 || w.n == 0 || w.count == 0 || (w.k == 0 && !w.fresh)) return kOk;
  if (w.c.col != 1 && w.c.row == 1 && !w.lower) {
    // Transposed, so that results of threads side by side lie side by side.
    const Stack<T> a = w.a;
    w.a = w.b.transposed();
    w.b = a.transposed();
    w.c = w.c.transposed();
    const int64_t m = w.m;
    w.m = w.n;
    w.n = m;
    const bool conjugate = w.conjugate_a;
    w.conjugate_a = w.conjugate_b;
    w.conjugate_b = conjugate;
  }
  if (parts(w.m, kTile) > gpu::kMaxGridYZ) return kUnsupported;
  return gpu::launch(stream, subtract_tiles<T>,
                     dim3(parts(w.n, kTile), parts(w.m, kTile), stack_blocks(w.count)),
                     dim3(kThreads), 0, w);
}

template Status subtract_product(Stream*, Product<float>);
template Status subtract_product(Stream*, Product<double>);
template Status subtract_product(Stream*, Product<Complex<float>>);
template Status subtract_product(Stream*, Product<Complex<double>>);

}  // namespace phintys::cuda::solvers
