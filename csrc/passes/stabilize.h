// The same mathematics in a form that does not overflow, cancel or divide zero by zero.
#pragma once

#include "passes/rewrite.h"

namespace phintys {

// log(1 + x), exp(x) - 1, log(sigmoid(x)), log(softmax(x)), log(sum(exp(x))), the gradients of
// cross entropies and the like become log1p, expm1, softplus, log_softmax, a shifted sum, ...: what
// users of Theano rely on at logits of 1000. Expects canonicalize.
void stabilize(Graph& graph);

std::span<const Rule> logarithm_rules();    // stabilize.cpp: forms of log, exp, sigmoid, erfc
std::span<const Rule> exponential_rules();  // stabilize_exp.cpp
std::span<const Rule> linalg_rules();       // stabilize_linalg.cpp: solve for inverses, slogdet
std::span<const Rule> softmax_rules();      // stabilize_softmax.cpp: softmax, logsumexp, gradients

}  // namespace phintys
