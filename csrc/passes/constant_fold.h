// What depends on constants only is computed once, now.
#pragma once

#include <vector>

#include "graph/graph.h"

namespace phintys {

// Replaces nodes whose inputs are all constants by their values, unless those would take more than
// 2^16 elements and more than the inputs do. A node that fails stays, to fail when the function is
// called. Elementwise ops and reductions need the evaluator.
void constant_fold(Graph& graph);

// Computes the outputs of an Elemwise or Reduce node with constant inputs. The runtime, which owns
// the kernels, provides it; without one such nodes are left alone.
using Evaluator = std::vector<Array> (*)(const Apply& node);
void set_constant_evaluator(Evaluator evaluator);
Evaluator constant_evaluator();

// The values of any node with constant inputs, through the evaluator or the op's own kernel; empty
// if there is none. Throws what the op throws.
std::vector<Array> evaluate_node(const Apply& node);

}  // namespace phintys
