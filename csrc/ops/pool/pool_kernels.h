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
};

struct PoolWork {
  PoolMode mode = PoolMode::max;
  DType dtype = DType::f64;
  PoolAxis axes[3];
  int lead = 0;  // number of leading axes
  const int64_t* lead_shape = nullptr;
  PoolOperand x;        // of the shape of the pooled tensor
  PoolOperand z;        // of the shape of the result
  PoolOperand g;        // values of the shape of x (max_pool_grad_grad) or of the result (the others)
  PoolOperand out;      // always contiguous
};

// The widest windows and strides along the last axis that go through row buffers.
inline constexpr int64_t kPoolBuffered = 64;
inline bool pool_buffered(const PoolAxis& last) {
  return last.window <= kPoolBuffered && last.stride <= kPoolBuffered;
}

// Rows [begin, end) of the output, counted over all planes. Gradients with respect to x of wide
// windows (not pool_buffered): planes [begin, end).
#define PHINTYS_DECLARE(isa)                                                     \
  namespace isa {                                                                \
  void pool_rows(const PoolWork& work, int64_t begin, int64_t end);              \
  void max_pool_grad_rows(const PoolWork& work, int64_t begin, int64_t end);     \
  void max_pool_grad_grad_rows(const PoolWork& work, int64_t begin, int64_t end); \
  void average_pool_grad_rows(const PoolWork& work, int64_t begin, int64_t end); \
  }
PHINTYS_EACH_ISA(PHINTYS_DECLARE)
#undef PHINTYS_DECLARE

}  // namespace phintys
