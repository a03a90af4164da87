// Types of kernel tables, shared by the dispatcher and the files compiled per instruction set (so
// no C++ library header here).
#pragma once

#include <stdint.h>

#include "array/dtype_enum.h"

namespace phintys::vm {

// Operands beyond the op's arity are ignored. `out` may be the same row as any non-scalar operand
// of the same element size.
using TileFn = void (*)(void* out, const void* a, const void* b, const void* c, int64_t n);

struct TileKernels {
  // Indexed by a mask: bit i set iff operand i is one value, read once, instead of a row.
  // tile[0] is null iff the op does not support the dtype; other variants may be null (then the
  // VM fills a row with the scalar). The all-scalar variant is not needed.
  TileFn tile[8];
  // One element; same bits as the tile kernels. n is ignored.
  TileFn scalar;
};

// A reduction over contiguous values of dtype T into one value of T.
struct ReduceKernels {
  // *out = the reduction of row[0..n), n >= 1, in an order fixed by n alone. Sums of float32 run
  // in several vector accumulators and are joined pairwise.
  void (*fold)(void* out, const void* row, int64_t n);
  // out[r] = the reduction of rows[r * len .. (r + 1) * len), for short rows; len >= 1. Same bits
  // as `fold` of each row.
  void (*fold_rows)(void* out, const void* rows, int64_t n_rows, int64_t len);
};

enum class ReduceKind : uint8_t { sum, prod, max, min, all, any };
inline constexpr int kNumReduceKinds = 6;

}  // namespace phintys::vm
