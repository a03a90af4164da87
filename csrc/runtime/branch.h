// Running one of two programs.
#pragma once

#include <array>
#include <memory>

#include "ops/control/branch.h"
#include "runtime/context.h"
#include "runtime/inner_runner.h"

namespace phintys::runtime {

// Runs the program of the side that the condition takes, in a context of its own, which is made
// when that side is first taken. An output that is an operand stays in the operand's memory.
class BranchRunner final : public InnerRunner {
 public:
  // `programs`: of the two graphs; outlive the runner.
  BranchRunner(const Branch& branch, const Program& then_program, const Program& else_program);
  // Not called: the op is opaque.
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) override;
  void run(std::span<const TensorView> inputs, std::span<const TensorView> outputs,
           const RunHooks& hooks) override;
  void evaluate(std::span<const TensorView> inputs, std::span<Array> outputs,
                const RunHooks& hooks) override;

 private:
  struct Side {
    const Program* program = nullptr;
    // For each output: the operand that it is, or -1.
    std::vector<int> operands;
    bool computes = false;  // not all outputs are operands
    std::unique_ptr<Context> context;
  };
  std::array<Side, 2> sides_;  // taken if the condition holds; if not
};

}  // namespace phintys::runtime
