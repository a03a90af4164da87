// Places of the greatest or least elements of contiguous memory. NaN wins; the first of equals.
#pragma once

#include <stdint.h>

#include "array/dtype_enum.h"
#include "kernels/isa.h"

namespace phintys {

// The best element so far: its bits (of a float16, a key of the same order), whether it is NaN, and
// where it is; at < 0: there is none.
struct ArgBest {
  uint64_t bits = 0;
  int64_t at = -1;
  bool nan = false;
};

// Of `width` columns side by side, the place of the best along `n` rows that are `stride` bytes
// apart.
struct ArgColumns {
  DType dtype;
  bool is_max;
  const char* x;
  int64_t n;
  int64_t stride;
  int64_t width;
  int64_t* places;
};

#define PHINTYS_DECLARE_ARGREDUCE(isa)                                                             \
  namespace isa {                                                                                  \
  /* Looks at n more elements, which are elements `first` and on of what is searched. */           \
  void arg_best(DType dtype, bool is_max, const void* x, int64_t n, int64_t first, ArgBest* best); \
  /* places[r]: where the best of row r is, of rows of n elements one after the other. */          \
  void arg_rows(DType dtype, bool is_max, const void* x, int64_t n, int64_t rows,                  \
                int64_t* places);                                                                  \
  /* Takes `later`, the best of later elements, if it is better. */                                \
  void arg_join(DType dtype, bool is_max, const ArgBest& later, ArgBest* best);                    \
  void arg_columns(const ArgColumns& work);                                                        \
  }
PHINTYS_EACH_ISA(PHINTYS_DECLARE_ARGREDUCE)
#undef PHINTYS_DECLARE_ARGREDUCE

}  // namespace phintys
