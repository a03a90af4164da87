// Products of integer matrices, which BLAS does not have. Integers wrap around, so signed and
// unsigned ones of a size share a kernel.
#pragma once

#include <stdint.h>

#include "kernels/isa.h"

namespace phintys {

// Rows of c = a @ b: c[m, n] and b[k, n] with adjacent columns; strides in elements.
template <class T>
struct IntegerProduct {
  const T* a;
  const T* b;
  T* c;
  int64_t m, n, k;
  int64_t a_row, a_col, b_row, c_row;
};

// For uint8_t, uint16_t, uint32_t and uint64_t.
#define PHINTYS_DECLARE(isa)                        \
  namespace isa {                                   \
  template <class T>                                \
  void integer_product(const IntegerProduct<T>& w); \
  }
PHINTYS_EACH_ISA(PHINTYS_DECLARE)
#undef PHINTYS_DECLARE

}  // namespace phintys
