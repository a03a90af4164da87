// What runs instructions that have programs of their own: loops, branches.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "array/array.h"
#include "graph/op.h"
#include "runtime/limits.h"
#include "runtime/watcher.h"

namespace phintys::runtime {

struct Instruction;
class Profiler;

// What a call does besides computing; handed down to the programs inside.
struct RunHooks {
  // Called after every instruction with its outputs, or null.
  const std::function<void(const Apply& node, std::span<const TensorView> outputs)>* monitor =
      nullptr;
  // Only together with a monitor.
  Watcher* watcher = nullptr;
  Profiler* profile = nullptr;  // measures, or null
  // What the call must obey, or null: a loop calls step() before every step.
  Limits* limits = nullptr;
};

// One instruction's state in one context: used by one thread at a time, kept from call to call.
class InnerRunner {
 public:
  virtual ~InnerRunner() = default;
  // Where the outputs lie for these operands (data is read only as Op::shape_inputs says).
  virtual void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) = 0;
  virtual void run(std::span<const TensorView> inputs, std::span<const TensorView> outputs,
                   const RunHooks& hooks) = 0;
  // In place of both, for an opaque instruction: makes the outputs' arrays, whose elements may lie
  // in an input's memory.
  virtual void evaluate(std::span<const TensorView> inputs, std::span<Array> outputs,
                        const RunHooks& hooks) = 0;
};

using InnerRunners = std::vector<std::unique_ptr<InnerRunner>>;  // by instruction; null for most

// Whether only running the instruction tells the shapes of its outputs.
bool opaque_inside(const Instruction& instr);
// A runner for an instruction with programs inside, else null.
std::unique_ptr<InnerRunner> make_runner(const Instruction& instr);

}  // namespace phintys::runtime
