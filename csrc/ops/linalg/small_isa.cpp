#include "ops/linalg/small.h"

#include "kernels/simd/vec.h"

namespace phintys::PHINTYS_ISA {

namespace {

using namespace phintys::linalg;

template <class T>
struct VectorOf;
template <>
struct VectorOf<float> {
  using type = VF32;
};
template <>
struct VectorOf<double> {
  using type = VF64;
};
template <class T>
using Vec = typename VectorOf<T>::type;

constexpr int64_t kWide = 4;  // vectors in a row of results

inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

// --- products -----------------------------------------------------------------------------------

// kRows rows of results, kCols vectors wide, from packed rows of b.
template <class T, int kRows, int kCols>
PHINTYS_INLINE void product_tile(const T* a, int64_t a_row, int64_t a_col, const T* b, int64_t ldb,
                                 int64_t k, T* c, int64_t ldc, int64_t width, bool spill) {
  using V = Vec<T>;
  V sum[kRows][kCols];
  for (int i = 0; i < kRows; ++i) {
    for (int j = 0; j < kCols; ++j) sum[i][j] = V::broadcast(T(0));
  }
  for (int64_t p = 0; p < k; ++p) {
    V row[kCols];
    for (int j = 0; j < kCols; ++j) row[j] = V::load(b + p * ldb + j * V::lanes);
    for (int i = 0; i < kRows; ++i) {
      const V x = V::broadcast(a[i * a_row + p * a_col]);
      for (int j = 0; j < kCols; ++j) sum[i][j] = fma(x, row[j], sum[i][j]);
    }
  }
  if (spill || width == kCols * V::lanes) {
    for (int i = 0; i < kRows; ++i) {
      for (int j = 0; j < kCols; ++j) sum[i][j].store(c + i * ldc + j * V::lanes);
    }
    return;
  }
  T row[kCols * V::lanes];
  for (int i = 0; i < kRows; ++i) {
    for (int j = 0; j < kCols; ++j) sum[i][j].store(row + j * V::lanes);
    for (int64_t j = 0; j < width; ++j) c[i * ldc + j] = row[j];
  }
}

// With `spill`, what lies in c behind a row's end is overwritten: it is computed later.
template <class T, int kCols>
PHINTYS_INLINE void product_columns(const SmallProduct<T>& w, const T* a, const T* b, int64_t ldb,
                                    T* c, int64_t width, bool spill) {
  // As many sums at once as hide the latency of a multiply-add.
  constexpr int kRows = kCols == 1 ? 8 : 4;
  int64_t i = 0;
  for (; i + kRows <= w.m; i += kRows) {
    product_tile<T, kRows, kCols>(a + i * w.a_row, w.a_row, w.a_col, b, ldb, w.k, c + i * w.n, w.n,
                                  width, spill);
  }
  if (kRows == 8 && i + 4 <= w.m) {
    product_tile<T, 4, kCols>(a + i * w.a_row, w.a_row, w.a_col, b, ldb, w.k, c + i * w.n, w.n,
                              width, spill);
    i += 4;
  }
  a += i * w.a_row;
  c += i * w.n;
  switch (w.m - i) {
    case 3:
      return product_tile<T, 3, kCols>(a, w.a_row, w.a_col, b, ldb, w.k, c, w.n, width, spill);
    case 2:
      return product_tile<T, 2, kCols>(a, w.a_row, w.a_col, b, ldb, w.k, c, w.n, width, spill);
    case 1:
      return product_tile<T, 1, kCols>(a, w.a_row, w.a_col, b, ldb, w.k, c, w.n, width, spill);
    default:
      return;
  }
}

template <class T>
void products(const SmallProduct<T>& w) {
  using V = Vec<T>;
  constexpr int64_t kWidth = kWide * V::lanes;
  alignas(64) T packed[kSmallDepth * kWidth];
  bool kept = false;
  const T* c_end = w.c + w.count * w.m * w.n;
  for (int64_t at = 0; at < w.count; ++at) {
    const T* a = w.a + at * w.a_step;
    const T* b = w.b + at * w.b_step;
    T* c = w.c + at * w.m * w.n;
    for (int64_t j0 = 0; j0 < w.n; j0 += kWidth) {
      const int64_t width = least(kWidth, w.n - j0);
      const int64_t vectors = (width + V::lanes - 1) / V::lanes;
      const T* rows = b + j0 * w.b_col;
      int64_t ldb = w.b_row;
      const int64_t full = vectors * V::lanes;
      // Whole vectors where they stay inside both arrays.
      const bool spill = w.b_col == 1 && w.n <= kWidth && w.b_end && w.k > 0 &&
                         w.b_end - rows >= (w.k - 1) * ldb + full &&
                         c_end - c >= (w.m - 1) * w.n + full;
      if (w.b_col != 1 || (width != full && !spill)) {
        ldb = full;
        // Only a row operand that stays the same is packed once.
        if (!kept || w.b_step != 0 || w.n > kWidth) {
          kept = true;
          for (int64_t p = 0; p < w.k; ++p) {
            for (int64_t j = 0; j < width; ++j) {
              packed[p * ldb + j] = rows[p * w.b_row + j * w.b_col];
            }
            for (int64_t j = width; j < ldb; ++j) packed[p * ldb + j] = T(0);
          }
        }
        rows = packed;
      }
      switch (vectors) {
        case 1:
          product_columns<T, 1>(w, a, rows, ldb, c + j0, width, spill);
          break;
        case 2:
          product_columns<T, 2>(w, a, rows, ldb, c + j0, width, spill);
          break;
        case 3:
          product_columns<T, 3>(w, a, rows, ldb, c + j0, width, spill);
          break;
        default:
          product_columns<T, 4>(w, a, rows, ldb, c + j0, width, spill);
      }
    }
  }
}

// --- matrices side by side ----------------------------------------------------------------------

// Element (i, j) of `lanes` matrices becomes vector i * ld + j. Lanes without a matrix repeat the
// last one.
template <class V>
void gather(V* to, int64_t ld, const elem_of<V>* from, int64_t row, int64_t col, int64_t step,
            int64_t rows, int64_t cols, int64_t valid) {
  constexpr int kLanes = V::lanes;
  int64_t offset[kLanes];
  for (int l = 0; l < kLanes; ++l) offset[l] = least(l, valid - 1) * step;
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < cols; ++j) {
      const elem_of<V>* p = from + i * row + j * col;
      elem_of<V>* q = reinterpret_cast<elem_of<V>*>(to + i * ld + j);
      for (int l = 0; l < kLanes; ++l) q[l] = p[offset[l]];
    }
  }
}

