// What one call works in: arenas, bindings to shapes, pointers. Reused by later calls.
#pragma once

#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "array/shared_storage.h"
#include "runtime/context_base.h"
#include "runtime/scratch.h"

namespace phintys::runtime {

// Where the outputs of a program inside an op go.
class BodyPlaces {
 public:
  // Of an output whose shape `binding` has: memory for it. If the output is computed in this
  // segment, binding.overwrites says whether that may be the memory of an input.
  virtual char* place(int output, const Binding& binding) = 0;

 protected:
  ~BodyPlaces() = default;
};

class Context final : public ContextBase {
 public:
  explicit Context(const Program& program);
  ~Context() override;

  // `limits`: of the call, or null.
  void run(const TensorView* inputs, const Function& function, Limits* limits);
  // The same without limits; false, and nothing done, if it would have to wait for a shared
  // variable. Not of a function that calls code of the user's.
  bool try_run(const TensorView* inputs, const Function& function);
  // The same, only for calls with shapes whose calls are known to be quick (FlatProgram::quick).
  bool try_quick(const TensorView* inputs, const Function& function);
  TensorView output(int i) const { return outputs_[static_cast<size_t>(i)]; }
  Array take_output(int i);
  // Drops what belongs to one call only.
  void end_call();

  // --- of a program inside an op: no locks, no shared variables ---------------------------------
  // Binds the first segment to the operands' layouts, and points it at their elements.
  const Binding& enter_body(const TensorView* inputs);
  // Points input i at other elements laid out the same way.
  void set_body_input(int i, char* data) {
    ptr_[static_cast<size_t>(p_.input_buffers[static_cast<size_t>(i)])] = data;
  }
  // Where the binding in force has the pointer of input i.
  char** body_input_slot(int i) {
    return &ptr_[static_cast<size_t>(p_.input_buffers[static_cast<size_t>(i)])];
  }
  // Operands and constants, by buffer.
  const std::vector<TensorView>& leaves() const { return leaves_; }
  // Of the instructions with programs inside, by instruction.
  const InnerRunners& runners() const { return runners_; }
  // Runs what enter_body() bound, of one segment; output k goes to outputs[k], contiguous.
  void run_body(char* const* outputs, const RunHooks& hooks);
  // The same, of any number of segments.
  void run_body_segments(BodyPlaces& places, const RunHooks& hooks);
  // Runs a program of any number of segments; output(k) is valid until the next run.
  void run_inside(const TensorView* inputs, const RunHooks& hooks);

  // Binds the first segment to input shapes without running (planned memory).
  size_t planned_bytes(const std::vector<TensorView>& inputs, const Function& function);

  std::unique_ptr<Profiler> profiler;  // of a profiled function

 private:
  struct Arena {
    BlockPtr memory;
    size_t bytes = 0;
    const Binding* entered = nullptr;  // whose pointers are in place
  };

  void run_locked(const TensorView* inputs, const Function& function, Limits* limits);
  void leave(const Binding& binding) override;
  void set_leaves(const TensorView* inputs);
  void enter(Binding& binding);
  void enter_direct_updates(Binding& binding);
  bool exposed(const Array& value) const;
  bool overlaps_others(int shared_buffer) const;
  Binding& run_segments(const Function* function);
  bool run_flat(const Function& function);
  void run_segment(Binding& binding);
  void watch(const Binding& binding, const BoundInstruction& bound, bool after) const;
  void run_instruction(BoundInstruction& bound, bool first_dynamic);
  void run_inner(BoundInstruction& bound);
  void note_memory(const BoundInstruction& bound);
  void resolve_dynamic(int segment, const Binding& parent);
  void evaluate_opaque(const Instruction& instr);
  Binding& next_segment(Binding& binding);
  void copy_output(const Binding& binding, size_t k, char* to) const;
  void prepare_outputs(const Binding& last);
  void deliver(const Binding& last);
  void prepare_updates(const Binding& last);
  void commit(const Binding& last);
  TensorView buffer_view(const Binding& binding, int buffer) const;

  std::vector<char*> ptr_;  // by buffer
  std::vector<TensorView> dynamic_inputs_;
  std::vector<Arena> arenas_;  // by segment
  std::vector<Ref<Buffer>> output_buffers_;
  std::vector<TensorView> outputs_;
  std::vector<Array> copied_;      // outputs that had to be copied
  std::vector<Array> staged_;      // small ones: memory reused from call to call
  std::vector<Array> new_values_;  // updates that replace a storage of another shape
  std::vector<Array> aside_;       // direct updates whose storage's memory others use as well
  std::vector<std::pair<int, Array>> held_;  // (buffer, what an opaque op made of it)
  ScratchContext scratch_;
  RunHooks hooks_;
  const Binding* running_ = nullptr;  // whose instructions run
  Binding* body_ = nullptr;           // what enter_body() bound
  bool ran_flat_ = false;             // the call has left nothing to drop
};

// Locks all storages of a program for the time of a run, with their values on the host or, if
// given, on `where`. `calls_back`: the run calls code of the user's, which may use the storages too
// (see StorageMutex). With limits, waiting ends by them.
class StorageLocks {
 public:
  StorageLocks(const Program& program, bool calls_back, Limits* limits = nullptr,
               device::Device* where = nullptr);
  // Without waiting: all() tells whether all are locked and on the host, and none is otherwise.
  StorageLocks(const Program& program, std::try_to_lock_t);
  bool all() const { return all_; }
  ~StorageLocks();
  StorageLocks(const StorageLocks&) = delete;
  StorageLocks& operator=(const StorageLocks&) = delete;

 private:
  void release();
  bool all_at(const device::Device* where) const;

  const Program& program_;
  size_t locked_ = 0;
  bool all_ = true;
  std::unique_ptr<std::deque<StorageMutex::Held>> held_;  // only if it calls back
};

}  // namespace phintys::runtime
