// Loops whose bodies compute single values: a few nanoseconds a step.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "ops/control/scan.h"
#include "runtime/binding.h"

namespace phintys::runtime {

// A body as one flat list of kernel calls on fixed memory. Rows are copied in and out; what states
// were in the steps before stays in place and is shifted.
class ScalarLoop {
 public:
  // Null unless everything that the body computes, as bound, is a single value.
  static std::unique_ptr<ScalarLoop> make(const Scan& scan, const Program& body,
                                          const Binding& binding,
                                          const std::vector<TensorView>& constants);

  // Operands as those of the Scan. The number of steps that ran.
  int64_t run(std::span<const TensorView> inputs, std::span<const TensorView> outputs,
              int64_t steps, Limits* limits);

 private:
  struct Slot {
    alignas(16) char bytes[16];
  };
  // Between a slot and a row of an array, of which each step takes the next.
  struct Transfer {
    char* slot;
    char* row;
    int64_t step;
    size_t item;
  };
  struct State {
    std::vector<char*> past;  // slots of the values 1, 2, ... steps ago
    char* fresh = nullptr;    // where the body computes the new one
    size_t item = 0;
  };

  ScalarLoop(const Scan& scan, const Program& body) : scan_(scan), body_(body) {}
  bool build(const Binding& binding, const std::vector<TensorView>& constants);
  bool place_buffers(const Binding& binding, const std::vector<TensorView>& constants);
  int64_t run_steps(int64_t steps);
  bool collect_calls(const Binding& binding);
  void collect_states();
  void write_over(State& state);
  char* new_slot();
  char* at(int buffer) const { return at_[static_cast<size_t>(buffer)]; }
  size_t item_of(int buffer) const;

  const Scan& scan_;
  const Program& body_;
  std::vector<std::unique_ptr<Slot[]>> blocks_;
  std::vector<char*> at_;  // of each buffer
  std::vector<vm::SingleCall> calls_;
  std::vector<State> states_;
  std::vector<char*> emitted_;  // where what the body emits is at the end of a step; the condition
  std::vector<Transfer> loads_, stores_;
};

}  // namespace phintys::runtime
