// Kernels for stacks of small real matrices, where a library call for each would cost more than its
// arithmetic. Factorisations work on as many matrices at once as a vector has lanes.
//
// Strides and steps (from one matrix to the next) are in elements and may be negative or 0.
#pragma once

#include <stdint.h>

#include "kernels/isa.h"

namespace phintys::linalg {

// The largest order that the factorisations below take.
inline constexpr int64_t kSmallOrder = 32;
// The most rows of `b` that small_product takes.
inline constexpr int64_t kSmallDepth = 64;

// c = a @ b for `count` pairs; c is row-major without gaps. Up to b_end b's memory may be read
// (null: no further than its elements).
template <class T>
struct SmallProduct {
  const T* a;
  const T* b;
  T* c;
  int64_t m, n, k, count;
  int64_t a_row, a_col, a_step;
  int64_t b_row, b_col, b_step;
  const T* b_end;
};

// Cholesky factors in place; `a` is count x n x n without gaps, the other triangle becomes 0.
// Returns the first matrix that is not positive definite, or -1; with `nan` such matrices become
// NaN and -1 is returned.
template <class T>
struct SmallCholesky {
  T* a;
  int64_t n, count;
  bool lower, nan;
};

// LU factors with row exchanges, and with them solutions. What is null is not computed.
template <class T>
struct SmallLu {
  const T* a;
  int64_t n, count, row, col, step;
  T* lu;            // count x n x n
  int32_t* pivots;  // count x n: row i was exchanged with row pivots[i], from 0
  T* diagonal;      // count x n: of U; the first one has the sign of the permutation too
  T* x;             // count x n x m: right-hand sides, replaced by solutions
  int64_t m;
  bool identity;  // x holds no right-hand sides: they are the identity matrix (m = n)
};

// x = inverse(L) @ x with L lower triangular, for `count` pairs. An upper triangular or transposed
// matrix is one whose rows are walked backwards or with strides exchanged.
template <class T>
struct SmallTriangular {
  const T* a;
  T* x;
  int64_t n, m, count;
  int64_t a_row, a_col, a_step;
  int64_t x_row, x_step;  // the columns of x are adjacent
  bool unit;
};

}  // namespace phintys::linalg

namespace phintys {

// Factorisations return the number of the first matrix that is singular, or -1. For float and
// double.
#define PHINTYS_DECLARE(isa)                                     \
  namespace isa {                                                \
  template <class T>                                             \
  void small_product(const linalg::SmallProduct<T>& w);          \
  template <class T>                                             \
  int64_t small_cholesky(const linalg::SmallCholesky<T>& w);     \
  template <class T>                                             \
  int64_t small_lu(const linalg::SmallLu<T>& w);                 \
  template <class T>                                             \
  int64_t small_triangular(const linalg::SmallTriangular<T>& w); \
  }
PHINTYS_EACH_ISA(PHINTYS_DECLARE)
#undef PHINTYS_DECLARE

}  // namespace phintys
