// Evaluating single nodes, for passes that fold constants.
#pragma once

#include <vector>

#include "graph/variable.h"

namespace phintys::runtime {

// The outputs of a node whose inputs are all constants, computed by the same kernels that run it in
// a function. Throws Error if the node fails on these values.
std::vector<Array> evaluate_node(const Apply& node);

// Gives earlier layers what they take from this one (the evaluator of passes/constant_fold.h, row
// kernels); once, before the first function is compiled.
void install_kernels();

}  // namespace phintys::runtime
