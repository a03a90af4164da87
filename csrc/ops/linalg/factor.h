// Factorisations of one matrix of any size, on several threads where it is large: the library's own
// threads are never used. Blocks depend on the order alone.
#pragma once

#include <algorithm>

#include "kernels/blas.h"
#include "kernels/lapack.h"
#include "kernels/parallel.h"

namespace phintys::linalg {

// From this order on, a factorisation is cut into panels of this width.
inline constexpr int64_t kBlockedOrder = 320;
inline constexpr int64_t kPanel = 128;

// Whether a stack of real matrices goes through the kernels of small.h. What the factors look like
// depends on it, so every op on them asks here.
inline bool use_small(bool complex, int64_t n, int64_t count) {
  return !complex && (n <= 16 || (n <= 32 && count >= 4));
}
template <class T>
bool use_small(int64_t n, int64_t count) {
  return use_small(lapack::kComplex<T>, n, count);
}

// a[n, n], row-major: its lower triangle becomes the Cholesky factor. Returns 0, or the order of
// the leading minor that is not positive.
template <class T>
int64_t cholesky_rows(int64_t n, T* a) {
  if (n < kBlockedOrder || lapack::kComplex<T>)
    return lapack::potrf('U', n, a, std::max<int64_t>(1, n));
  for (int64_t j = 0; j < n; j += kPanel) {
    const int64_t width = std::min(kPanel, n - j), next = j + width, rest = n - next;
    T* corner = a + j * n + j;
    if (const int64_t info = lapack::potrf('U', width, corner, n)) return j + info;
    T* below = a + next * n + j;
    parallel_ranges(rest, 64, [&](int64_t begin, int64_t end) {
      lapack::trsm_rows(true, true, lapack::Op::trans, false, end - begin, width, corner, n,
                        below + begin * n, n);
    });
    // The trailing triangle, in tiles of the lower part.
    constexpr int64_t kTile = 192;
    const int64_t tiles = (rest + kTile - 1) / kTile;
    parallel_for(tiles * (tiles + 1) / 2, [&](int64_t chunk) {
      int64_t down = 0;
      while ((down + 1) * (down + 2) / 2 <= chunk) ++down;
      const int64_t i = down * kTile, k = (chunk - down * (down + 1) / 2) * kTile;
      gemm(false, true, std::min(kTile, rest - i), std::min(kTile, rest - k), width, T(-1),
           below + i * n, n, below + k * n, n, T(1), a + (next + i) * n + next + k, n);
    });
  }
  return 0;
}

// a[m, n], column-major: LU with row exchanges, as LAPACK's getrf. Returns 0, or the position of
// the first pivot that is 0.
template <class T>
int64_t lu_columns(int64_t m, int64_t n, T* a, int64_t ld, blas_int* pivots) {
  const int64_t k = std::min(m, n);
  if (k == 0) return 0;
  if (k < kBlockedOrder || lapack::kComplex<T>) return lapack::getrf(m, n, a, ld, pivots);
  int64_t first_zero = 0;
  for (int64_t j = 0; j < k; j += kPanel) {
    const int64_t width = std::min(kPanel, k - j), next = j + width;
    const int64_t info = lapack::getrf(m - j, width, a + j * ld + j, ld, pivots + j);
    if (info && !first_zero) first_zero = j + info;
    for (int64_t i = j; i < next; ++i) pivots[i] += static_cast<blas_int>(j);
    const auto exchange = [&](int64_t begin, int64_t end) {
      for (int64_t c = begin; c < end; ++c) {
        T* column = a + c * ld;
        for (int64_t i = j; i < next; ++i) std::swap(column[i], column[pivots[i] - 1]);
      }
    };
    parallel_ranges(j, 128, exchange);
    parallel_ranges(n - next, 96, [&](int64_t begin, int64_t end) {
      exchange(next + begin, next + end);
      T* top = a + (next + begin) * ld + j;
      // In row-major terms both factors are transposed.
      lapack::trsm_rows(true, false, lapack::Op::none, true, end - begin, width, a + j * ld + j, ld,
                        top, ld);
      gemm(false, false, end - begin, m - next, width, T(-1), top, ld, a + j * ld + next, ld, T(1),
           top + width, ld);
    });
  }
  return first_zero;
}

// Row-major memory of A whose transpose went through lu_columns: x[n, m], row-major, becomes
// inverse(A) @ x, or inverse(A^H) @ x if `adjoint`.
template <class T, class P>
void lu_solve_rows(const T* lu, const P* pivots, int64_t n, int64_t m, bool adjoint, T* x) {
  using lapack::Op;
  const auto solve = [&](bool lower, bool unit, T* to, int64_t cols) {
    const Op op = adjoint ? Op::adjoint : Op::none;
    if (m == 1) return lapack::trsv_rows(lower, op, unit, n, lu, n, to);
    lapack::trsm_rows(false, lower, op, unit, n, cols, lu, n, to, m);
  };
  parallel_ranges(m, n >= 64 ? 64 : 4096, [&](int64_t begin, int64_t end) {
    T* to = x + begin;
    const int64_t cols = end - begin;
    const auto exchange = [&](int64_t i) {
      const int64_t p = static_cast<int64_t>(pivots[i]);
      if (p != i) std::swap_ranges(to + i * m, to + i * m + cols, to + p * m);
    };
    if (!adjoint) {
      solve(true, false, to, cols);
      solve(false, true, to, cols);
      for (int64_t i = n - 1; i >= 0; --i) exchange(i);
    } else {
      for (int64_t i = 0; i < n; ++i) exchange(i);
      solve(false, true, to, cols);
      solve(true, false, to, cols);
    }
  });
}

// x[n, m], row-major: inverse(op(A)) @ x for a triangular row-major A.
template <class T>
void triangular_solve_rows(const T* a, int64_t lda, bool lower, lapack::Op op, bool unit, int64_t n,
                           int64_t m, T* x) {
  if (m == 1) return lapack::trsv_rows(lower, op, unit, n, a, lda, x);
  parallel_ranges(m, n >= 64 ? 64 : 4096, [&](int64_t begin, int64_t end) {
    lapack::trsm_rows(false, lower, op, unit, n, end - begin, a, lda, x + begin, m);
  });
}

}  // namespace phintys::linalg
