#include "ops/sparse/product_isa.h"

#include "kernels/simd/vec.h"

namespace phintys::PHINTYS_ISA {
namespace {

template <class T>
struct Vectors;
template <>
struct Vectors<float> {
  using V = VF32;
};
template <>
struct Vectors<double> {
  using V = VF64;
};

// Columns [at, at + kCount * lanes) of one row of a product: sums stay in registers.
template <int kCount, class V, class T, class I>
PHINTYS_INLINE void row_block(const SparseWork<T, I>& w, int64_t first, int64_t last, int64_t at,
                              T* out) {
  V sum[kCount];
  for (int j = 0; j < kCount; ++j) sum[j] = V::broadcast(0);
  for (int64_t p = first; p < last; ++p) {
    const T* row = w.dense + static_cast<int64_t>(w.indices[p]) * w.columns + at;
    const V value = V::broadcast(w.values[p]);
    for (int j = 0; j < kCount; ++j) sum[j] = fma(value, V::load(row + j * V::lanes), sum[j]);
  }
  for (int j = 0; j < kCount; ++j) sum[j].store(out + at + j * V::lanes);
}

template <class T, class I>
PHINTYS_INLINE T sparse_vector_dot(const SparseWork<T, I>& w, int64_t first, int64_t last) {
  T sum[4] = {0, 0, 0, 0};
  int64_t p = first;
  for (; p + 4 <= last; p += 4) {
    for (int j = 0; j < 4; ++j) sum[j] += w.values[p + j] * w.dense[w.indices[p + j]];
  }
  for (; p < last; ++p) sum[0] += w.values[p] * w.dense[w.indices[p]];
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

template <class T, class I>
PHINTYS_INLINE void rows(const SparseWork<T, I>& w, int64_t begin, int64_t end) {
  using V = typename Vectors<T>::V;
  if (w.columns == 1) {
    for (int64_t i = begin; i < end; ++i)
      w.out[i] = sparse_vector_dot(w, w.indptr[i], w.indptr[i + 1]);
    return;
  }
  for (int64_t i = begin; i < end; ++i) {
    const int64_t first = w.indptr[i], last = w.indptr[i + 1];
    T* out = w.out + i * w.columns;
    int64_t at = 0;
    for (; at + 8 * V::lanes <= w.columns; at += 8 * V::lanes)
      row_block<8, V>(w, first, last, at, out);
    for (; at + 2 * V::lanes <= w.columns; at += 2 * V::lanes)
      row_block<2, V>(w, first, last, at, out);
    for (; at + V::lanes <= w.columns; at += V::lanes) row_block<1, V>(w, first, last, at, out);
    if (at == w.columns) continue;
    const int64_t rest = w.columns - at;
    for (int64_t c = at; c < w.columns; ++c) out[c] = 0;
    for (int64_t p = first; p < last; ++p) {
      const T* row = w.dense + static_cast<int64_t>(w.indices[p]) * w.columns + at;
      const T value = w.values[p];
      for (int64_t c = 0; c < rest; ++c) out[at + c] += value * row[c];
    }
  }
}

template <class T>
PHINTYS_INLINE void add_scaled(T* to, const T* from, T value, int64_t n) {
  using V = typename Vectors<T>::V;
  const V v = V::broadcast(value);
  int64_t c = 0;
  for (; c + V::lanes <= n; c += V::lanes) fma(v, V::load(from + c), V::load(to + c)).store(to + c);
  for (; c < n; ++c) to[c] += value * from[c];
}

template <class T, class I>
PHINTYS_INLINE void scatter(const SparseWork<T, I>& w, int64_t major, int64_t begin, int64_t end) {
  if (w.columns == 1) {
    for (int64_t i = 0; i < major; ++i) {
      const T x = w.dense[i];
      for (int64_t p = w.indptr[i]; p < w.indptr[i + 1]; ++p)
        w.out[w.indices[p]] += w.values[p] * x;
    }
    return;
  }
  for (int64_t i = 0; i < major; ++i) {
    const T* from = w.dense + i * w.columns + begin;
    for (int64_t p = w.indptr[i]; p < w.indptr[i + 1]; ++p) {
      add_scaled(w.out + static_cast<int64_t>(w.indices[p]) * w.columns + begin, from, w.values[p],
                 end - begin);
    }
  }
}

template <class T>
PHINTYS_INLINE T dense_dot(const T* a, const T* b, int64_t n) {
  using V = typename Vectors<T>::V;
  V sum[2] = {V::broadcast(0), V::broadcast(0)};
  int64_t c = 0;
  for (; c + 2 * V::lanes <= n; c += 2 * V::lanes) {
    sum[0] = fma(V::load(a + c), V::load(b + c), sum[0]);
    sum[1] = fma(V::load(a + c + V::lanes), V::load(b + c + V::lanes), sum[1]);
  }
  for (; c + V::lanes <= n; c += V::lanes) sum[0] = fma(V::load(a + c), V::load(b + c), sum[0]);
  sum[0] = sum[0] + sum[1];
  T total = 0;
  if (c > 0) {
    for (int j = 0; j < V::lanes; ++j) total += get_lane(sum[0], j);
  }
  for (; c < n; ++c) total += a[c] * b[c];
  return total;
}

template <class T, class I>
PHINTYS_INLINE void sample(const SampleWork<T, I>& w, int64_t begin, int64_t end) {
  const int64_t n = w.columns;
  for (int64_t i = begin; i < end; ++i) {
    const int64_t first = w.indptr[i], last = w.indptr[i + 1];
    if (n == 1) {
      const T x = w.left[i];
      for (int64_t p = first; p < last; ++p) w.out[p] = x * w.right[w.indices[p]];
      continue;
    }
    const T* left = w.left + i * n;
    for (int64_t p = first; p < last; ++p) {
      w.out[p] = dense_dot(left, w.right + static_cast<int64_t>(w.indices[p]) * n, n);
    }
  }
}

template <class U, class I>
PHINTYS_INLINE bool below(const I* indices, int64_t n, int64_t limit) {
  // A negative index is a large unsigned one.
  U greatest = 0;
  for (int64_t i = 0; i < n; ++i) {
    const U index = static_cast<U>(indices[i]);
    greatest = index > greatest ? index : greatest;
  }
  return n == 0 || greatest < static_cast<U>(limit);
}

}  // namespace

bool sparse_below_i32(const int32_t* indices, int64_t n, int64_t limit) {
  return below<uint32_t>(indices, n, limit);
}
bool sparse_below_i64(const int64_t* indices, int64_t n, int64_t limit) {
  return below<uint64_t>(indices, n, limit);
}

#define PHINTYS_DEFINE(T, I, suffix)                                                    \
  void sparse_rows_##suffix(const SparseWork<T, I>& w, int64_t begin, int64_t end) {    \
    rows(w, begin, end);                                                                \
  }                                                                                     \
  void sparse_scatter_##suffix(const SparseWork<T, I>& w, int64_t major, int64_t begin, \
                               int64_t end) {                                           \
    scatter(w, major, begin, end);                                                      \
  }                                                                                     \
  void sparse_sample_##suffix(const SampleWork<T, I>& w, int64_t begin, int64_t end) {  \
    sample(w, begin, end);                                                              \
  }
PHINTYS_SPARSE_TYPES(PHINTYS_DEFINE)
#undef PHINTYS_DEFINE

}  // namespace phintys::PHINTYS_ISA