template <class V>
void scatter(const V* from, int64_t ld, elem_of<V>* to, int64_t row, int64_t col, int64_t step,
             int64_t rows, int64_t cols, int64_t valid) {
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < cols; ++j) {
      const elem_of<V>* q = reinterpret_cast<const elem_of<V>*>(from + i * ld + j);
      elem_of<V>* p = to + i * row + j * col;
      for (int64_t l = 0; l < valid; ++l) p[l * step] = q[l];
    }
  }
}

// --- Cholesky -----------------------------------------------------------------------------------

// kRows entries of column j of L, before they are divided by the pivot.
template <class V, int kRows>
PHINTYS_INLINE void cholesky_rows(V* a, int64_t n, int64_t i, int64_t j, V inverse) {
  V sum[kRows];
  for (int r = 0; r < kRows; ++r) sum[r] = a[(i + r) * n + j];
  for (int64_t k = 0; k < j; ++k) {
    const V x = -a[j * n + k];
    for (int r = 0; r < kRows; ++r) sum[r] = fma(x, a[(i + r) * n + k], sum[r]);
  }
  for (int r = 0; r < kRows; ++r) a[(i + r) * n + j] = sum[r] * inverse;
}

template <class T>
int64_t cholesky(const SmallCholesky<T>& w) {
  using V = Vec<T>;
  constexpr int kLanes = V::lanes;
  alignas(64) V a[kSmallOrder * kSmallOrder];
  const int64_t n = w.n, size = n * n;
  const int64_t row = w.lower ? n : 1, col = w.lower ? 1 : n;
  const V zero = V::broadcast(T(0)), one = V::broadcast(T(1));
  for (int64_t at = 0; at < w.count; at += kLanes) {
    const int64_t valid = least(kLanes, w.count - at);
    T* base = w.a + at * size;
    gather(a, n, base, row, col, size, n, n, valid);
    auto good = splat_mask<mask_of<V>>(true);
    for (int64_t j = 0; j < n; ++j) {
      V pivot = a[j * n + j];
      for (int64_t k = 0; k < j; ++k) pivot = fma(-a[j * n + k], a[j * n + k], pivot);
      good = good & (pivot > zero);
      const V root = sqrt(pivot);
      a[j * n + j] = root;
      const V inverse = one / root;
      int64_t i = j + 1;
      for (; i + 4 <= n; i += 4) cholesky_rows<V, 4>(a, n, i, j, inverse);
      for (; i < n; ++i) cholesky_rows<V, 1>(a, n, i, j, inverse);
      for (int64_t k = j + 1; k < n; ++k) a[j * n + k] = zero;
    }
    if (!all(good)) {
      for (int l = 0; l < valid; ++l) {
        if (get_lane(good, l)) continue;
        if (!w.nan) return at + l;
        for (int64_t i = 0; i < size; ++i)
          a[i] = set_lane(a[i], l, static_cast<T>(__builtin_nan("")));
      }
    }
    scatter(a, n, base, row, col, size, n, n, valid);
  }
  return -1;
}

