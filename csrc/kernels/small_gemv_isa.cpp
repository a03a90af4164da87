// Small products of a matrix and a vector, for the instruction set that this file is compiled for.
#include "kernels/simd/vec.h"
#include "kernels/simd/vector_of.h"
#include "kernels/small_gemv.h"

namespace phintys::PHINTYS_ISA {

namespace {

// Sums over the rows of N vectors of columns from `column` on; K rows at a time keep enough
// additions under way.
template <class V, int N, int K, class T>
PHINTYS_INLINE void column_sums(const SmallGemv<T>& w, int64_t column, V* total) {
  V sums[K][N];
#pragma GCC unroll 8
  for (int k = 0; k < K; ++k)
#pragma GCC unroll 8
    for (int i = 0; i < N; ++i) sums[k][i] = splat<V>(T(0));
  const T* a = w.a + column;
  const T* x = w.x;
  int64_t row = 0;
  for (; row + K <= w.m; row += K) {
#pragma GCC unroll 8
    for (int k = 0; k < K; ++k) {
      const V factor = splat<V>(*x);
#pragma GCC unroll 8
      for (int i = 0; i < N; ++i) sums[k][i] = fma(load<V>(a + i * V::lanes), factor, sums[k][i]);
      a += w.a_row;
      x += w.x_step;
    }
  }
  for (; row < w.m; ++row) {
    const V factor = splat<V>(*x);
#pragma GCC unroll 8
    for (int i = 0; i < N; ++i) sums[0][i] = fma(load<V>(a + i * V::lanes), factor, sums[0][i]);
    a += w.a_row;
    x += w.x_step;
  }
#pragma GCC unroll 8
  for (int i = 0; i < N; ++i) {
    total[i] = sums[0][i];
#pragma GCC unroll 8
    for (int k = 1; k < K; ++k) total[i] = total[i] + sums[k][i];
  }
}

template <class T>
PHINTYS_INLINE T finished(const SmallGemv<T>& w, T sum, const T* y) {
  return w.beta == T(0) ? w.alpha * sum : w.alpha * sum + w.beta * *y;
}

template <class V, int N, int K, class T>
PHINTYS_INLINE void columns(const SmallGemv<T>& w, int64_t column) {
  V total[N];
  column_sums<V, N, K>(w, column, total);
  const V alpha = splat<V>(w.alpha), beta = splat<V>(w.beta);
#pragma GCC unroll 8
  for (int i = 0; i < N; ++i) {
    T* y = w.y + column + i * V::lanes;
    const V scaled = alpha * total[i];
    store(y, w.beta == T(0) ? scaled : scaled + beta * load<V>(y));
  }
}

// (a[0], b[0], a[1], b[1], ...) of the first halves plus the same of the second halves.
template <class V>
PHINTYS_INLINE V add_halves(V a, V b) {
  V low, high;
  if constexpr (V::lanes == 16) {
    low.v =
        __builtin_shufflevector(a.v, b.v, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    high.v = __builtin_shufflevector(a.v, b.v, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30,
                                     15, 31);
  } else if constexpr (V::lanes == 8) {
    low.v = __builtin_shufflevector(a.v, b.v, 0, 8, 1, 9, 2, 10, 3, 11);
    high.v = __builtin_shufflevector(a.v, b.v, 4, 12, 5, 13, 6, 14, 7, 15);
  } else if constexpr (V::lanes == 4) {
    low.v = __builtin_shufflevector(a.v, b.v, 0, 4, 1, 5);
    high.v = __builtin_shufflevector(a.v, b.v, 2, 6, 3, 7);
  } else {
    low.v = __builtin_shufflevector(a.v, b.v, 0, 2);
    high.v = __builtin_shufflevector(a.v, b.v, 1, 3);
  }
  return low + high;
}

// Row by row for as many rows as vectors have lanes; only the first `count` of them exist.
template <class V, class T>
PHINTYS_INLINE void rows(const SmallGemv<T>& w, int64_t row, int64_t count) {
  constexpr int R = V::lanes;
  const T* a[R];
  V sums[R];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
    a[r] = w.a + (row + (r < count ? r : count - 1)) * w.a_row;
    sums[r] = splat<V>(T(0));
  }
  int64_t j = 0;
  for (; j + V::lanes <= w.n; j += V::lanes) {
    const V x = load<V>(w.x + j);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) sums[r] = fma(load<V>(a[r] + j), x, sums[r]);
  }
#pragma GCC unroll 16
  for (int half = R / 2; half > 0; half /= 2)
#pragma GCC unroll 16
    for (int r = 0; r < half; ++r) sums[r] = add_halves(sums[r], sums[r + half]);
  T total[R];
  store(total, sums[0]);
  for (; j < w.n; ++j)
    for (int r = 0; r < R; ++r) total[r] += a[r][j] * w.x[j];
  if (count < R) {
    for (int64_t r = 0; r < count; ++r) w.y[row + r] = finished(w, total[r], w.y + row + r);
    return;
  }
  const V scaled = splat<V>(w.alpha) * load<V>(total);
  store(w.y + row, w.beta == T(0) ? scaled : scaled + splat<V>(w.beta) * load<V>(w.y + row));
}

}  // namespace

template <class T>
void small_gemv(const SmallGemv<T>& w) {
  using V = typename VectorOf<T>::type;
  int64_t row = 0;
  for (; row + V::lanes <= w.m; row += V::lanes) rows<V>(w, row, V::lanes);
  if (row < w.m) rows<V>(w, row, w.m - row);
}
template void small_gemv<float>(const SmallGemv<float>&);
template void small_gemv<double>(const SmallGemv<double>&);

template <class T>
void small_gemv_transposed(const SmallGemv<T>& w) {
  using V = typename VectorOf<T>::type;
  int64_t column = 0;
  for (; column + 8 * V::lanes <= w.n; column += 8 * V::lanes) columns<V, 8, 1>(w, column);
  for (; column + 4 * V::lanes <= w.n; column += 4 * V::lanes) columns<V, 4, 2>(w, column);
  for (; column + V::lanes <= w.n; column += V::lanes) columns<V, 1, 4>(w, column);
  if (column == w.n) return;
  // The last columns, with some before them whose sums are dropped.
  V total[1];
  column_sums<V, 1, 4>(w, w.n - V::lanes, total);
  T sums[V::lanes];
  store(sums, total[0]);
  for (; column < w.n; ++column)
    w.y[column] = finished(w, sums[column - (w.n - V::lanes)], w.y + column);
}
template void small_gemv_transposed<float>(const SmallGemv<float>&);
template void small_gemv_transposed<double>(const SmallGemv<double>&);

}  // namespace phintys::PHINTYS_ISA
