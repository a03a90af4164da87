// A fused region bound to concrete shapes: the tile interpreter's program.
//
// Binding resolves once what a call then only executes: the loop structure, how each operand is
// reached (moving pointer, one value, packed into a row), which kernel variant each step uses,
// which scratch rows hold the intermediate values, and how reductions are split. Running it
// allocates nothing. The split of the work depends on shapes alone, so results do not depend on
// threads.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "ops/fused.h"
#include "vm/flat.h"
#include "vm/tiles.h"

namespace phintys::vm {

// The iteration space is outer x inner; both are lists of dimensions in C order. A tile is a range
// [p, p + n) of flat inner positions at one outer position.
struct Space {
  Dims outer_shape, inner_shape;
  int64_t outer = 1, inner = 1;
};

enum class Access : uint8_t {
  moving,  // contiguous over the whole inner space: pointer + position
  scalar,  // one value for the whole inner space
  packed,  // anything else: copied into a scratch row
};

struct InputAccess {
  Access access = Access::moving;
  int64_t item = 0;
  Dims outer_strides, inner_strides;  // bytes
};

inline constexpr int kMaxPointers = 512;  // of one region: registers, rows, outputs

inline constexpr int kMaxReductions = 16;  // of one region

enum class Strategy : uint8_t {
  elementwise,
  fold_blocks,  // inner space reduced, in blocks; partial results joined in order
  fold_rows,    // short reduced rows: a tile holds several of them
  accumulate,   // [reduced, kept] inner space: rows added onto an accumulator row
};

class BoundFused {
 public:
  // `inputs`: data pointers are not used. Throws Error(value) on shapes that do not fit, naming the
  // step and the user's line.
  static std::unique_ptr<BoundFused> bind(const FusedOp& op, std::span<const TensorView> inputs);

  // Bytes that run() needs for partial results.
  size_t workspace_bytes() const { return workspace_bytes_; }
  // True iff output `out` may have the very memory of input `in`.
  bool can_overwrite(int in, int out) const;
  int64_t elements() const { return total_; }
  void run(char* const* inputs, char* const* outputs, char* workspace) const;
  // True iff the region computes single values.
  bool single() const { return single_; }
  // The region as calls on operands that stay where they are, in blocks of `memory`. False if it is
  // more than one tile: nothing is appended then.
  bool append_calls(char* const* inputs, char* const* outputs, FlatMemory* memory,
                    std::vector<FlatCall>* calls) const;

 private:
  friend class Binder;
  // Operands are indices into the frame's table of pointers. Of a chain, fn is null: it starts at
  // chain_steps_[chain].
  struct Instr {
    TileFn fn;
    int16_t dst, a, b, c;
    const ChainFrame* frame = nullptr;
    int32_t chain = 0;
  };
  struct Move {  // pointer = operand's memory + position * item
    int16_t ptr, operand;
    int64_t item;
  };
  struct RowCopy {  // ptr: destination; source: one value or a row
    int16_t ptr, source;
    int64_t item;
    bool fill;
    bool stream = false;  // past the caches: the destination is too large to stay in them
  };
  struct Reduction {
    int16_t ptr;     // the row (or, if `single`, the value) that is reduced
    int16_t factor;  // another row: what is reduced are the products with it; or -1
    ReduceKind kind;
    DType acc, out;
    const ReduceKernels* fold;
    const TileKernels* join;  // the reduction's binary op on acc
    const TileKernels* cast;  // acc -> out; null if the same
    size_t partial_offset;    // in the workspace
  };
  struct Frame;
  class WideValue;
  class FlatBuilder;

  // Elements of each reduced output.
  int64_t outputs_size() const {
    return strategy_ == Strategy::fold_rows    ? kept_
           : strategy_ == Strategy::accumulate ? space_.outer * kept_
                                               : space_.outer;
  }
  static size_t partial_bytes(DType acc);
  void enter(Frame& f, int64_t outer) const;
  void eval(Frame& f, int64_t pos, int64_t n) const;
  void init_frame(Frame& f, char* const* inputs, char* const* outputs) const;
  void run_single(char* const* inputs, char* const* outputs) const;
  void run_elementwise(char* const* inputs, char* const* outputs) const;
  void run_fold_blocks(char* const* inputs, char* const* outputs, char* workspace) const;
  void run_fold_rows(char* const* inputs, char* const* outputs) const;
  void run_accumulate(char* const* inputs, char* const* outputs, char* workspace) const;
  void accumulate_block(Frame& f, int64_t row, int64_t block, int64_t column, int64_t width,
                        char* const* outputs, char* workspace) const;
  void join_rows(char* const* outputs, char* workspace) const;
  void join_values(char* const* outputs, char* workspace) const;
  void store_row(const Reduction& r, const char* row, char* out, int64_t at, int64_t n) const;
  void fill_identity(char* const* outputs) const;
  bool parallel() const;

  const FusedOp* op_ = nullptr;
  Strategy strategy_ = Strategy::elementwise;
  Space space_;
  int64_t total_ = 1;    // elements of the iteration space
  int64_t tile_ = 1024;  // elements of a full tile
  bool single_ = false;  // one element, nothing reduced: the scalar interpreter
  std::vector<InputAccess> access_;
  std::vector<uint8_t> overwritable_;  // [input * n_outputs + output]
  // When the outer position changes:
  std::vector<Move> scalar_inputs_;
  std::vector<Instr> scalar_instrs_;
  std::vector<RowCopy> fills_;
  // For each tile:
  std::vector<Move> moves_, output_moves_;
  std::vector<Move> packs_;  // ptr: row; operand: input
  std::vector<Instr> instrs_;
  std::vector<ChainStep> chain_steps_;
  std::vector<RowCopy> copies_;
  // The frame's table of pointers: registers, filled rows, outputs that are copied to.
  int n_ptrs_ = 0;
  std::vector<int32_t> row_of_;   // scratch row of a pointer, or -1
  std::vector<int32_t> slot_of_;  // 16-byte slot of a pointer, or -1
  int rows_ = 0, slots_ = 0;
  int64_t row_bytes_ = 0;
  std::vector<Reduction> reductions_;
  bool prefetch_ = false;  // ask for the next tile's inputs before computing this one
  // fold_blocks: positions of a block; accumulate: reduced rows of a block.
  int64_t block_ = 0, blocks_ = 1;
  int64_t reduced_ = 1,
          kept_ = 1;  // inner: reduced x kept (accumulate), kept x reduced (fold_rows)
  size_t workspace_bytes_ = 0;
  double cost_ = 1;  // of one element, relative to one cheap float32 step
};

// Scratch memory of the calling thread, 64-byte aligned, kept until the thread ends.
char* thread_scratch(size_t bytes);

// Copies n elements, from flat position `pos` of a space `shape` that `src` strides over, into a
// row.
void pack_row(char* dst, const char* src, const Dims& shape, const Dims& strides, int64_t pos,
              int64_t n, int64_t item);

}  // namespace phintys::vm