// --- LU -----------------------------------------------------------------------------------------

template <class V>
PHINTYS_INLINE void subtract_row(V* to, const V* from, V factor, int64_t count) {
  const V x = -factor;
  for (int64_t j = 0; j < count; ++j) to[j] = fma(x, from[j], to[j]);
}

// Exchanges row k and, in each lane, the row that `chosen` names.
template <class V>
PHINTYS_INLINE void exchange_rows(V* a, int64_t ld, int64_t k, V chosen, int64_t width) {
  constexpr int kLanes = V::lanes;
  using T = elem_of<V>;
  for (int l = 0; l < kLanes; ++l) {
    const int64_t p = static_cast<int64_t>(get_lane(chosen, l));
    if (p == k) continue;
    T* x = reinterpret_cast<T*>(a + k * ld) + l;
    T* y = reinterpret_cast<T*>(a + p * ld) + l;
    for (int64_t j = 0; j < width; ++j, x += kLanes, y += kLanes) {
      const T t = *x;
      *x = *y;
      *y = t;
    }
  }
}

// LU of a[n, n] with ld >= n; the row operations go on to the first `width` columns. Returns the
// lanes whose pivots are all different from 0.
template <class V>
mask_of<V> eliminate(V* a, int64_t n, int64_t ld, int64_t width, V* chosen, V* inverses) {
  const V zero = V::broadcast(0), one = V::broadcast(1);
  auto good = splat_mask<mask_of<V>>(true);
  for (int64_t k = 0; k < n; ++k) {
    V best = abs(a[k * ld + k]);
    V index = V::broadcast(static_cast<elem_of<V>>(k));
    const V first = index;
    for (int64_t i = k + 1; i < n; ++i) {
      const V x = abs(a[i * ld + k]);
      const auto more = x > best;
      best = select(more, x, best);
      index = select(more, V::broadcast(static_cast<elem_of<V>>(i)), index);
    }
    chosen[k] = index;
    if (any(index != first)) exchange_rows(a, ld, k, index, width);
    const V pivot = a[k * ld + k];
    const auto usable = pivot != zero;
    good = good & usable;
    const V inverse = select(usable, one / pivot, zero);
    inverses[k] = inverse;
    for (int64_t i = k + 1; i < n; ++i) {
      const V factor = a[i * ld + k] * inverse;
      a[i * ld + k] = factor;
      subtract_row(a + i * ld + k + 1, a + k * ld + k + 1, factor, width - k - 1);
    }
  }
  return good;
}

template <class V>
void back_substitute(V* a, int64_t n, int64_t ld, int64_t m, const V* inverses) {
  for (int64_t i = n - 1; i >= 0; --i) {
    V* row = a + i * ld + n;
    for (int64_t j = 0; j < m; ++j) row[j] = row[j] * inverses[i];
    for (int64_t r = 0; r < i; ++r) subtract_row(a + r * ld + n, row, a[r * ld + i], m);
  }
}

template <class T>
struct LuStep {
  int64_t at, valid;
};

template <class T>
void store_pivots(const SmallLu<T>& w, LuStep<T> s, const Vec<T>* chosen, const Vec<T>* a,
                  int64_t ld) {
  for (int64_t l = 0; l < s.valid; ++l) {
    T sign = 1;
    for (int64_t k = 0; k < w.n; ++k) {
      const int64_t p = static_cast<int64_t>(get_lane(chosen[k], static_cast<int>(l)));
      if (w.pivots) w.pivots[(s.at + l) * w.n + k] = static_cast<int32_t>(p);
      if (p != k) sign = -sign;
    }
    if (!w.diagonal) continue;
    T* d = w.diagonal + (s.at + l) * w.n;
    for (int64_t k = 0; k < w.n; ++k) d[k] = get_lane(a[k * ld + k], static_cast<int>(l));
    if (w.n > 0) d[0] *= sign;
  }
}

