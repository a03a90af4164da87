// What one call on a device works in: arenas on the device, bindings, recordings.
//
// The program, its bindings and memory plan are those of the host (binding.h); only the memory lies
// elsewhere, and instructions are queued instead of run. What a device has no kernel for runs on
// the host between a download and an upload. Work that is queued twice with the same pointers is
// recorded, and from then on queued as a whole.
#pragma once

#include <memory>
#include <mutex>
#include <span>
#include <unordered_map>
#include <vector>

#include "device/device.h"
#include "device/products.h"
#include "device/queue.h"
#include "runtime/context_base.h"
#include "runtime/device_epilogue.h"
#include "runtime/device_loop.h"
#include "runtime/device_plan.h"
#include "runtime/scratch.h"
#include "vm/device_fused.h"

namespace phintys::runtime {

class DeviceContext final : public ContextBase {
 public:
  // `plan`: of the program; outlives the context. `failed`: the flag of the call that it is part
  // of, if it runs a body.
  DeviceContext(const Program& program, const DevicePlan& plan, device::Device& device,
                Ref<Buffer> failed = nullptr);
  ~DeviceContext() override;

  // See DeviceCall.
  void run(std::span<const Array> inputs, Function& function, Limits* limits);
  Array take_output(int i, bool on_host);
  // Drops what belongs to one call only.
  void end_call();

  // --- of a program inside an op (device_body.cpp): no locks, no shared variables, one segment
  // Binds it to the operands' layouts; their data is the host's, where it is known. `data`: on the
  // device.
  const Binding& enter_body(std::span<const TensorView> inputs, std::span<char* const> data,
                            Function& function);
  // All addresses that queue_body() may give to kernels.
  std::vector<char*> body_pointers(const Binding& binding) const;
  // Queues it; output k goes to outputs[k], contiguous. False if something must run on the host.
  bool queue_body(const Binding& binding, std::span<char* const> outputs);
  // What queue_body() would queue, as programs of the kernel that runs whole loops. False if not
  // all of it is elementwise steps and reductions, written straight to `outputs`.
  bool body_programs(const Binding& binding, std::span<char* const> outputs,
                     std::vector<device::FusedProgram>* programs);
  // What queue_body() queues between these is recorded: nothing may be uploaded then. The second
  // gives the memory that it uses.
  void start_recording();
  std::vector<Ref<Buffer>> end_recording();
  // The elements of a view of the device, in C order, to `to`.
  void copy_view(char* to, const TensorView& from, const int* unless);

 private:
  friend class ContextQueue;

  // Where a buffer's elements are; null: not there. On both sides they are laid out alike.
  struct Place {
    char* device = nullptr;
    char* host = nullptr;
  };
  struct Arena {
    Ref<Buffer> memory;
    size_t bytes = 0;
  };
  // Work recorded for these pointers, and the memory that it uses besides.
  struct Take {
    std::vector<char*> pointers;
    device::Recording* recording = nullptr;
    std::vector<Ref<Buffer>> memory;
    uint64_t last_use = 0;
  };
  // What a binding needs on the device.
  struct Prepared {
    std::vector<std::unique_ptr<vm::DeviceFused>> fused;  // by instruction of the binding
    std::vector<uint8_t> on_host;                         // that run there
    std::vector<std::optional<Epilogue>> epilogues;       // of products
    std::vector<uint8_t> done;                 // regions that a product has computed in this run
    std::vector<std::pair<int, Array>> known;  // values known from shapes, as the device has them
    // Tables that kernels read (Queue::upload_constant), in the order of their uploads.
    std::vector<std::pair<std::string, Ref<Buffer>>> tables;
    size_t queued = 0;        // instructions that were queued the last time
    bool recordable = false;  // all of them were
    bool may_fail = false;    // one of them may refuse its operands
    std::vector<char*> last;  // pointers of the last run that was not recorded
    std::vector<Take> takes;
  };

