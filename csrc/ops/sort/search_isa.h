// Binary searches, many at a time.
#pragma once

#include <stdint.h>

#include "array/dtype_enum.h"
#include "kernels/isa.h"

namespace phintys {

#define PHINTYS_DECLARE_SEARCH(isa)                                                             \
  namespace isa {                                                                               \
  /* places[i]: how many elements of a[0..n), sorted with NaN last, are before v[i]; with equal \
     ones if `right`. `stride`: elements between values. */                                     \
  void search_sorted(DType dtype, bool right, const void* a, int64_t n, const void* v,          \
                     int64_t stride, int64_t count, int64_t* places);                           \
  }
PHINTYS_EACH_ISA(PHINTYS_DECLARE_SEARCH)
#undef PHINTYS_DECLARE_SEARCH

}  // namespace phintys
