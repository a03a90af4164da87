#include "passes/specialize.h"

#include <cmath>

#include "ops/dot.h"
#include "ops/shape_ops.h"
#include "passes/match.h"

namespace phintys {

namespace {

using Ctx = RuleContext;

// x ** c for whole c in 3..16 and their negatives, by repeated squaring.
Var pow_small(const Apply& n, const Ctx&) {
  double c;
  if (!any_value(in(n, 1), &c) || c != std::floor(c) || std::fabs(c) > 16) return {};
  const bool floating = is_continuous(out_type(n).dtype());
  if (std::fabs(c) < 2 || (c < 0 && !floating)) return {};
  const Var x = fit(n, in(n, 0));
  if (!x) return {};
  Var result, power = x;
  for (int k = static_cast<int>(std::fabs(c)); k; k >>= 1) {
    if (k & 1) result = result ? result * power : power;
    if (k > 1) power = sqr(power);
  }
  if (c > 0) return result;
  return is_complex(result.dtype()) ? 1.0 / result : inv(result);
}
Var mul_self(const Apply& n, const Ctx&) {
  const bool plain = in(n, 0).dtype() == out_type(n).dtype() && !is_bool(out_type(n).dtype());
  return plain && in(n, 0).get() == in(n, 1).get() ? sqr(in(n, 0)) : Var();
}
// Exact only for powers of two.
Var div_power_of_two(const Apply& n, const Ctx&) {
  const DType d = out_type(n).dtype();
  double c;
  if ((d != DType::f32 && d != DType::f64) || in(n, 0).dtype() != d || in(n, 1).dtype() != d) {
    return {};
  }
  if (!any_value(in(n, 1), &c) || !std::isfinite(c) || c == 0) return {};
  int exponent;
  if (std::fabs(std::frexp(c, &exponent)) != 0.5 || std::abs(exponent) > 120) return {};
  return fit(n, in(n, 0) * constant(1 / c, d));
}
// sqr(abs(z)) -> re^2 + im^2: no root, which the square would only undo.
Var sqr_abs(const Apply& n, const Ctx& c) {
  const Apply* a = owner_if(in(n, 0), "abs_");
  if (!a || !is_complex(in(*a, 0).dtype()) || c.uses(a->output()) != 1) return {};
  return sqr(real(in(*a, 0))) + sqr(imag(in(*a, 0)));
}
Var inv_sqrt_product(const Apply& n, const Ctx&) {
  const Apply* s = owner_if(in(n, 0), "inv");
  return s && in(*s, 0).dtype() == out_type(n).dtype() ? inv(sqr(in(*s, 0))) : Var();
}
// dot(a, b).T -> dot(b.T, a.T): transposed operands cost nothing.
Var transposed_dot(const Apply& n, const Ctx& c) {
  const Apply* d = owner_if(in(n, 0), Dot::kName);
  if (!d || c.uses(d->output()) != 1 || in(*d, 0).ndim() != 2 || in(*d, 1).ndim() != 2) return {};
  if (op_as<DimShuffle>(n).order != std::vector<int64_t>{1, 0}) return {};
  return apply(d->op_ref(), {transpose(in(*d, 1)), transpose(in(*d, 0))});
}
Var dimshuffle_twice(const Apply& n, const Ctx&) {
  const Apply* inner = owner_if(in(n, 0), DimShuffle::kName);
  if (!inner) return {};
  std::vector<int64_t> order = op_as<DimShuffle>(n).order;
  bool nothing = static_cast<int>(order.size()) == in(*inner, 0).ndim();
  for (size_t i = 0; i < order.size(); ++i) {
    if (order[i] >= 0) order[i] = op_as<DimShuffle>(*inner).order[static_cast<size_t>(order[i])];
    nothing = nothing && order[i] == static_cast<int64_t>(i);
  }
  return nothing ? in(*inner, 0) : dimshuffle(in(*inner, 0), std::move(order));
}

constexpr Rule kSpecialize[] = {
    {"pow", "x ** c -> products, for whole |c| <= 16", pow_small},
    {"mul", "x * x -> sqr(x)", mul_self},
    {"sqr", "sqr(inv(x)) -> inv(sqr(x))", inv_sqrt_product},
    {"sqr", "sqr(abs(z)) -> re^2 + im^2 of complex z", sqr_abs},
    {"true_div", "x / 2**k -> x * 2**-k", div_power_of_two},
    {"dimshuffle", "dot(a, b).T -> dot(b.T, a.T)", transposed_dot},
    {"dimshuffle", "dimshuffle(dimshuffle(x)) -> dimshuffle(x)", dimshuffle_twice},
};

}  // namespace

void specialize(Graph& graph) {
  static const RuleSet rules{kSpecialize};
  rewrite_to_fixpoint(graph, rules);
}

}  // namespace phintys