  void place_body(const Binding& binding, std::span<char* const> outputs);
  void leave(const Binding& binding) override;
  void drop(Take& take);
  // --- leaves
  void set_inputs(std::span<const Array> inputs);
  void set_small_inputs(std::span<const Array> inputs);
  void set_input(size_t i, Array array, char* host);
  void set_shared();
  void set_constants();
  // --- bindings
  Binding& run_segments(const Function& function);
  void resolve_dynamic(int segment, const Binding& parent);
  void evaluate_opaque(const Instruction& instr, const Binding& parent);
  Prepared& prepare(const Binding& binding);
  void enter(const Binding& binding, Prepared& prepared);
  void enter_direct_updates(const Binding& binding);
  bool overlaps_others(const Array& value) const;
  void point(const Binding& binding);
  // --- instructions (device_run.cpp)
  void run_segment(Binding& binding, Prepared& prepared);
  std::vector<char*> pointers_of(const Binding& binding) const;
  bool replay(Prepared& prepared, const std::vector<char*>& pointers);
  bool record(Binding& binding, Prepared& prepared, const std::vector<char*>& pointers);
  void run_plain(Binding& binding, Prepared& prepared);
  void begin_instructions(Prepared& prepared);
  bool enqueue_with_end(BoundInstruction& bound, const Binding& binding, Prepared& prepared,
                        const Epilogue& epilogue);
  bool enqueue_loop(BoundInstruction& bound, const Binding& binding);
  bool enqueue(BoundInstruction& bound, const Binding& binding, Prepared& prepared, size_t index);
  void run_on_host(BoundInstruction& bound, const Binding& binding);
  void call_on_host(const Instruction& instr, BoundInstruction& bound,
                    const std::vector<TensorView>& inputs, const std::vector<TensorView>& outputs);
  RunHooks host_hooks() const;
  void after_instruction(const Binding& binding, BoundInstruction& bound);
  // --- elements
  char* on_device(const Binding& binding, int buffer);
  char* on_host(const Binding& binding, int buffer);
  TensorView device_view(const Binding& binding, int buffer) const;
  // --- the end of a call
  void deliver(const Binding& last);
  void prepare_updates(const Binding& last);
  void commit(const Binding& last);
  bool failed();
  void compute_on_host(std::span<const Array> inputs, Function& function);

  const DevicePlan& plan_;
  device::Device& device_;
  std::unique_ptr<device::Queue> queue_;
  std::unique_lock<std::recursive_mutex> turn_;  // to queue, during a call
  Function* function_ = nullptr;                 // during a call
  Limits* limits_ = nullptr;                     // of it, or null
  Ref<Buffer> failed_flag_;
  std::vector<Place> places_;   // by buffer
  std::vector<Array> inputs_;   // on the device
  std::vector<Array> staging_;  // of inputs that come from the host
  Array small_;                 // the small ones of these, together
  std::vector<char> small_host_;
  std::vector<Array> constants_;  // by buffer, as far as needed
  std::vector<Arena> arenas_;     // by segment
  Ref<Buffer> scratch_;           // of kernels
  size_t scratch_bytes_ = 0;
  std::vector<std::unique_ptr<DeviceLoop>> loops_;  // by instruction, made when needed
  std::unordered_map<const Binding*, Prepared> prepared_;
  Prepared* current_ = nullptr;  // whose instructions are queued, the
  size_t next_table_ = 0;        // number of its tables so far,
  bool recording_ = false;       // and whether they are recorded
  uint64_t runs_ = 0;
  // Of a call.
  std::vector<Array> output_arrays_;  // computed in memory of their own
  std::vector<Array> host_outputs_;   // if the host computed the call
  std::vector<TensorView> outputs_;   // on the device
  std::vector<Array> new_values_, aside_;
  std::vector<Array> fetched_;               // host copies
  std::vector<std::pair<int, Array>> held_;  // what opaque ops made, on the device
  std::vector<TensorView> dynamic_inputs_;
  bool may_fail_ = false;  // something queued in this call may refuse its operands
  ScratchContext host_scratch_;
};

}  // namespace phintys::runtime
