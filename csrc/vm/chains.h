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

// The register whose row the chain of the steps at positions [begin, end) should hold rather than
// read in each step that takes it; -1 if there is none worth it.
// `loaded`: the register that the chain starts with. `single_value`: by register, whether it is one
// value instead of a row.
int row_to_hold(const FusedOp& op, const ChainPlan& plan, size_t begin, size_t end, int loaded,
                const std::vector<bool>& single_value);

// Operands of a step: 1 for casts.
int step_arity(const FusedStep& step);

}  // namespace phintys::vm
