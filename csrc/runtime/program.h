// A program: the flat list of instructions that a graph is lowered to.
//
// Buffers are numbered; an instruction reads and writes buffers. Everything that does not depend on
// shapes is decided here; the rest is decided once for each combination of shapes (binding.h).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "ops/fused.h"
#include "passes/pass.h"

namespace phintys::runtime {

enum class BufferKind : uint8_t { input, constant, shared, temp };

struct BufferInfo {
  Type type;
  BufferKind kind = BufferKind::temp;
  int index = 0;  // which input / shared variable
  const Variable* variable = nullptr;
  bool known = false;  // its value is known as soon as shapes are
  int last_use = -1;   // instruction that reads it last; kForever for outputs and updates
};
inline constexpr int kForever = INT32_MAX;

struct Program;

// Lengths of the rows that a loop emits, as far as they can be told without running it.
struct RowShapes {
  std::unique_ptr<Program> program;       // of the loop's operands; null if it has nothing to tell
  std::vector<std::vector<int>> outputs;  // [emitted value][axis]: the program's output, or -1
  bool complete = true;                   // no -1
  std::vector<bool> reads;                // operands of which not only the shapes are needed
};

struct Instruction {
  const Apply* node = nullptr;
  const Op* op = nullptr;
  const FusedOp* fused = nullptr;  // op, if it is a fused region
  std::vector<int> inputs, outputs;
  bool at_bind = false;  // executed when shapes are bound, not when called
  bool dynamic = false;  // its output shapes depend on values, or it is opaque: starts a segment
  bool opaque = false;   // only running it tells its output shapes
  int number = -1;       // in the whole function, programs inside ops included (profiler.h)
  // Of an op with graphs inside: their programs (runtime/inner_runner.h runs them).
  std::vector<std::unique_ptr<Program>> inner;
  RowShapes rows;  // of a loop whose body has several segments
};

struct UpdatePlan {
  int shared;  // index into Program::shared
  int buffer;
  // The instruction that may write the new value straight into the shared storage, or -1.
  int direct_from = -1;
};

struct Program {
  std::unique_ptr<Graph> graph;  // the lowered graph; owns the nodes
  std::vector<BufferInfo> buffers;
  std::vector<Instruction> instructions;
  std::vector<int> segments;  // first instruction of each; segments[0] == 0
  std::vector<int> outputs;   // buffers
  std::vector<UpdatePlan> updates;
  std::vector<Ref<SharedStorage>> shared;
  std::vector<int> shared_buffers;  // buffer of shared[i], or -1 if only updated
  std::vector<int> input_buffers;
  // Storages to lock, in order of their id, with whether for writing.
  std::vector<std::pair<SharedStorage*, bool>> locks;
  bool reuse_memory = true;  // FunctionSpec::reuse_memory
  bool calls_back = false;   // an instruction may call code of the user's
  // Of a graph inside an op: outputs are written where the caller says (Context::run_body).
  bool outputs_elsewhere = false;
  int owner = -1;  // number of the instruction that it is inside, if any
  // (output, input): the caller would like this output in the very memory of that input, if the
  // input is not needed any more when it is written. Binding::overwrites says where that holds.
  std::vector<std::pair<int, int>> overwrites;

  std::string str() const;
};

struct LowerOptions {
  bool fuse = true;
  bool direct_updates = true;  // false if something else may fail between instructions
  bool reuse_memory = true;
  // Of a graph inside an op, for each input: whether its value is known as soon as shapes are.
  std::vector<bool> known_inputs;
  PassOptions passes;
};

// Lowers `graph`: clones it, runs the lowering passes, schedules and numbers. `n_outputs` leading
// graph outputs are the function's, the others new values of shared[updated[i]].
std::unique_ptr<Program> lower(const Graph& graph, int n_outputs, const std::vector<int>& updated,
                               const std::vector<Ref<SharedStorage>>& shared,
                               const LowerOptions& options, std::vector<PassReport>* reports);

}  // namespace phintys::runtime
