// Sorting of signed integers in place, the heart of every sort: other element types are mapped to
// integers of the same order (keys.h).
//
// A vectorised quicksort: ranges are partitioned around the median of a sample with compress
// instructions (or permutations, or without branches), short ranges go through a sorting network
// in registers. A range whose pivots are bad too often is sorted by heapsort, so the time is
// O(n log n) for every input. The result does not depend on the instruction set.
#pragma once

#include <stdint.h>

#include "kernels/isa.h"

namespace phintys {

#define PHINTYS_DECLARE_SORT(isa)                                                              \
  namespace isa {                                                                              \
  void sort_i32(int32_t* a, int64_t n);                                                        \
  void sort_i64(int64_t* a, int64_t n);                                                        \
  /* One step of the sort: rearranges a so that no element of a[0..m) is greater than one of   \
     a[m..n), and returns m > 0; m == n says that all are equal. For n > 1024. */              \
  int64_t split_i32(int32_t* a, int64_t n);                                                    \
  int64_t split_i64(int64_t* a, int64_t n);                                                    \
  /* Rearranges a so that a[k] is what it would be if sorted, nothing before it is greater and \
     nothing after it is less. */                                                              \
  void select_i32(int32_t* a, int64_t n, int64_t k);                                           \
  void select_i64(int64_t* a, int64_t n, int64_t k);                                           \
  }
PHINTYS_EACH_ISA(PHINTYS_DECLARE_SORT)
#undef PHINTYS_DECLARE_SORT

}  // namespace phintys
