// Kernels of products of sparse and dense matrices.
#pragma once

#include <stdint.h>

#include "kernels/isa.h"

namespace phintys {

// Values, indices and indptr of a compressed matrix, checked; a dense operand and a result, both in
// C order with rows of `columns` elements.
template <class T, class I>
struct SparseWork {
  const T* values;
  const I* indices;
  const I* indptr;
  const T* dense;
  T* out;
  int64_t columns;
};
// out[p] = the product of rows of `left`, by major index, and `right`, by minor index.
template <class T, class I>
struct SampleWork {
  const I* indices;
  const I* indptr;
  const T* left;
  const T* right;
  T* out;
  int64_t columns;
};

// X(type of values, type of indices, suffix)
#define PHINTYS_SPARSE_TYPES(X) \
  X(float, int32_t, f32_i32)    \
  X(float, int64_t, f32_i64)    \
  X(double, int32_t, f64_i32)   \
  X(double, int64_t, f64_i64)

#define PHINTYS_DECLARE_TYPED(T, I, suffix)                                             \
  /* Rows [begin, end) of the product. */                                               \
  void sparse_rows_##suffix(const SparseWork<T, I>& w, int64_t begin, int64_t end);     \
  /* Columns [begin, end) of the product with the transposed matrix, added to `out`. */ \
  void sparse_scatter_##suffix(const SparseWork<T, I>& w, int64_t major, int64_t begin, \
                               int64_t end);                                            \
  /* Elements of the major indices [begin, end). */                                     \
  void sparse_sample_##suffix(const SampleWork<T, I>& w, int64_t begin, int64_t end);
// sparse_below: true iff all indices are in [0, limit); limit is at most the greatest index there
// is.
#define PHINTYS_DECLARE(isa)                                               \
  namespace isa {                                                          \
  PHINTYS_SPARSE_TYPES(PHINTYS_DECLARE_TYPED)                              \
  bool sparse_below_i32(const int32_t* indices, int64_t n, int64_t limit); \
  bool sparse_below_i64(const int64_t* indices, int64_t n, int64_t limit); \
  }
PHINTYS_EACH_ISA(PHINTYS_DECLARE)
#undef PHINTYS_DECLARE
#undef PHINTYS_DECLARE_TYPED

}  // namespace phintys
