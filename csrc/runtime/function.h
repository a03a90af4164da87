// Compiled functions: what a graph becomes, and how it is called.
//
// A Function is immutable once compiled and may be called from any number of threads at once. Each
// concurrent call works in a context of its own (arena, bindings to shapes), taken from a pool.
// A call computes everything, then commits updates to shared storages: a call that fails, at
// whatever point, leaves every shared variable as it was.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "passes/pass.h"
#include "runtime/limits.h"
#include "runtime/watcher.h"

namespace phintys::runtime {

class Program;  // lowered instructions (runtime/program.h)
class Context;  // per-call state (runtime/context.h)
class DeviceContext;
struct DevicePlan;

struct Update {
  Var shared;      // a shared variable
  Var expression;  // its new value
};

// What to compile, in the user's variables.
struct FunctionSpec {
  std::string name;
  std::vector<Var> inputs;  // plain variables without owner
  std::vector<Var> outputs;
  std::vector<Update> updates;              // at most one for a shared variable
  std::vector<std::pair<Var, Var>> givens;  // variable -> replacement
  std::string pipeline = "fast_run";        // passes/pass.h
  bool fuse = true;
  // False: no value is ever computed in memory that held another (DebugMode, tests).
  bool reuse_memory = true;
  PassOptions pass_options;
  // Called after every instruction with its op and outputs (NanGuardMode, DebugMode); may throw.
  // Forces fuse = false.
  std::function<void(const Apply& node, std::span<const TensorView> outputs)> monitor;
  // Sees operands too, and instructions before they run (MonitorMode). Needs a monitor.
  std::shared_ptr<Watcher> watcher;
  bool profile = false;
  // Where it runs; null: on the host. Such a function is called with DeviceCall.
  device::Device* device = nullptr;
  // Of one on a device: operations that the device has no kernel for are an Error when they run.
  bool forbid_host = false;
  // Of a profiled function: events kept of its last calls, about (FunctionProfile::last_calls).
  size_t trace_events = 0;
};

struct InputInfo {
  std::string name;  // may be empty
  Type type;
};
struct OutputInfo {
  std::string name;
  Type type;
};

// What one instruction took, summed over all calls of a profiled function. Instructions of programs
// inside ops (the bodies of loops) follow the one that they are inside.
struct InstructionProfile {
  std::string op, op_class;
  SourceLoc loc;
  std::vector<SourceLoc> lines;  // of a fused region, one for each operation; else loc
  std::vector<std::string> output_types;
  int owner = -1;     // index of the instruction around it, or -1
  bool loop = false;  // it has programs inside
  uint64_t calls = 0;
  double seconds = 0;        // all of it
  double inner_seconds = 0;  // of that, in instructions inside it
  uint64_t bytes = 0;        // of outputs that are no views, over all calls
  uint64_t max_bytes = 0;    // of one call
  std::vector<Dims> shapes;  // of the outputs, the last time
  // Of loops.
  std::string loop_profile;  // the name of the profile that was asked for, or empty
  uint64_t steps = 0;
  double slowest_seconds = 0;
  int64_t slowest_step = -1;
  bool whole = false;       // some runs were measured whole: times of the body's parts are missing
  uint64_t work_bytes = 0;  // most work memory that the programs inside had planned
};

// An instruction, or a step of a loop, as it ran. Times are of the steady clock.
struct ProfileEvent {
  int instruction;  // index; -1: the whole call
  int64_t step;     // of the loop `instruction`; -1: the instruction itself
  int64_t start_ns, duration_ns;
};

// Events of one call, in the order in which they began.
struct ProfiledCall {
  int thread;
  uint64_t dropped;  // events for which there was no room
  std::vector<ProfileEvent> events;
};

struct FunctionProfile {
  uint64_t calls = 0;
  double seconds = 0;        // spent in calls
  uint64_t work_bytes = 0;   // most work memory planned, without that of programs inside
  double clock_seconds = 0;  // that one look at the clock takes; measuring needs two
  std::vector<InstructionProfile> instructions;
  std::vector<ProfiledCall> last_calls;
};

class Function : public RefCounted {
 public:
  // Compiles. Throws Error: missing_input, unused variables are the caller's business.
  static Ref<Function> compile(const FunctionSpec& spec);
  // Builds a function from an already optimised graph (loading, copying). The graph's outputs are
  // the function's outputs followed by one new value for each entry of `updated`, an index into
  // graph->shared().
  static Ref<Function> from_graph(std::unique_ptr<Graph> graph, std::string name,
                                  std::vector<std::string> output_names, std::vector<int> updated,
                                  const FunctionSpec& options);
  ~Function() override;

