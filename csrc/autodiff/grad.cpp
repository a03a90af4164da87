#include "autodiff/grad.h"

#include <unordered_map>

#include "autodiff/backward.h"
#include "autodiff/forward.h"
#include "graph/print.h"
#include "graph/traverse.h"
#include "ops/build.h"
#include "ops/op_util.h"

namespace phintys {

namespace {

void check_cost(const Var& cost) {
  if (!cost) return;
  if (cost.type().kind() == TypeKind::null) {
    fail(ErrorKind::null_type_grad, "Can't differentiate a NaN cost. cost is NaN because ",
         cost.type().why());
  }
  if (!cost.type().is_tensor() || cost.ndim() != 0) {
    fail(ErrorKind::type, "cost must be a scalar.");
  }
  if (is_complex(cost.dtype())) {
    fail(ErrorKind::type, "cost must be real, but ", to_string(*cost), " is ",
         dtype_name(cost.dtype()), ": take its abs, real or imag");
  }
}

std::vector<autodiff::Seed> seeds_of(const Var& cost, const GradOptions& options) {
  std::vector<autodiff::Seed> seeds;
  bool cost_known = false;
  for (const auto& [variable, g] : options.known_grads) {
    if (!variable || !g) fail(ErrorKind::type, "known_grads: a variable is missing");
    cost_known = cost_known || variable == cost;
    seeds.push_back({variable, g, true});
  }
  if (cost && !cost_known) {
    const Var one = is_discrete(cost.dtype()) ? Var() : ones_like(cost);
    seeds.push_back({cost, one, false});
  }
  return seeds;
}

[[noreturn]] void fail_disconnected(const Var& w) {
  fail(ErrorKind::disconnected_input,
       "grad method was asked to compute the gradient with respect to a variable that is not part "
       "of the computational graph of the cost, or is used only by a non-differentiable operator: ",
       to_string(*w));
}

Var disconnected_value(const Var& w, ReturnDisconnected how) {
  switch (how) {
    case ReturnDisconnected::zero:
      return zero_grad_for(w);
    case ReturnDisconnected::none:
      return Var();
    case ReturnDisconnected::disconnected:
      return disconnected_grad_value();
  }
  return Var();
}

GradResult gradients(std::span<const autodiff::Seed> seeds, std::span<const Var> wrt,
                     const GradOptions& options) {
  for (const Var& w : wrt) {
    if (!w || !w.type().is_tensor()) fail(ErrorKind::type, "grad: wrt must be tensor variables");
  }
  const std::vector<autodiff::Slope> slopes =
      autodiff::backward(seeds, wrt, options.consider_constant);
  GradResult result;
  for (size_t i = 0; i < wrt.size(); ++i) {
    const autodiff::Slope& s = slopes[i];
    switch (s.kind) {
      case autodiff::SlopeKind::none:
        if (options.disconnected_inputs == Missing::raise) fail_disconnected(wrt[i]);
        result.disconnected.push_back(static_cast<int>(i));
        result.grads.push_back(disconnected_value(wrt[i], options.return_disconnected));
        break;
      case autodiff::SlopeKind::zero:
        result.grads.push_back(zero_grad_for(wrt[i]));
        break;
      case autodiff::SlopeKind::undefined:
        if (!options.null_gradients_return) {
          fail(ErrorKind::null_type_grad, "tensor.grad encountered a NaN. ", s.value.type().why());
        }
        result.grads.push_back(s.value);
        break;
      case autodiff::SlopeKind::value:
        result.grads.push_back(s.value);
        break;
    }
  }
  return result;
}

}  // namespace

GradResult grad(const Var& cost, std::span<const Var> wrt, const GradOptions& options) {
  check_cost(cost);
  if (!cost && options.known_grads.empty()) {
    fail(ErrorKind::assertion, "cost and known_grads can't both be None.");
  }
  // Variables made from here on are this call's own and may be given names.
  const uint64_t first_id = constant_int(0)->id();
  GradResult result = gradients(seeds_of(cost, options), wrt, options);
  if (!options.add_names || !cost || cost->name.empty()) return result;
  for (size_t i = 0; i < wrt.size(); ++i) {
    const Var& g = result.grads[i];
    if (!g || !g->owner() || g->id() < first_id || !g->name.empty() || wrt[i]->name.empty()) {
      continue;
    }
    g->name = "(d" + cost->name.str() + "/d" + wrt[i]->name.str() + ")";
  }
  return result;
}

namespace {

void check_points(const char* who, std::span<const Var> variables, std::span<const Var> points) {
  if (variables.size() != points.size()) {
    fail(ErrorKind::value, who, ": ", variables.size(), " variables but ", points.size(),
         " evaluation points");
  }
  for (size_t i = 0; i < points.size(); ++i) {
    if (!variables[i]) fail(ErrorKind::type, who, ": variable ", i, " is missing");
    if (!points[i] || points[i].ndim() == variables[i].ndim()) continue;
    fail(ErrorKind::value, "Element ", i, " of ", who, "'s variables and its evaluation point ",
         "have different numbers of dimensions: ", variables[i].ndim(), " and ", points[i].ndim());
  }
}

}  // namespace

std::vector<Var> Lop(std::span<const Var> f, std::span<const Var> wrt,
                     std::span<const Var> eval_points, const GradOptions& options) {
  check_points("Lop", f, eval_points);
  std::vector<autodiff::Seed> seeds;
  for (size_t i = 0; i < f.size(); ++i) {
    if (eval_points[i]) seeds.push_back({f[i], eval_points[i], false});
  }
  return gradients(seeds, wrt, options).grads;
}

namespace {

// What a forward sweep found, with what `options` say in place of what it did not.
std::vector<Var> forward_results(std::span<const Var> f, std::vector<Var> found,
                                 const GradOptions& options) {
  for (size_t i = 0; i < found.size(); ++i) {
    if (!found[i]) {
      found[i] = disconnected_value(f[i], options.return_disconnected);
    } else if (found[i].type().kind() == TypeKind::null && !options.null_gradients_return) {
      fail(ErrorKind::null_type_grad, "tensor.grad encountered a NaN. ", found[i].type().why());
    }
  }
  return found;
}

}  // namespace

std::vector<Var> Rop(std::span<const Var> f, std::span<const Var> wrt,
                     std::span<const Var> eval_points, const GradOptions& options) {
  check_points("Rop", wrt, eval_points);
  if (autodiff::needs_forward(f, wrt)) {
    return forward_results(f, autodiff::forward(f, wrt, eval_points), options);
  }
  // g(u) = Lop(f, wrt, u) is linear in u, so its own vector-Jacobian product is the product wanted.
  std::vector<Var> u;
  VarMap stand_ins;
  for (const Var& v : f) {
    if (!v || !v.type().is_tensor()) fail(ErrorKind::type, "Rop: f must be tensor variables");
    u.push_back(make_variable(v.type().with_dtype(grad_dtype(*v))));
    // What is left of u in the result is its shape: anything of that shape will do.
    stand_ins.emplace(u.back().get(), zero_grad_for(v));
  }
  GradOptions first = options;
  first.return_disconnected = ReturnDisconnected::none;
  first.add_names = false;
  if (first.disconnected_inputs == Missing::warn) first.disconnected_inputs = Missing::ignore;
  const std::vector<Var> g = Lop(f, wrt, u, first);
  std::vector<autodiff::Seed> seeds;
  for (size_t i = 0; i < g.size(); ++i) {
    if (g[i] && g[i].type().is_tensor() && eval_points[i]) {
      seeds.push_back({g[i], eval_points[i], false});
    }
  }
  GradOptions second = options;
  second.disconnected_inputs = Missing::ignore;
  std::vector<Var> result = gradients(seeds, u, second).grads;
  std::vector<Var> tensors;
  std::vector<size_t> places;
  for (size_t i = 0; i < result.size(); ++i) {
    if (!result[i] || !result[i].type().is_tensor()) continue;
    tensors.push_back(result[i]);
    places.push_back(i);
  }
  const std::vector<Var> clean = clone_graph(tensors, stand_ins);
  for (size_t k = 0; k < places.size(); ++k) result[places[k]] = clean[k];
  return result;
}

}  // namespace phintys
