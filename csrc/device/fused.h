// Fused regions on a device: programs for its interpreter of elementwise steps and reductions.
//
// A thread computes kGroups groups of a few elements each; 16 bytes hold a group, as 4, 2 or 1
// elements by the program's word. The result of the instruction before lies in the accumulator (in
// registers); other operands lie in shared memory, in slots (16 bytes for each thread and group) or
// as scalars (16 bytes for the block, the value in every word). An instruction is
//   accumulator = op(accumulator, x, y), or op(x, y, accumulator) if kReversed
// and may also keep its result in slot d.
//
// A word holds a value of a small integer type widened to int32, uint32 widened to int64, and the
// others as they are; float16 as its bits.
#pragma once

#include "device/loops.h"
#include "device/table.h"

namespace phintys::device {

// What an instruction works on.
enum class FusedKind : uint8_t { b8, i32, i64, u64, f32, f64, c64, c128, cast, load, output };

struct FusedInstr {
  static constexpr int kReversed = 128;  // in `code`: the accumulator is the last operand
  static constexpr uint8_t kKeep = 2;    // the result goes to slot d too
  static constexpr uint8_t kReduce = 4;  // x holds what was reduced so far, and gets the result
  static constexpr uint8_t kSlotX = 8, kSlotY = 16;  // slots, not scalars
  static constexpr uint8_t kThroughSlot = 32;        // not in registers (fused_in_registers)
  FusedKind kind;
  uint8_t code;  // number of the op; of a cast, the DType of the operand
  uint8_t flags;
  uint8_t to;        // of a cast, the DType of the result; of an output, its number
  uint16_t x, y, d;  // places in shared memory, in 16 bytes
  uint16_t unused;
};

inline constexpr int kMaxFusedInputs = 24;
inline constexpr int kMaxFusedOutputs = 8;
inline constexpr int kMaxFusedInstrs = 112;
inline constexpr int kFusedGroups = 4;
inline constexpr int kFusedThreads = 128;       // at most
inline constexpr int kFusedShared = 48 * 1024;  // bytes of a block; twice that for one warp

struct FusedInput {
  const char* data;
  int64_t strides[kMaxRank];  // bytes: of the outer dimensions, then of the inner ones
  DType dtype;
  // Over the inner positions: one run of elements; the same but each group lies in one row; other.
  enum class Access : uint8_t { run, row, any } access;
  uint8_t size;   // of an element
  uint16_t slot;  // place in shared memory
};

struct FusedScalar {
  const char* data;
  DType dtype;
};

struct FusedOutput {
  char* data;
  DType dtype;     // of a reduction: of the array
  DType reduced;   // of a reduction: of what is reduced
  FusedKind kind;  // of a reduction: kind and number of the op that joins two values
  uint8_t code;
  uint8_t size;   // of an element
  uint16_t slot;  // of a reduction
};

// A dimension with its reciprocal: for r < 2^31, r / size == (r * multiply) >> 32 >> shift.
struct FusedDim {
  int64_t size;
  uint32_t multiply;
  uint32_t shift;
};

enum class FusedShape : uint8_t {
  elementwise,  // no outer dimensions
  rows,         // a team of threads reduces a part of the inner positions, at one outer position
  columns,      // outer positions are reduced, inner ones are kept
};

struct FusedProgram {
  uint8_t word;    // bytes: 4, 8 or 16
  uint8_t family;  // 0: no heavy ops; 1: word 4, and none that costs more than kFusedCost; 2: any
  FusedShape shape;
  bool wide;  // positions need 64 bits
  uint8_t n_inputs, n_scalars, n_outputs;
  uint8_t n_instrs;
  uint8_t n_outer, n_inner;  // dimensions, together at most kMaxRank
  bool keep_first;           // input 0, which is loaded into the accumulator, goes to its slot too
  uint16_t threads;          // of a block, a power of two
  uint16_t team;             // rows: threads of a team; columns: threads side by side
  uint32_t shared;           // bytes
  uint32_t blocks;
  int64_t outer, inner;  // positions
  // rows: the inner positions are cut into `parts` of `part` positions; columns: each of `outer`
  // / `reduced` groups of reduced positions is.
  int64_t part, parts, reduced;
  FusedDim dims[kMaxRank];  // outer, then inner
  FusedScalar scalars[kMaxFusedInputs];
  FusedInput inputs[kMaxFusedInputs];
  FusedOutput outputs[kMaxFusedOutputs];
  FusedInstr instrs[kMaxFusedInstrs];
};
static_assert(sizeof(FusedProgram) <= 4096, "kernels take it as an argument");

inline constexpr float kFusedCost = 30.f;

// True iff such an instruction computes in registers. Others go through slot d, which they need.
constexpr bool fused_in_registers(int word, int family, FusedKind kind, bool heavy) {
  if (kind >= FusedKind::cast) return true;
  if (heavy || family == 2) return false;
  return word == 4 ? kind == FusedKind::b8 || kind == FusedKind::i32 || kind == FusedKind::f32
                   : word == 8 && (kind == FusedKind::i64 || kind == FusedKind::f64);
}

// A loop whose body is a few programs of one word, each the work of a few blocks: one block of
// kFusedThreads runs all steps.
//
// In each step the parts of programs named by the follows point at rows of that step (loops.h); the
// rows of rings are written to fixed places and copied into their ring when the step is done.
struct FusedFollow {
  enum class Part : uint8_t { scalar, input, output } part;
  uint8_t program, index;
  char* rows;      // with the offset of the part in the row
  int64_t stride;  // bytes between rows
  int64_t first, size;
};

inline constexpr int kMaxLoopPrograms = 6;

struct FusedLoop {
  int word, family;
  uint32_t shared;  // bytes: the most that a program needs
  // All of these on the device.
  const FusedProgram* programs;
  const FusedFollow* follows;
  const RowMove* copies;
  int n_programs, n_follows, n_copies;
  LoopState* state;
  const bool* stop;  // null: nothing stops it
};

struct FusedKernels {
  int n_ops;  // the registry that it was built with: numbers of ops mean the same then
  Status (*run)(Stream* stream, const FusedProgram* program);
  // kUnsupported if there is no kernel for the word and family.
  Status (*run_loop)(Stream* stream, const FusedLoop* loop);
};

}  // namespace phintys::device
