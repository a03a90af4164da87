// The forward sweep: for graphs with ops that know their own Jacobian-vector product.
#pragma once

#include <span>
#include <vector>

#include "graph/variable.h"

namespace phintys::autodiff {

// Ops that are no part of the library may have a rule of their own.
struct ForwardRule {
  bool (*has)(const Op& op) = nullptr;
  // d outputs for given d inputs; null is zero, both ways.
  std::vector<Var> (*apply)(const Apply& node, std::span<const Var> points) = nullptr;
};
void set_forward_rule(ForwardRule rule);

// True iff an op with a rule of its own lies between `wrt` and `f`.
bool needs_forward(std::span<const Var> f, std::span<const Var> wrt);

// For each f the product of its Jacobian with `points`, null where f does not depend on `wrt`. An
// op without a rule is differentiated as the gradient of its gradient.
std::vector<Var> forward(std::span<const Var> f, std::span<const Var> wrt,
                         std::span<const Var> points);

}  // namespace phintys::autodiff
