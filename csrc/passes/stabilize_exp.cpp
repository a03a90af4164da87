// Quotients and sums of exponentials that were written out: each exponential may overflow where the
// result does not. And the complements of the error function.

#include "passes/match.h"
#include "passes/stabilize.h"

namespace phintys {

namespace {

using Ctx = RuleContext;

// If `v` is f(x), of one floating dtype: x.
Var arg(const Var& v, const char* f) {
  const Var x = v ? operand(v, f) : Var();
  return x && is_float(x.dtype()) ? x : Var();
}
bool is_negative_of(const Var& a, const Var& b) {
  const Var x = arg(a, "neg");
  return x && alike(x, b);
}
// a - b, where x - -x is written x + x.
Var difference(const Var& a, const Var& b) {
  if (is_negative_of(b, a)) return a + a;
  if (is_negative_of(a, b)) return neg(b + b);
  return a - b;
}
Var half_difference(const Var& a, const Var& b) {
  if (is_negative_of(b, a)) return a;
  if (is_negative_of(a, b)) return a;
  return 0.5 * (a - b);
}

// exp(a) + exp(b) + ...: the exponents, at most eight; none if `v` is anything else.
std::vector<Var> exponents(const Var& v) {
  std::vector<Var> found, work{v};
  while (!work.empty() && found.size() + work.size() <= 8) {
    const Var at = work.back();
    work.pop_back();
    if (const Var x = arg(at, "exp")) {
      found.push_back(x);
      continue;
    }
    const Apply* n = owner_if(at, "add");
    if (!n || !is_float(at.dtype())) return {};
    for (int i = 2; i-- > 0;) {
      if (in(*n, i).dtype() != at.dtype()) return {};
      work.push_back(in(*n, i));
    }
  }
  if (!work.empty() || found.size() < 2) return {};
  return found;
}
Var log_of_sum(const std::vector<Var>& exponents, size_t skip) {
  Var r;
  for (size_t i = 0; i < exponents.size(); ++i) {
    if (i != skip) r = r ? logaddexp(r, exponents[i]) : exponents[i];
  }
  return r;
}
// exp(x) / (exp(x) + exp(y) + ...) -> sigmoid(x - y), for an x that is among the exponents.
Var share(const std::vector<Var>& exponents, const Var& x) {
  for (size_t i = 0; i < exponents.size(); ++i) {
    if (alike(exponents[i], x)) return sigmoid(difference(x, log_of_sum(exponents, i)));
  }
  return {};
}

Var log_of_exps(const Apply& n, const Ctx&) {
  const std::vector<Var> x = exponents(in(n, 0));
  return x.empty() ? Var() : fit(n, log_of_sum(x, x.size()));
}
Var exp_over_exps(const Apply& n, const Ctx&) {
  const Var x = arg(in(n, 0), "exp");
  const std::vector<Var> all = x ? exponents(in(n, 1)) : std::vector<Var>();
  const Var r = all.empty() ? Var() : share(all, x);
  return r ? fit(n, r) : Var();
}

// The first sum of exponentials that `v` divides by, in a term of it.
Var divisor_of(const Var& v, int depth) {
  const Apply* n = v->owner();
  if (!n || depth > 4 || !is_float(v.dtype())) return {};
  if (owner_if(v, "true_div") && !exponents(in(*n, 1)).empty()) return in(*n, 1);
  for (const char* name : {"neg", "add", "sub", "mul", "true_div"}) {
    if (!owner_if(v, name)) continue;
    for (int i = 0; i < n->nin() && !(i == 1 && name[0] == 't'); ++i) {
      if (const Var d = divisor_of(in(*n, i), depth + 1)) return d;
    }
  }
  return {};
}
// v * d, where every term of v is divided by d; null otherwise.
Var without_divisor(const Var& v, const Var& d, int depth) {
  const Apply* n = v->owner();
  if (!n || depth > 4 || v.dtype() != d.dtype()) return {};
  if (owner_if(v, "true_div")) {
    if (alike(in(*n, 1), d)) return in(*n, 0);
    const Var r = without_divisor(in(*n, 0), d, depth + 1);
    return r ? r / in(*n, 1) : Var();
  }
  if (owner_if(v, "neg")) {
    const Var r = without_divisor(in(*n, 0), d, depth + 1);
    return r ? neg(r) : Var();
  }
  if (owner_if(v, "mul")) {
    for (int i = 0; i < 2; ++i) {
      if (const Var r = without_divisor(in(*n, i), d, depth + 1)) return r * in(*n, 1 - i);
    }
    return {};
  }
  for (const char* name : {"add", "sub"}) {
    if (!owner_if(v, name)) continue;
    const Var a = without_divisor(in(*n, 0), d, depth + 1);
    const Var b = a ? without_divisor(in(*n, 1), d, depth + 1) : Var();
    return b ? elemwise(name, {a, b}) : Var();
  }
  return {};
}
// (g / d - h / d) * exp(x) -> (g - h) * sigmoid(x - y), d = exp(x) + exp(y): gradients.
Var scaled_exp_over_exps(const Apply& n, const Ctx&) {
  for (int i = 0; i < 2; ++i) {
    const Var x = arg(in(n, i), "exp");
    const Var d = x ? divisor_of(in(n, 1 - i), 0) : Var();
    if (!d) continue;
    const Var part = share(exponents(d), x);
    const Var rest = part ? without_divisor(in(n, 1 - i), d, 0) : Var();
    if (rest) return fit(n, rest * part);
  }
  return {};
}

// (exp(x) - exp(y)) / (exp(x) + exp(y)) -> tanh((x - y) / 2).
Var written_tanh(const Apply& n, const Ctx&) {
  const std::vector<Var> sum = exponents(in(n, 1));
  const Apply* s = sum.size() == 2 ? owner_if(in(n, 0), "sub") : nullptr;
  if (!s) return {};
  const Var a = arg(in(*s, 0), "exp"), b = arg(in(*s, 1), "exp");
  if (!a || !b) return {};
  const bool fits =
      (alike(a, sum[0]) && alike(b, sum[1])) || (alike(a, sum[1]) && alike(b, sum[0]));
  return fits ? fit(n, tanh(half_difference(a, b))) : Var();
}
// (exp(x) - 1) / (exp(x) + 1) -> tanh(x / 2), whose numerator has become expm1(x) already.
Var tanh_of_half(const Apply& n, const Ctx&) {
  const Apply* sum = owner_if(in(n, 1), "add");
  const Var negated = arg(in(n, 0), "neg");
  const Var x = arg(negated ? negated : in(n, 0), "expm1");
  for (int i = 0; sum && x && i < 2; ++i) {
    const Var y = is_value(in(*sum, 1 - i), 1) ? arg(in(*sum, i), "exp") : Var();
    if (y && alike(x, y)) return fit(n, tanh(negated ? -0.5 * x : 0.5 * x));
  }
  return {};
}
Var inverse_exp(const Apply& n, const Ctx&) {
  const int i = n.nin() - 1;
  if (i == 1 && !is_value(in(n, 0), 1)) return {};
  const Var x = arg(in(n, i), "exp");
  if (!x || x.dtype() != out_type(n).dtype()) return {};
  const Var y = arg(x, "neg");
  return fit(n, exp(y ? y : neg(x)));
}
// exp(x) * exp(y) -> exp(x + y), exp(x) / exp(y) -> exp(x - y).
Var exps_joined(const Apply& n, const Ctx& c) {
  const Var x = arg(in(n, 0), "exp"), y = arg(in(n, 1), "exp");
  if (!x || !y || x.dtype() != y.dtype()) return {};
  if (c.uses(in(n, 0).get()) != 1 || c.uses(in(n, 1).get()) != 1) return {};
  if (owner_if(n.output(), "mul")) return exp(x + y);
  return exp(difference(x, y));
}

// --- the error function ------------------------------------------------------------------------

// 1 - erf(x) -> erfc(x), 1 - erfc(x) -> erf(x), and these minus 1.
Var one_minus_erf(const Apply& n, const Ctx&) {
  for (int i = 0; i < 2; ++i) {
    if (!is_value(in(n, 1 - i), 1) || in(n, i).dtype() != out_type(n).dtype()) continue;
    Var r;
    if (const Var x = arg(in(n, i), "erf")) r = erfc(x);
    if (const Var x = arg(in(n, i), "erfc")) r = erf(x);
    if (r) return fit(n, i == 1 ? r : neg(r));
  }
  return {};
}
// 1 + erf(x) -> erfc(-x), erf(x) + -1 -> -erfc(x), erfc(x) + -1 -> -erf(x).
Var one_plus_erf(const Apply& n, const Ctx&) {
  for (int i = 0; i < 2; ++i) {
    const Var x = arg(in(n, i), "erf"), y = arg(in(n, i), "erfc");
    if ((!x && !y) || in(n, i).dtype() != out_type(n).dtype()) continue;
    if (x && is_value(in(n, 1 - i), 1)) {
      const Var minus = arg(x, "neg");
      return fit(n, erfc(minus ? minus : neg(x)));
    }
    if (is_value(in(n, 1 - i), -1)) return fit(n, neg(x ? erfc(x) : erf(y)));
  }
  return {};
}

constexpr Rule kExponentials[] = {
    {"log", "log(exp(x) + exp(y)) -> logaddexp(x, y)", log_of_exps},
    {"true_div", "exp(x) / (exp(x) + exp(y)) -> sigmoid(x - y)", exp_over_exps},
    {"true_div", "(exp(x) - exp(-x)) / (exp(x) + exp(-x)) -> tanh(x)", written_tanh},
    {"true_div", "(exp(x) - 1) / (exp(x) + 1) -> tanh(x / 2)", tanh_of_half},
    {"mul", "(g / d) * exp(x) -> g * sigmoid(x - y), d = exp(x) + exp(y)", scaled_exp_over_exps},
    {"inv", "1 / exp(x) -> exp(-x)", inverse_exp},
    {"true_div", "1 / exp(x) -> exp(-x)", inverse_exp},
    {"mul", "exp(x) * exp(y) -> exp(x + y)", exps_joined},
    {"true_div", "exp(x) / exp(y) -> exp(x - y)", exps_joined},
    {"sub", "1 - erf(x) -> erfc(x), 1 - erfc(x) -> erf(x)", one_minus_erf},
    {"add", "1 + erf(x) -> erfc(-x), erf(x) + -1 -> -erfc(x)", one_plus_erf},
};

}  // namespace

std::span<const Rule> exponential_rules() { return kExponentials; }

}  // namespace phintys
