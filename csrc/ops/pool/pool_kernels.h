// What the pooling kernels of every instruction set are told: no C++ library header here.
#pragma once

#include <stdint.h>

#include "array/dtype_enum.h"
#include "kernels/isa.h"

namespace phintys {

enum class PoolMode : uint8_t { max, sum, average_inc_pad, average_exc_pad };

struct PoolAxis {
  int64_t length = 1;  // of x
  int64_t window = 1, stride = 1, pad = 0;
  int64_t out = 1;
};

// The planes of a tensor: its last one to three axes are always seen as three.
struct PoolOperand {
  char* data = nullptr;
  const int64_t* lead_strides = nullptr;  // bytes
  int64_t strides[3] = {};                // bytes
  bool even = false;                      // true iff plane p begins at p * plane_stride
  int64_t plane_stride = 0;               // bytes
};

struct PoolWork {
  PoolMode mode = PoolMode::max;
  DType dtype = DType::f64;
  PoolAxis axes[3];
  int lead = 0;  // number of leading axes
  const int64_t* lead_shape = nullptr;
  // If one window covers planes of x that are contiguous: the number of their elements. Else 0.
  int64_t whole = 0;
  PoolOperand x;    // of the shape of the pooled tensor
  PoolOperand z;    // of the shape of the result
  PoolOperand g;    // values of the shape of x (max_pool_grad_grad) or of the result (the others)
  PoolOperand out;  // always contiguous
};

// The widest windows and strides along the last axis that go through row buffers.
inline constexpr int64_t kPoolBuffered = 64;
inline bool pool_buffered(const PoolAxis& last) {
  return last.window <= kPoolBuffered && last.stride <= kPoolBuffered;
}

// Rows [begin, end) of the output, counted over all planes. Planes [begin, end) where `whole` is
// set, and for gradients with respect to x of wide windows (not pool_buffered).
#define PHINTYS_DECLARE(isa)                                                      \
  namespace isa {                                                                 \
  void pool_rows(const PoolWork& work, int64_t begin, int64_t end);               \
  void max_pool_grad_rows(const PoolWork& work, int64_t begin, int64_t end);      \
  void max_pool_grad_grad_rows(const PoolWork& work, int64_t begin, int64_t end); \
  void average_pool_grad_rows(const PoolWork& work, int64_t begin, int64_t end);  \
  }
PHINTYS_EACH_ISA(PHINTYS_DECLARE)
#undef PHINTYS_DECLARE

}  // namespace phintys
