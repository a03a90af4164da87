// What the kernels of CTC are told: no C++ library header here.
#pragma once

#include <stdint.h>

#include "array/dtype_enum.h"
#include "kernels/isa.h"

namespace phintys {

// One example. Its symbols are the labels with blanks around each of them.
struct CtcWork {
  DType dtype = DType::f64;
  const char* x = nullptr;  // activations of the example
  int64_t step = 0;         // bytes from one time step to the next
  int64_t item = 0;         // bytes from one symbol of the alphabet to the next
  int64_t time = 0, alphabet = 0;
  int64_t count = 0;           // of symbols
  int64_t* symbols = nullptr;  // [count]
  // Workspace. Rows over symbols have kCtcMargin elements more in front and at the end.
  double* skip = nullptr;   // 0 where a symbol may follow the one but one before it, else -inf
  double* row = nullptr;    // [alphabet]
  double* norm = nullptr;   // [time]
  double* alpha = nullptr;  // [time] rows over symbols
  double *beta = nullptr, *next = nullptr, *emission = nullptr;  // rows over symbols
  // The gradient, with contiguous alphabets.
  char* gx = nullptr;
  int64_t gx_step = 0;
  double g = 0;
};

inline constexpr int64_t kCtcMargin = 2;
inline int64_t ctc_row(int64_t count) { return count + 2 * kCtcMargin; }

#define PHINTYS_DECLARE(isa)                                                          \
  namespace isa {                                                                     \
  /* The logarithm of the probability of the labels; fills skip, norm and alpha. */   \
  double ctc_forward(const CtcWork& work);                                            \
  /* After ctc_forward: g times the gradient of minus `total`, what that returned. */ \
  void ctc_backward(const CtcWork& work, double total);                               \
  }
PHINTYS_EACH_ISA(PHINTYS_DECLARE)
#undef PHINTYS_DECLARE

}  // namespace phintys