  const std::string& name() const { return name_; }
  const std::vector<InputInfo>& inputs() const { return inputs_; }
  const std::vector<OutputInfo>& outputs() const { return outputs_; }
  // The optimised graph, before lowering and fusion.
  const Graph& graph() const { return *graph_; }
  const std::vector<int>& updated() const { return updated_; }
  // Storage of graph().shared()[i].
  const std::vector<Ref<SharedStorage>>& shared() const { return shared_; }
  const std::vector<std::string>& shared_names() const { return shared_names_; }
  const std::vector<PassReport>& pass_reports() const { return reports_; }
  double compile_seconds() const { return compile_seconds_; }
  const Program& program() const { return *program_; }
  const FunctionSpec& options() const { return options_; }

  // Bytes of arena that a call with these input shapes plans (outputs not counted). Shapes that
  // depend on data are not known before a call: their part is left out.
  size_t planned_bytes(std::span<const Dims> input_shapes);
  // Frees cached contexts (arenas, bindings); the next call makes new ones.
  void release_contexts();
  FunctionProfile profile() const;
  // The profiles that loops asked for: the function is measured if there are any.
  const std::vector<std::string>& loop_profiles() const { return loop_profiles_; }
  void reset_profile();
  // The lowered program, one instruction a line.
  std::string program_text() const;
  // Of a function on a device: the operations that calls so far ran on the host, as the device has
  // no kernel for them.
  std::vector<std::string> host_instructions() const;
  // Whether calls with some shapes have been found to be quick (Call::try_quick).
  bool has_quick() const { return has_quick_.load(std::memory_order_relaxed); }
  void note_quick() const { has_quick_.store(true, std::memory_order_relaxed); }

  // Called before the host computes an operation of a call on a device; may throw (forbid_host).
  void note_host_instruction(const Op& op);

 private:
  friend class Call;
  friend class DeviceCall;
  Function();
  std::unique_ptr<Context> acquire();
  void give_back(std::unique_ptr<Context> context);
  std::unique_ptr<DeviceContext> acquire_device_context();
  void give_back(std::unique_ptr<DeviceContext> context);

  std::string name_;
  std::vector<InputInfo> inputs_;
  std::vector<OutputInfo> outputs_;
  std::unique_ptr<Graph> graph_;
  std::vector<int> updated_;
  std::vector<Ref<SharedStorage>> shared_;
  std::vector<std::string> shared_names_;
  std::vector<std::string> loop_profiles_;
  std::vector<PassReport> reports_;
  double compile_seconds_ = 0;
  std::unique_ptr<Program> program_;
  size_t n_instructions_ = 0;  // with those of programs inside
  FunctionSpec options_;
  mutable std::atomic<bool> has_quick_{false};
  // Of contexts between calls. Replaced in a forked child that was born while it was in use.
  struct ContextPool;
  struct DeviceSide;  // null unless it runs on a device
  std::unique_ptr<DeviceSide> device_side_;
  ContextPool& pool() const;
  mutable std::atomic<ContextPool*> pool_{nullptr};
};

// One call in progress. The inputs' memory must stay valid and unchanged until run() returns.
class Call {
 public:
  explicit Call(Function& function);
  ~Call();
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  // Inputs must have the dtype and rank of InputInfo (the caller converts); shapes are checked
  // here. `wanted`: bit mask of outputs to deliver is not offered; all are computed. Throws Error
  // whose text names the op, the operand shapes and dtypes, and the user's line.
  void run(const TensorView* inputs);
  // The same within limits.
  void run(const TensorView* inputs, const CallOptions& options);
  // The same without limits; false, and nothing done, if it would have to wait for a shared
  // variable. Not of a function that calls code of the user's.
  bool try_run(const TensorView* inputs);
  // The same, only for calls with shapes whose calls have been found to take a few microseconds at
  // most.
  bool try_quick(const TensorView* inputs);
  // Output i, valid until this Call ends. The caller copies it, or:
  TensorView output(int i) const;
  // Output i as an array of its own (no copy where the memory is not shared with anything).
  Array take_output(int i);

 private:
  Function& function_;
  std::unique_ptr<Context> context_;
};

}  // namespace phintys::runtime
