#include "runtime/branch.h"

#include <algorithm>

#include "base/error.h"
#include "ops/control/ifelse.h"

namespace phintys::runtime {

BranchRunner::BranchRunner(const Branch& branch, const Program& then_program,
                           const Program& else_program) {
  sides_[0].program = &then_program;
  sides_[1].program = &else_program;
  for (size_t s = 0; s < 2; ++s) {
    const InnerGraph& graph = *branch.graphs[s];
    for (const Var& v : graph.outputs()) {
      const auto at = std::find(graph.inputs().begin(), graph.inputs().end(), v);
      const bool operand = at != graph.inputs().end();
      sides_[s].operands.push_back(operand ? static_cast<int>(at - graph.inputs().begin()) : -1);
      sides_[s].computes |= !operand;
    }
  }
}

void BranchRunner::layout(std::span<const TensorView>, std::span<Layout>) {
  fail(ErrorKind::internal, "a branch has no layout before it has run");
}

void BranchRunner::run(std::span<const TensorView>, std::span<const TensorView>, const RunHooks&) {
  fail(ErrorKind::internal, "a branch is evaluated, not run");
}

void BranchRunner::evaluate(std::span<const TensorView> inputs, std::span<Array> outputs,
                            const RunHooks& hooks) {
  Side& side = sides_[holds(inputs[0]) ? 0 : 1];
  const std::span<const TensorView> operands = inputs.subspan(1);
  if (side.computes) {
    if (!side.context) side.context = std::make_unique<Context>(*side.program);
    side.context->run_inside(operands.data(), hooks);
  }
  for (size_t o = 0; o < outputs.size(); ++o) {
    if (side.operands[o] < 0) {
      outputs[o] = side.context->take_output(static_cast<int>(o));
      continue;
    }
    const TensorView& v = operands[static_cast<size_t>(side.operands[o])];
    outputs[o] = Array(Ref<Buffer>(), v.data, v.dtype, Dims(v.shape, v.shape + v.ndim),
                       Dims(v.strides, v.strides + v.ndim));
  }
  if (side.context) side.context->end_call();
}

}  // namespace phintys::runtime
