// A program bound to concrete shapes: layouts, memory plan and prepared instructions.
//
// A program is cut into segments where shapes depend on computed values. Each segment is bound when
// the shapes that it depends on are known, and the binding is kept: bindings of the next segment
// hang below the one they followed. A call whose shapes were seen before looks up one binding for
// each segment and does no shape arithmetic at all.
#pragma once

#include <memory>
#include <vector>

#include "runtime/inner_runner.h"
#include "runtime/program.h"
#include "vm/bound.h"

namespace phintys::runtime {

// Where a buffer's elements are, for the shapes of a binding.
struct BufferState {
  Dims shape, strides;
  int root = -1;              // buffer whose memory this one is (itself, or what it is a view of)
  int alias_of = -1;          // for views: the buffer viewed, and
  int64_t offset = 0;         // bytes from its first element
  int64_t arena_offset = -1;  // temps with memory of their own
  int level = 0;              // segment whose arena holds it
  bool held = false;          // in an array that an opaque op made: the call holds it
  bool defined = false;
};

enum class RunKind : uint8_t { fused, perform, view, inner };

struct BoundInstruction {
  const Instruction* instr = nullptr;
  RunKind kind = RunKind::perform;
  std::unique_ptr<vm::BoundFused> fused;
  int64_t workspace = -1;                   // arena offset of the region's partial results
  std::vector<TensorView> inputs, outputs;  // shapes point into the binding's states
  std::vector<char*> input_ptrs, output_ptrs;
  std::vector<int> outputs_alias;       // buffer that an output is a view of, or -1
  std::vector<int64_t> outputs_offset;  // bytes from its first element
  int segment = 0;
  int64_t work = 0;  // about how many elements it works on (Limits::before)
};

class FlatProgram;

// How output k is delivered.
enum class OutputPlan : uint8_t {
  direct,  // computed in fresh memory that the caller gets; or a view of nearly all of such memory
  arena,   // small, or held: in memory of the call's, copied by the caller (or taken, if held)
  copied,  // memory of an input, constant, shared variable or view: copied after the run
};

struct Binding {
  Binding();
  ~Binding();
  uint64_t id = 0;           // of all bindings ever made by a context
  std::vector<int64_t> key;  // what of the shapes this binding holds for
  int segment = 0;
  std::vector<BufferState> states;  // of all buffers defined so far
  std::vector<BoundInstruction> instructions;
  std::vector<std::pair<int, Array>> known;  // buffers whose value was computed while binding
  std::vector<int> arena_temps;              // buffers to point into this segment's arena
  std::vector<int> direct_outputs;           // indices of outputs computed in fresh memory here
  std::vector<std::pair<int, int>> direct_updates;  // (update, buffer): written into the storage
  size_t arena_bytes = 0;
  size_t stoppable = 0;      // so many instructions begin before a direct update is written
  size_t scratch_bytes = 0;  // most that an instruction after a direct update asks for
  std::vector<std::unique_ptr<Binding>> children;  // most recently used first
  std::vector<OutputPlan> output_plans;            // in the last segment's binding
  std::vector<bool> overwrites;                    // which of Program::overwrites are possible
  int calls = 0;                                   // of the function, up to kCallsBeforeFlat
  std::unique_ptr<FlatProgram> flat;               // what runs instead from then on, if it can
};

// Binds segment `segment` below `parent` (null for the first). `leaves`: a view for every input,
// constant and shared buffer, by buffer number; data is read of constants and known inputs only.
// `dynamic`: layouts of the outputs of the segment's first instruction, if that is dynamic (of an
// opaque one with strides in any case). `runners`: of the instructions with programs inside, by
// instruction. Throws Error on shapes that do not fit, with the node that failed.
std::unique_ptr<Binding> bind_segment(const Program& program, const std::vector<TensorView>& leaves,
                                      int segment, const Binding* parent,
                                      const std::vector<Layout>& dynamic,
                                      const InnerRunners& runners);

inline constexpr int64_t kSmallOutput = 2048;   // bytes
inline constexpr size_t kMaxBindings = 16;      // kept for each segment below one parent
inline constexpr int kCallsBeforeFlat = 3;      // calls for which making it does not pay
inline constexpr size_t kMaxAllBindings = 128;  // kept altogether

}  // namespace phintys::runtime