template <class T>
int64_t lu(const SmallLu<T>& w) {
  using V = Vec<T>;
  constexpr int kLanes = V::lanes;
  // The right-hand sides go in groups of columns beside the matrix.
  constexpr int64_t kColumns = kSmallOrder;
  alignas(64) V a[kSmallOrder * (kSmallOrder + kColumns)];
  alignas(64) V chosen[kSmallOrder], inverses[kSmallOrder];
  const int64_t n = w.n, m = w.x ? w.m : 0, size = n * n;
  for (int64_t at = 0; at < w.count; at += kLanes) {
    const int64_t valid = least(kLanes, w.count - at);
    int64_t j0 = 0;
    do {
      const int64_t cols = least(kColumns, m - j0);
      const int64_t ld = n + cols;
      gather(a, ld, w.a + at * w.step, w.row, w.col, w.step, n, n, valid);
      T* x = w.x ? w.x + at * n * m + j0 : nullptr;
      if (w.identity) {
        for (int64_t i = 0; i < n; ++i) {
          for (int64_t j = 0; j < cols; ++j) a[i * ld + n + j] = V::broadcast(T(i == j0 + j));
        }
      } else if (cols > 0) {
        gather(a + n, ld, x, m, int64_t{1}, n * m, n, cols, valid);
      }
      const auto good = eliminate(a, n, ld, ld, chosen, inverses);
      if (w.x && !all(good)) {
        for (int l = 0; l < valid; ++l) {
          if (!get_lane(good, l)) return at + l;
        }
      }
      // Only now, as `lu` may be the memory of `a`.
      if (j0 + kColumns >= m) {
        if (w.pivots || w.diagonal) store_pivots(w, {at, valid}, chosen, a, ld);
        if (w.lu) scatter(a, ld, w.lu + at * size, n, int64_t{1}, size, n, n, valid);
      }
      if (cols > 0) {
        back_substitute(a, n, ld, cols, inverses);
        scatter(a + n, ld, x, m, int64_t{1}, n * m, n, cols, valid);
      }
      j0 += kColumns;
    } while (j0 < m);
  }
  return -1;
}

// --- triangular ---------------------------------------------------------------------------------

template <class T>
int64_t triangular(const SmallTriangular<T>& w) {
  using V = Vec<T>;
  constexpr int kLanes = V::lanes;
  constexpr int64_t kColumns = kSmallOrder;
  alignas(64) V a[kSmallOrder * kSmallOrder];
  alignas(64) V x[kSmallOrder * kColumns];
  const int64_t n = w.n;
  const V zero = V::broadcast(T(0)), one = V::broadcast(T(1));
  for (int64_t at = 0; at < w.count; at += kLanes) {
    const int64_t valid = least(kLanes, w.count - at);
    gather(a, n, w.a + at * w.a_step, w.a_row, w.a_col, w.a_step, n, n, valid);
    auto good = splat_mask<mask_of<V>>(true);
    for (int64_t i = 0; i < n; ++i) {
      if (!w.unit) good = good & (a[i * n + i] != zero);
      a[i * n + i] = w.unit ? one : one / a[i * n + i];
    }
    if (!all(good)) {
      for (int l = 0; l < valid; ++l) {
        if (!get_lane(good, l)) return at + l;
      }
    }
    for (int64_t j0 = 0; j0 < w.m; j0 += kColumns) {
      const int64_t cols = least(kColumns, w.m - j0);
      T* from = w.x + at * w.x_step + j0;
      gather(x, cols, from, w.x_row, int64_t{1}, w.x_step, n, cols, valid);
      for (int64_t i = 0; i < n; ++i) {
        V* row = x + i * cols;
        for (int64_t j = 0; j < cols; ++j) row[j] = row[j] * a[i * n + i];
        for (int64_t r = i + 1; r < n; ++r) subtract_row(x + r * cols, row, a[r * n + i], cols);
      }
      scatter(x, cols, from, w.x_row, int64_t{1}, w.x_step, n, cols, valid);
    }
  }
  return -1;
}

}  // namespace

template <class T>
void small_product(const SmallProduct<T>& w) {
  products(w);
}
template <class T>
int64_t small_cholesky(const SmallCholesky<T>& w) {
  return cholesky(w);
}
template <class T>
int64_t small_lu(const SmallLu<T>& w) {
  return lu(w);
}
template <class T>
int64_t small_triangular(const SmallTriangular<T>& w) {
  return triangular(w);
}

#define PHINTYS_INSTANTIATE(T)                                 \
  template void small_product<T>(const SmallProduct<T>&);      \
  template int64_t small_cholesky<T>(const SmallCholesky<T>&); \
  template int64_t small_lu<T>(const SmallLu<T>&);             \
  template int64_t small_triangular<T>(const SmallTriangular<T>&);
PHINTYS_INSTANTIATE(float)
PHINTYS_INSTANTIATE(double)

}  // namespace phintys::PHINTYS_ISA
