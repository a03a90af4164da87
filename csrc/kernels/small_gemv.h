// Products of a matrix and a vector that fit in the caches, without the fixed cost of a library.
#pragma once

#include <stdint.h>

#include "kernels/isa.h"

namespace phintys {

// y = alpha * op(a) @ x + beta * y for a[m, n] with adjacent columns; strides in elements. With
// beta == 0, y is not read.
template <class T>
struct SmallGemv {
  const T* a;
  const T* x;
  T* y;
  int64_t m, n, a_row, x_step;
  T alpha, beta;
};

// For float and double. Of the products with a and with its transpose, the first needs x_step == 1;
// both need n >= kSmallGemvLanes.
inline constexpr int64_t kSmallGemvLanes = 16;
#define PHINTYS_DECLARE(isa)                         \
  namespace isa {                                    \
  template <class T>                                 \
  void small_gemv(const SmallGemv<T>& w);            \
  template <class T>                                 \
  void small_gemv_transposed(const SmallGemv<T>& w); \
  }
PHINTYS_EACH_ISA(PHINTYS_DECLARE)
#undef PHINTYS_DECLARE

}  // namespace phintys
