// Loops whose bodies work on few elements: a step without its program.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "ops/control/scan.h"
#include "runtime/flat_body.h"

namespace phintys::runtime {

// A body as one flat list of kernel calls on fixed memory. Rows are copied in and out; what states
// were in the steps before stays in place and is shifted.
class FlatLoop final : private FlatBody {
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

  FlatLoop(const Scan& scan, const Program& body, const Binding& binding)
      : FlatBody(body, binding), scan_(scan) {}
  bool build(const std::vector<TensorView>& leaves, const InnerRunners& runners);
  bool place_states();
  void collect_states();
  void link_calls();
  bool is_computed(const char* block, size_t calls) const;
  void write_over(State& state);
  template <class F>
  void each_read(vm::FlatCall& call, F&& f);
  template <class F>
  void each_write(vm::FlatCall& call, F&& f);

  void patch_constants(std::span<const TensorView> inputs);
  void start(std::span<const TensorView> inputs, std::span<const TensorView> outputs);
  Transfer transfer(char* block, char* row, int64_t step, size_t bytes, size_t item) const;
  int64_t run_steps(int64_t steps);
  int64_t run_carried(int64_t steps);

  const Scan& scan_;
  std::vector<State> states_;
  std::vector<char*> emitted_;  // where what the body emits is at the end of a step; the condition
  vm::CarryStart carry_start_;
  bool carries_ = false;
  std::vector<Transfer> loads_, stores_;
  int64_t step_ = 0;
};

}  // namespace phintys::runtime
