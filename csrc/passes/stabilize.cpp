#include "passes/stabilize.h"

#include "passes/match.h"

namespace phintys {

namespace {

using Ctx = RuleContext;

// If `v` is 1 + x: x.
Var one_plus(const Var& v) {
  const Apply* n = owner_if(v, "add");
  for (int i = 0; n && i < 2; ++i) {
    if (is_value(in(*n, i), 1) && in(*n, 1 - i).dtype() == v.dtype() &&
        covers(in(*n, 1 - i).type(), v.type())) {
      return in(*n, 1 - i);
    }
  }
  return {};
}
// If `v` is 1 - x: x.
Var one_minus(const Var& v) {
  const Apply* n = owner_if(v, "sub");
  const bool fits = n && is_value(in(*n, 0), 1) && in(*n, 1).dtype() == v.dtype() &&
                    covers(in(*n, 1).type(), v.type());
  return fits ? in(*n, 1) : Var();
}
// If `v` is f(x), of one floating dtype: x.
Var arg(const Var& v, const char* f) {
  const Apply* n = v ? owner_if(v, f) : nullptr;
  return n && is_float(v.dtype()) && in(*n, 0).dtype() == v.dtype() ? in(*n, 0) : Var();
}

Var minus(const Var& x) {
  const Var y = arg(x, "neg");
  return y ? y : neg(x);
}

// Not of complex numbers: 1 + (-2 - 0i) has lost the sign that log1p(-2 - 0i) sees.
Var log_of_one_plus(const Apply& n, const Ctx&) {
  if (is_complex(out_type(n).dtype())) return {};
  if (const Var x = one_plus(in(n, 0))) return log1p(x);
  if (const Var x = one_minus(in(n, 0))) return log1p(minus(x));
  return {};
}
Var log_sigmoid(const Apply& n, const Ctx&) {
  const Var x = arg(in(n, 0), "sigmoid");
  return x ? neg(softplus(minus(x))) : Var();
}
Var log1p_exp(const Apply& n, const Ctx&) {
  const Var x = arg(in(n, 0), "exp");
  return x ? softplus(x) : Var();
}
Var log1p_neg_sigmoid(const Apply& n, const Ctx&) {
  const Var x = arg(arg(in(n, 0), "neg"), "sigmoid");
  return x ? neg(softplus(x)) : Var();
}
// For x > 0 erfc(x) underflows; for x <= 0 it is near 1 or 2 and erf keeps the digits.
Var log_erfc(const Apply& n, const Ctx&) {
  const Var x = arg(in(n, 0), "erfc");
  if (!x) return {};
  return switch_(gt(x, constant(0, x.dtype())), log(erfcx(x)) - sqr(x), log1p(neg(erf(x))));
}
Var exp_minus_one(const Apply& n, const Ctx&) {
  const Var x = is_value(in(n, 1), 1) ? arg(in(n, 0), "exp") : Var();
  return x && x.dtype() == out_type(n).dtype() ? fit(n, expm1(x)) : Var();
}
Var exp_plus_minus_one(const Apply& n, const Ctx&) {
  for (int i = 0; i < 2; ++i) {
    const Var x = is_value(in(n, 1 - i), -1) ? arg(in(n, i), "exp") : Var();
    if (x && x.dtype() == out_type(n).dtype()) return fit(n, expm1(x));
  }
  return {};
}
Var one_minus_f(const Apply& n, const Ctx&) {
  const Var y = one_minus(n.output());
  if (const Var x = arg(y, "exp")) return neg(expm1(x));
  if (const Var x = arg(y, "sigmoid")) return sigmoid(minus(x));
  return {};
}
// a / (1 + exp(x)) -> a * sigmoid(-x); exp(x) / (1 + exp(x)) -> sigmoid(x).
Var over_one_plus_exp(const Apply& n, const Ctx&) {
  const Var e = one_plus(in(n, 1));
  const Var x = e ? arg(e, "exp") : Var();
  if (!x || out_type(n).dtype() != x.dtype()) return {};
  if (in(n, 0).get() == e.get()) return sigmoid(x);
  // A literal 1 has a small dtype of its own; without the product, log(sigmoid) is seen.
  if (is_value(in(n, 0), 1)) {
    if (const Var r = fit(n, sigmoid(minus(x)))) return r;
  }
  return in(n, 0) * sigmoid(minus(x));
}
Var inv_one_plus_exp(const Apply& n, const Ctx&) {
  const Var e = one_plus(in(n, 0));
  const Var x = e ? arg(e, "exp") : Var();
  return x ? sigmoid(minus(x)) : Var();
}
// True iff one is written as the negative of the other.
bool opposite(const Var& a, const Var& b) {
  const Var minus_a = arg(a, "neg");
  const Var minus_b = arg(b, "neg");
  return (minus_a && alike(minus_a, b)) || (minus_b && alike(minus_b, a));
}
// (a * exp(x)) / (1 + exp(x)) -> a * sigmoid(x), a * exp(x) where a = b * sigmoid(-x) likewise.
Var scaled_exp_over(const Apply& n, const Ctx&) {
  for (int i = 0; i < 2; ++i) {
    const Var x = arg(in(n, i), "exp");
    const Apply* m = x ? owner_if(in(n, 1 - i), "mul") : nullptr;
    if (const Var s = x ? arg(in(n, 1 - i), "sigmoid") : Var()) {
      if (opposite(s, x)) return sigmoid(x);
    }
    for (int k = 0; m && k < 2; ++k) {
      const Var s = arg(in(*m, k), "sigmoid");
      if (s && opposite(s, x)) return in(*m, 1 - k) * sigmoid(x);
    }
  }
  return {};
}
Var sqrt_sqr(const Apply& n, const Ctx&) {
  const Var x = arg(in(n, 0), "sqr");
  return x ? abs_(x) : Var();
}
// a * exp(-x^2) / erfc(x), from the gradient of log(erfc(x)) -> a / erfcx(x).
Var gaussian_over_erfc(const Apply& n, const Ctx&) {
  const Var x = arg(in(n, 1), "erfc");
  if (!x) return {};
  auto is_gaussian = [&](const Var& v) {
    const Var s = arg(arg(arg(v, "exp"), "neg"), "sqr");
    return s && same(s, x);
  };
  if (is_gaussian(in(n, 0))) return inv(erfcx(x));
  std::vector<Var> others;
  Var product = in(n, 0);
  // The gradient multiplies from the left: at most a few factors deep.
  for (int depth = 0; depth < 4; ++depth) {
    const Apply* m = owner_if(product, "mul");
    if (!m) return {};
    for (int i = 0; i < 2; ++i) {
      if (!is_gaussian(in(*m, i))) continue;
      Var r = in(*m, 1 - i) / erfcx(x);
      for (const Var& v : others) r = r * v;
      return fit(n, r);
    }
    const int deeper = owner_if(in(*m, 0), "mul") ? 0 : 1;
    others.push_back(in(*m, 1 - deeper));
    product = in(*m, deeper);
  }
  return {};
}

// (a / erfc(x)) * exp(-x^2) -> a / erfcx(x), the same gradient in another order.
Var gaussian_times_quotient(const Apply& n, const Ctx&) {
  for (int i = 0; i < 2; ++i) {
    const Var s = arg(arg(arg(in(n, i), "exp"), "neg"), "sqr");
    const Apply* q = s ? owner_if(in(n, 1 - i), "true_div") : nullptr;
    const Var x = q ? arg(in(*q, 1), "erfc") : Var();
    if (x && same(s, x)) return fit(n, in(*q, 0) / erfcx(x));
  }
  return {};
}

constexpr Rule kLogarithms[] = {
    {"log", "log(sigmoid(x)) -> -softplus(-x)", log_sigmoid},
    {"log", "log(1 + x) -> log1p(x), log(1 - x) -> log1p(-x)", log_of_one_plus},
    {"log", "log(erfc(x)) -> through erfcx for x > 0", log_erfc},
    {"log1p", "log1p(exp(x)) -> softplus(x)", log1p_exp},
    {"log1p", "log1p(-sigmoid(x)) -> -softplus(x)", log1p_neg_sigmoid},
    {"sub", "exp(x) - 1 -> expm1(x)", exp_minus_one},
    {"sub", "1 - exp(x) -> -expm1(x), 1 - sigmoid(x) -> sigmoid(-x)", one_minus_f},
    {"add", "exp(x) + -1 -> expm1(x)", exp_plus_minus_one},
    {"true_div", "a / (1 + exp(x)) -> a * sigmoid(-x)", over_one_plus_exp},
    {"true_div", "a * exp(-x^2) / erfc(x) -> a / erfcx(x)", gaussian_over_erfc},
    {"mul", "(a / erfc(x)) * exp(-x^2) -> a / erfcx(x)", gaussian_times_quotient},
    {"inv", "inv(1 + exp(x)) -> sigmoid(-x)", inv_one_plus_exp},
    {"mul", "a * sigmoid(-x) * exp(x) -> a * sigmoid(x)", scaled_exp_over},
    {"sqrt", "sqrt(sqr(x)) -> abs(x)", sqrt_sqr},
};

}  // namespace

std::span<const Rule> logarithm_rules() { return kLogarithms; }

void stabilize(Graph& graph) {
  static const RuleSet rules{softmax_rules(), exponential_rules(), logarithm_rules(),
                             linalg_rules()};
  rewrite_to_fixpoint(graph, rules);
}

}  // namespace phintys
