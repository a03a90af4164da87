// Products of matrices on one thread, by kernels of our own: operands are read where they are
// unless packing them pays, which suits the products of a few rows that a library packs anew in
// each call.
#pragma once

#include <stdint.h>

#include "kernels/isa.h"

namespace phintys {

// c[i * c_row + j] = alpha * sum over l of a[i * a_row + l * a_col] * b[l * b_row + j * b_col]
//                    + beta * c[i * c_row + j]
// for i < m, j < n, l < k, all at least 1. One stride of a and one of b is 1. With beta == 0, c is
// not read. The order of each sum depends on k alone, so a product cut into pieces has the same
// bits.
template <class T>
struct GemmWork {
  const T* a;
  int64_t a_row, a_col;
  const T* b;
  int64_t b_row, b_col;
  T* c;
  int64_t c_row;
  int64_t m, n, k;
  T alpha, beta;
};

// Memory that is aligned to cache lines and stays until the same thread asks again; null if there
// is none.
using GemmScratch = void* (*)(int64_t bytes);

// For float and double. False, with nothing done, if there is no memory to pack operands in.
#define PHINTYS_DECLARE(isa)                                      \
  namespace isa {                                                 \
  template <class T>                                              \
  bool packed_gemm(const GemmWork<T>& work, GemmScratch scratch); \
  }
PHINTYS_EACH_ISA(PHINTYS_DECLARE)
#undef PHINTYS_DECLARE

}  // namespace phintys
