// Symbolic differentiation, as Theano's gradient module defines it.
#pragma once

#include <span>
#include <vector>

#include "graph/variable.h"

namespace phintys {

enum class Missing : uint8_t { ignore, warn, raise };  // disconnected_inputs
enum class ReturnDisconnected : uint8_t { zero, none, disconnected };

struct GradOptions {
  std::vector<Var> consider_constant;
  Missing disconnected_inputs = Missing::raise;
  // Gradients of the cost with respect to some variables, given by the caller.
  std::vector<std::pair<Var, Var>> known_grads;
  ReturnDisconnected return_disconnected = ReturnDisconnected::zero;
  bool null_gradients_return = false;  // else raise
  bool add_names = true;
};

struct GradResult {
  // One per wrt; null for ReturnDisconnected::none, a variable of disconnected type for
  // ::disconnected.
  std::vector<Var> grads;
  // Indices of wrt that the cost does not depend on (for warnings).
  std::vector<int> disconnected;
};

// d cost / d wrt. `cost` may be null if known_grads are given.
GradResult grad(const Var& cost, std::span<const Var> wrt, const GradOptions& options = {});

// Vector-Jacobian product: sum_i eval_points[i] * d f[i] / d wrt.
std::vector<Var> Lop(std::span<const Var> f, std::span<const Var> wrt,
                     std::span<const Var> eval_points, const GradOptions& options = {});

// Jacobian-vector product: d f / d wrt * eval_points, as the gradient of a gradient: with
// g(u) = Lop(f, wrt, u), linear in u, Rop(f, wrt, v) = Lop(g, u, v). No op needs a rule for it.
// Entries of eval_points may be null (zero direction).
std::vector<Var> Rop(std::span<const Var> f, std::span<const Var> wrt,
                     std::span<const Var> eval_points, const GradOptions& options = {});

}  // namespace phintys
