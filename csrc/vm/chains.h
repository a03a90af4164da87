// Which steps of a fused region run as chains, and in which order all of them run.
#pragma once

#include <vector>

#include "ops/fused.h"

namespace phintys::vm {

struct ChainPlan {
  std::vector<int> order;       // steps, by position
  std::vector<bool> continues;  // by position: takes its operand from the chain of the one before
};

// `cheap`: by step, whether it may be part of a chain, as steps on one value for the whole region
// are not. Such steps run as they stand in the region if no step is cheap.
ChainPlan plan_chains(const FusedOp& op, const std::vector<bool>& cheap);

// Operands of a step: 1 for casts.
int step_arity(const FusedStep& step);

}  // namespace phintys::vm
