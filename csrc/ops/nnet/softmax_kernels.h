// What the kernel of softmax's gradient is told: no C++ library header here.
#pragma once

#include <stdint.h>

#include "array/dtype_enum.h"
#include "kernels/isa.h"

namespace phintys {

// Contiguous rows of `cols` elements; `out` may be `g`.
struct SoftmaxGradWork {
  DType dtype = DType::f64;
  bool log = false;
  int64_t cols = 0;
  const char *g = nullptr, *z = nullptr;
  char* out = nullptr;
};

#define PHINTYS_DECLARE(isa)                                                               \
  namespace isa {                                                                          \
  void softmax_grad_rows(const SoftmaxGradWork& work, int64_t begin, int64_t end);         \
  /* v times (1 in column `at`, less p), where p is z or exp(z); 0 if at is -1. */         \
  void crossentropy_softmax_grad_row(const SoftmaxGradWork& work, int64_t row, int64_t at, \
                                     double v);                                            \
  }
PHINTYS_EACH_ISA(PHINTYS_DECLARE)
#undef PHINTYS_DECLARE

}  // namespace phintys
