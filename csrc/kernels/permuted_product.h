// Products of matrices that fit in two vectors each.
#pragma once

#include <stdint.h>

#include "kernels/isa.h"

namespace phintys {

// out = alpha * sum over the terms of a * b + beta * c, a vector of elements after the other; the
// sums run from the first term to the last. The elements of a and of b are among the first ones of
// two vectors each, all of which are read; those of c are where those of the result are, and whole
// vectors of both are accessed. With beta == 0, c is not read; it may be the result's memory.
template <class T>
struct PermutedProduct {
  const T *a, *b, *c;
  T* out;
  int64_t vectors, terms;
  T alpha, beta;
  // For each vector and term a vector of places in a, and one of places in b; aligned as vectors.
  const void* places;
};

// Lanes of a vector of elements of so many bytes; 0 if the processor has no fast permutations.
inline int64_t permuted_product_lanes(int64_t item) {
  return take_isa() == Isa::avx512 ? 64 / item : 0;
}

// For float and double; only if there are such lanes.
#define PHINTYS_DECLARE(isa)                          \
  namespace isa {                                     \
  template <class T>                                  \
  void permuted_product(const PermutedProduct<T>& w); \
  }
PHINTYS_EACH_ISA(PHINTYS_DECLARE)
#undef PHINTYS_DECLARE

}  // namespace phintys
