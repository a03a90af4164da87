// Integer keys in the order of the elements: what is sorted, selected and compared.
//
// Signed integers are their own keys, unsigned ones are shifted, floating-point numbers become the
// integers of the same order; every NaN has the greatest key. Real types of at most 32 bits have
// keys of 32 bits; complex64 has a key of 64 bits (NumPy's order); complex128 has none.
#pragma once

#include <stdint.h>

#include "array/dtype_enum.h"
#include "kernels/isa.h"

namespace phintys {

// How elements become the 64-bit numbers that are sorted for their order:
// ((key - least) >> shift) << index_bits | index.
struct KeyPacking {
  int64_t least = 0;
  int shift = 0;
  int index_bits = 1;
};

#define PHINTYS_DECLARE_KEYS(isa)                                                                 \
  namespace isa {                                                                                 \
  /* The keys of n elements, and back. In place where the sizes agree. -0 and +0 differ. */       \
  void to_keys(DType dtype, const void* x, void* keys, int64_t n);                                \
  void from_keys(DType dtype, const void* keys, void* x, int64_t n);                              \
  /* Keys in which -0 and +0 are equal; all bits inverted if `flip`: the order reversed. */       \
  void order_keys(DType dtype, bool flip, const void* x, void* keys, int64_t n);                  \
  /* The least and greatest of these keys; n > 0. */                                              \
  void key_range(DType dtype, const void* x, int64_t n, int64_t* least, int64_t* greatest);       \
  /* Packed numbers of elements [0, n), whose indices start at `first`. */                        \
  void pack_keys(DType dtype, const void* x, int64_t n, const KeyPacking& packing, int64_t first, \
                 int64_t* packed);                                                                \
  /* Appends to `found` the indices of elements whose key is less than `bound`, and of the first  \
     `ties` that have it; returns how many. */                                                    \
  int64_t collect_below(DType dtype, bool flip, const void* x, int64_t n, int64_t bound,          \
                        int64_t ties, int64_t* found);                                            \
  }
PHINTYS_EACH_ISA(PHINTYS_DECLARE_KEYS)
#undef PHINTYS_DECLARE_KEYS

}  // namespace phintys
