// Loops whose bodies work on few elements: a step without its program.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "kernels/permuted_product.h"
#include "ops/control/scan.h"
#include "ops/tiny_product.h"
#include "runtime/binding.h"
#include "runtime/scratch.h"

namespace phintys::runtime {

// A body as one flat list of kernel calls on fixed memory. Rows are copied in and out; what states
// were in the steps before stays in place and is shifted. Instructions that are no kernel calls,
// and those that read large constants, run whole, on operands that are fixed as well.
class FlatLoop {
 public:
  // Null if rows are large, or empty, or lie apart. `runners`: of the body's instructions;
  // `leaves`: its operands and constants, by buffer.
  static std::unique_ptr<FlatLoop> make(const Scan& scan, const Program& body,
                                        const Binding& binding,
                                        const std::vector<TensorView>& leaves,
                                        const InnerRunners& runners);

  // Operands as those of the Scan. The number of steps that ran.
  int64_t run(std::span<const TensorView> inputs, std::span<const TensorView> outputs,
              int64_t steps, const RunHooks& hooks);
  // Whether all that the body computes is single values.
  bool single() const { return single_; }
  // The step that is running.
  int64_t step() const { return step_; }

 private:
  // Between a block and a row of an array, of which each step takes the next.
  struct Transfer {
    char* block;
    char* row;
    int64_t step;
    size_t bytes;
    size_t item;
    size_t room;  // the last element fills the block up to here
  };
  struct State {
    std::vector<char*> past;  // the values 1, 2, ... steps ago
    char* fresh = nullptr;    // where the body computes the new one
    size_t bytes = 0;
    size_t item = 0;
  };
  struct FlatProduct {
    TinyProduct product;
    const void* places = nullptr;  // of PermutedProduct
    int64_t vectors = 0;
    void (*permuted32)(const PermutedProduct<float>&);
    void (*permuted64)(const PermutedProduct<double>&);
  };
  // An instruction that is run as it is.
  struct Whole {
    FlatLoop* loop;
    const BoundInstruction* bound;
    InnerRunner* runner;
    std::vector<TensorView> inputs, outputs;
    std::vector<char*> in, out;  // of a fused region
    std::unique_ptr<char[]> workspace;
  };
  // An operand of one that lies in a constant that is not copied.
  struct Patch {
    Whole* whole;
    size_t operand;
    int constant;
    int64_t offset;
  };

  FlatLoop(const Scan& scan, const Program& body, const Binding& binding)
      : scan_(scan), body_(body), binding_(binding) {}
  bool build(const std::vector<TensorView>& leaves, const InnerRunners& runners);
  bool place_buffers(const std::vector<TensorView>& leaves);
  bool place_leaf(int buffer, const TensorView& leaf, bool may_stay);
  bool place_states();
  bool collect_calls(const InnerRunners& runners);
  void append_view(const BoundInstruction& bound);
  void find_root_uses();
  void share_memory(const BoundInstruction& bound);
  bool append_product(const BoundInstruction& bound);
  const void* permuted_places(const TinyProduct& product, DType dtype);
  void append_whole(const BoundInstruction& bound, InnerRunner* runner);
  void collect_states();
  void link_calls();
  void append_copy(char* to, int buffer);
  bool is_computed(const char* block, size_t calls) const;
  void write_over(State& state);
  template <class F>
  void each_read(vm::FlatCall& call, F&& f);
  template <class F>
  void each_write(vm::FlatCall& call, F&& f);
  Whole* whole_of(const vm::FlatCall& call) const;

  template <class T>
  static void run_product(void* out, const void* a, const void* b, const void* c, int64_t product);
  template <class T>
  static void run_permuted(void* out, const void* a, const void* b, const void* c, int64_t product);
  static void run_whole(void*, const void*, const void*, const void* whole, int64_t);
  void patch_constants(std::span<const TensorView> inputs);
  void start(std::span<const TensorView> inputs, std::span<const TensorView> outputs);
  Transfer transfer(char* block, char* row, int64_t step, size_t bytes, size_t item) const;
  int64_t run_steps(int64_t steps);
  int64_t run_carried(int64_t steps);

  char*& at(int buffer) { return at_[static_cast<size_t>(buffer)]; }
  bool outside(int buffer) const { return outside_[static_cast<size_t>(buffer)] != kInside; }
  size_t item_of(int buffer) const;
  size_t bytes_of(int buffer) const;

  static constexpr int kInside = -2, kFixed = -1;  // else the number of a constant of the loop

  const Scan& scan_;
  const Program& body_;
  const Binding& binding_;
  vm::FlatMemory memory_;
  std::vector<char*> at_;      // of each buffer
  std::vector<int> outside_;   // of each buffer: whose memory, if not ours
  std::vector<int> root_use_;  // the last instruction that reads a buffer or a view of it
  std::vector<vm::FlatCall> calls_;
  std::vector<std::unique_ptr<Whole>> wholes_;
  std::vector<Patch> patches_;
  std::vector<std::unique_ptr<FlatProduct>> products_;
  std::vector<State> states_;
  std::vector<char*> emitted_;  // where what the body emits is at the end of a step; the condition
  vm::CarryStart carry_start_;
  bool carries_ = false;
  std::vector<Transfer> loads_, stores_;
  ScratchContext scratch_;
  const RunHooks* hooks_ = nullptr;
  int64_t work_ = 0;  // of a step (Limits::before)
  bool single_ = true;
  bool inner_ = false;  // some instruction has programs inside
  int64_t step_ = 0;
};

}  // namespace phintys::runtime
