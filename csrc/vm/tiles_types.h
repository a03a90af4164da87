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

// ---- Chains -------------------------------------------------------------------------------------
//
// Cheap steps that each take the result of the step before, run on a strip of a few vectors at a
// time that stay in registers from step to step: a kernel of a chain ends by jumping to the next.
// Other operands are rows or single values; results that something else needs are stored on the
// way. A chain that reads one row again and again holds it in registers, beside strips of half
// the width.

// A kernel, as a function of the type that its instruction set gives it: only run() calls it.
using ChainFn = void (*)();
struct ChainKernel {
  ChainFn strip;  // whole strips
  ChainFn part;   // the end of a row
};

// Operands are indices into a table of pointers.
struct ChainStep {
  ChainKernel kernel;
  int16_t a, b, c;
};

// Where an operand comes from.
enum class ChainOperand : uint8_t { previous, row, scalar, held };
inline constexpr int kNumChainOperands = 4;

// Kernels of one op for one dtype, by the operands a, b, c: (a * 4 + b) * 4 + c, `previous` for
// those that the op does not have. Null where there is none: one operand at least is the previous
// result, and `held` ones are in `holding` only.
struct ChainKernels {
  static constexpr int kCount = kNumChainOperands * kNumChainOperands * kNumChainOperands;
  ChainKernel plain[kCount];
  ChainKernel holding[kCount];  // for chains that hold a row
};

// What else chains are made of, for one dtype.
struct ChainFrame {
  ChainKernel hold;    // of chains that hold a row the first step: the row a. Null in others.
  ChainKernel load;    // before the steps: the row a
  ChainKernel store;   // to the row a; the last step is one, or
  ChainKernel stream;  // one past the caches, if the row starts at a cache line
  ChainKernel end;     // after the last step
  // Elements [0, n) of all rows.
  void (*run)(const ChainStep* steps, char* const* pointers, int64_t n);
};

struct ChainFrames {
  ChainFrame plain, holding;
};

// A reduction over contiguous values of dtype T into one value of T.
struct ReduceKernels {
  // *out = the reduction of row[0..n), n >= 1, in an order fixed by n alone. Sums of float32 run
  // in several vector accumulators and are joined pairwise.
  void (*fold)(void* out, const void* row, int64_t n);
  // out[r] = the reduction of rows[r * len .. (r + 1) * len), for short rows; len >= 1. Same bits
  // as `fold` of each row.
  void (*fold_rows)(void* out, const void* rows, int64_t n_rows, int64_t len);
  // *out = what `fold` gives for a row of the products a[i] * b[i]; for sums of float32 and
  // float64, otherwise null. There is no operand c.
  TileFn fold_products = nullptr;
};

enum class ReduceKind : uint8_t { sum, prod, max, min, all, any };
inline constexpr int kNumReduceKinds = 6;

}  // namespace phintys::vm
