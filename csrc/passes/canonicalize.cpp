#include "passes/canonicalize.h"

#include <cmath>
#include <limits>

#include "ops/elemwise.h"
#include "passes/cancel.h"
#include "passes/match.h"

namespace phintys {

namespace {

using Ctx = RuleContext;

bool floating(const Apply& n) { return is_float(out_type(n).dtype()); }
// Every operand has the dtype of the result: regrouping does not change what is computed in what.
// A constant may have a smaller one, as literals do.
bool one_dtype(const Apply& n) {
  const DType d = out_type(n).dtype();
  for (const Var& v : n.inputs()) {
    if (v.dtype() == d) continue;
    if (!v->is_constant() || promote(v.dtype(), d) != d) return false;
  }
  return true;
}
bool one_float_dtype(const Apply& n) { return floating(n) && one_dtype(n); }

// Rules that may change the sign of a zero. Of a complex number it tells the sides of a branch cut
// apart, so there they would turn log(-1 + 0i) into log(-1 - 0i).
bool zeros_have_sides(const Apply& n) { return is_complex(out_type(n).dtype()); }

// Calls f(a, b) for both orders of a commutative node's operands until it returns something.
template <class F>
Var either(const Apply& n, F&& f) {
  if (Var r = f(in(n, 0), in(n, 1))) return r;
  return f(in(n, 1), in(n, 0));
}

// --- add, sub, neg ---------------------------------------------------------------------------

Var add_zero(const Apply& n, const Ctx&) {
  if (zeros_have_sides(n)) return {};
  return either(n, [&](const Var& a, const Var& b) { return is_value(b, 0) ? fit(n, a) : Var(); });
}
Var add_neg(const Apply& n, const Ctx&) {
  if (!one_dtype(n) || is_bool(out_type(n).dtype())) return {};
  return either(n, [](const Var& a, const Var& b) {
    const Var x = operand(b, "neg");
    return x ? a - x : Var();
  });
}
// Constants of a chain meet: (x + c) + d -> x + (c + d).
Var add_constants(const Apply& n, const Ctx&) {
  if (!one_float_dtype(n)) return {};
  return either(n, [&](const Var& a, const Var& b) -> Var {
    double c, d;
    const Apply* inner = owner_if(a, "add");
    if (!inner || !one_float_dtype(*inner) || !any_value(b, &d)) return {};
    for (int i = 0; i < 2; ++i) {
      if (any_value(in(*inner, i), &c) && std::isfinite(c + d)) {
        return fit(n, in(*inner, 1 - i) + constant(c + d, a.dtype()));
      }
    }
    return {};
  });
}
Var add_undo_sub(const Apply& n, const Ctx&) {
  if (!one_dtype(n)) return {};
  return either(n, [&](const Var& a, const Var& b) {
    const Apply* s = owner_if(a, "sub");
    return s && one_dtype(*s) && same(in(*s, 1), b) ? fit(n, in(*s, 0)) : Var();
  });
}
Var sub_zero(const Apply& n, const Ctx&) {
  return is_value(in(n, 1), 0) ? fit(n, in(n, 0)) : Var();
}
Var zero_sub(const Apply& n, const Ctx&) {
  if (!is_value(in(n, 0), 0) || zeros_have_sides(n)) return {};
  const Var x = fit(n, in(n, 1));
  return x ? neg(x) : Var();
}
Var sub_self(const Apply& n, const Ctx&) { return same(in(n, 0), in(n, 1)) ? fit(n, 0.0) : Var(); }
Var sub_neg(const Apply& n, const Ctx&) {
  const Var x = one_dtype(n) ? operand(in(n, 1), "neg") : Var();
  return x ? in(n, 0) + x : Var();
}
Var sub_undo_add(const Apply& n, const Ctx&) {
  const Apply* s = one_dtype(n) ? owner_if(in(n, 0), "add") : nullptr;
  if (!s || !one_dtype(*s)) return {};
  for (int i = 0; i < 2; ++i) {
    if (same(in(*s, i), in(n, 1))) return fit(n, in(*s, 1 - i));
  }
  return {};
}
Var neg_neg(const Apply& n, const Ctx&) { return operand(in(n, 0), "neg"); }
Var neg_sub(const Apply& n, const Ctx& c) {
  const Apply* s = zeros_have_sides(n) ? nullptr : owner_if(in(n, 0), "sub");
  return s && one_dtype(*s) && c.uses(s->output()) == 1 ? in(*s, 1) - in(*s, 0) : Var();
}
// neg(x * c) -> x * -c, neg(c / x) -> -c / x, neg(x / c) -> x / -c.
Var neg_scaled(const Apply& n, const Ctx& c) {
  for (const char* name : {"mul", "true_div"}) {
    const Apply* m = owner_if(in(n, 0), name);
    if (!m || !one_float_dtype(*m) || c.uses(m->output()) != 1) continue;
    for (int i = 0; i < 2; ++i) {
      double value;
      if (!any_value(in(*m, i), &value)) continue;
      std::vector<Var> inputs(m->inputs().begin(), m->inputs().end());
      inputs[static_cast<size_t>(i)] = constant(-value, out_type(*m).dtype());
      return fit(*m, elemwise(name, std::move(inputs)));
    }
  }
  return {};
}

// --- mul, true_div ---------------------------------------------------------------------------

Var mul_one(const Apply& n, const Ctx&) {
  return either(n, [&](const Var& a, const Var& b) { return is_value(b, 1) ? fit(n, a) : Var(); });
}
Var mul_zero(const Apply& n, const Ctx&) {
  return is_value(in(n, 0), 0) || is_value(in(n, 1), 0) ? fit(n, 0.0) : Var();
}
Var mul_minus_one(const Apply& n, const Ctx&) {
  if (!floating(n)) return {};
  return either(n, [&](const Var& a, const Var& b) -> Var {
    if (!is_value(b, -1)) return {};
    const Var x = fit(n, a);
    return x ? neg(x) : Var();
  });
}
Var mul_neg(const Apply& n, const Ctx&) {
  if (!one_dtype(n) || zeros_have_sides(n)) return {};
  return either(n, [](const Var& a, const Var& b) {
    const Var x = operand(a, "neg");
    return x ? neg(x * b) : Var();
  });
}
Var mul_constants(const Apply& n, const Ctx&) {
  if (!one_float_dtype(n)) return {};
  return either(n, [&](const Var& a, const Var& b) -> Var {
    double c, d;
    if (!any_value(b, &d)) return {};
    const auto usable = [&](double v) { return std::isfinite(v) && std::fabs(v) > 1e-30; };
    if (const Apply* m = owner_if(a, "mul"); m && one_float_dtype(*m)) {
      for (int i = 0; i < 2; ++i) {
        if (any_value(in(*m, i), &c) && usable(c * d)) {
          return fit(n, in(*m, 1 - i) * constant(c * d, a.dtype()));
        }
      }
    }
    if (const Apply* q = owner_if(a, "true_div"); q && one_float_dtype(*q)) {
      if (any_value(in(*q, 0), &c) && usable(c * d)) {
        return fit(n, constant(c * d, a.dtype()) / in(*q, 1));
      }
      if (any_value(in(*q, 1), &c) && usable(d / c)) {
        return fit(n, in(*q, 0) * constant(d / c, a.dtype()));
      }
    }
    return {};
  });
}
// x * inv(y) -> x / y, x * (1 / y) -> x / y.
Var mul_inverse(const Apply& n, const Ctx&) {
  if (!one_float_dtype(n)) return {};
  return either(n, [](const Var& a, const Var& b) -> Var {
    if (const Var y = operand(b, "inv")) return a / y;
    const Apply* q = owner_if(b, "true_div");
    return q && one_float_dtype(*q) && is_value(in(*q, 0), 1) ? a / in(*q, 1) : Var();
  });
}
Var mul_undo_div(const Apply& n, const Ctx&) {
  if (!one_float_dtype(n)) return {};
  return either(n, [&](const Var& a, const Var& b) {
    const Apply* q = owner_if(a, "true_div");
    return q && one_float_dtype(*q) && same(in(*q, 1), b) ? fit(n, in(*q, 0)) : Var();
  });
}
Var div_one(const Apply& n, const Ctx&) { return is_value(in(n, 1), 1) ? fit(n, in(n, 0)) : Var(); }
Var zero_div(const Apply& n, const Ctx&) {
  double d;
  if (!is_value(in(n, 0), 0) || (any_value(in(n, 1), &d) && d == 0)) return {};
  return fit(n, 0.0);
}
Var div_self(const Apply& n, const Ctx&) {
  return same(in(n, 0), in(n, 1)) && !in(n, 0)->is_constant() ? fit(n, 1.0) : Var();
}
Var div_neg(const Apply& n, const Ctx&) {
  if (!one_float_dtype(n)) return {};
  if (const Var x = operand(in(n, 0), "neg")) return neg(x / in(n, 1));
  if (const Var y = operand(in(n, 1), "neg")) return neg(in(n, 0) / y);
  return {};
}
Var div_undo_mul(const Apply& n, const Ctx&) {
  const Apply* m = one_float_dtype(n) ? owner_if(in(n, 0), "mul") : nullptr;
  if (!m || !one_float_dtype(*m)) return {};
  for (int i = 0; i < 2; ++i) {
    if (same(in(*m, i), in(n, 1))) return fit(n, in(*m, 1 - i));
  }
  return {};
}
// sqr(x) / x -> x.
Var div_of_square(const Apply& n, const Ctx&) {
  const Var x = one_float_dtype(n) ? operand(in(n, 0), "sqr") : Var();
  return x && same(x, in(n, 1)) ? fit(n, x) : Var();
}
Var div_constants(const Apply& n, const Ctx&) {
  double c, d;
  if (!one_float_dtype(n) || !any_value(in(n, 1), &d) || d == 0) return {};
  if (const Apply* m = owner_if(in(n, 0), "mul"); m && one_float_dtype(*m)) {
    for (int i = 0; i < 2; ++i) {
      if (any_value(in(*m, i), &c) && std::isfinite(c / d) && c != 0) {
        return fit(n, in(*m, 1 - i) * constant(c / d, out_type(n).dtype()));
      }
    }
  }
  const Apply* q = owner_if(in(n, 0), "true_div");
  if (q && one_float_dtype(*q) && any_value(in(*q, 1), &c) && std::isfinite(c * d) && c * d != 0) {
    return fit(n, in(*q, 0) / constant(c * d, out_type(n).dtype()));
  }
  return {};
}
// x / inv(y) -> x * y.
Var div_inverse(const Apply& n, const Ctx&) {
  const Var y = one_float_dtype(n) ? operand(in(n, 1), "inv") : Var();
  return y ? in(n, 0) * y : Var();
}
Var inverse_div(const Apply& n, const Ctx&) {
  const Apply* q = owner_if(in(n, 0), "true_div");
  return q && one_float_dtype(*q) ? in(*q, 1) / in(*q, 0) : Var();
}
Var int_div_one(const Apply& n, const Ctx&) {
  return is_discrete(out_type(n).dtype()) && is_value(in(n, 1), 1) ? fit(n, in(n, 0)) : Var();
}

// --- pow, exp, log and friends ---------------------------------------------------------------

Var pow_constant(const Apply& n, const Ctx&) {
  double c;
  if (!any_value(in(n, 1), &c)) return {};
  if (c == 0) return fit(n, 1.0);
  const Var x = fit(n, in(n, 0));
  if (!x) return {};
  if (c == 1) return x;
  if (c == 2) return sqr(x);
  if (!is_continuous(out_type(n).dtype())) return {};
  // As the power itself does: inv gives complex zeros another sign.
  const auto inverse = [](const Var& v) { return is_complex(v.dtype()) ? 1.0 / v : inv(v); };
  if (c == -1) return inverse(x);
  if (c == 0.5) return sqrt(x);
  if (c == -0.5) return inverse(sqrt(x));
  if (c == -2) return inverse(sqr(x));
  return {};
}
Var pow_of_one(const Apply& n, const Ctx&) { return is_value(in(n, 0), 1) ? fit(n, 1.0) : Var(); }
Var exp_log(const Apply& n, const Ctx&) {
  const Var x = operand(in(n, 0), "log");
  if (x && is_complex(x.dtype())) return x;
  return x ? switch_(ge(x, constant(0, x.dtype())), x, std::numeric_limits<double>::quiet_NaN())
           : Var();
}
// The logarithm of a complex number forgets whole turns.
Var log_exp(const Apply& n, const Ctx&) {
  return is_complex(out_type(n).dtype()) ? Var() : operand(in(n, 0), "exp");
}
Var exp_log1p(const Apply& n, const Ctx&) {
  const Var x = operand(in(n, 0), "log1p");
  if (x && is_complex(x.dtype())) return x + 1.0;
  return x ? switch_(ge(x, constant(-1, x.dtype())), x + 1.0,
                     std::numeric_limits<double>::quiet_NaN())
           : Var();
}
Var sqr_sqrt(const Apply& n, const Ctx&) {
  const Var x = operand(in(n, 0), "sqrt");
  if (x && is_complex(x.dtype())) return x;
  return x ? switch_(ge(x, constant(0, x.dtype())), x, std::numeric_limits<double>::quiet_NaN())
           : Var();
}
Var inv_inv(const Apply& n, const Ctx&) { return operand(in(n, 0), "inv"); }
Var sqr_even(const Apply& n, const Ctx&) {
  for (const char* name : {"neg", "abs_"}) {
    if (const Var x = operand(in(n, 0), name)) return sqr(x);
  }
  return {};
}
Var abs_even(const Apply& n, const Ctx&) {
  if (is_unsigned_int(out_type(n).dtype())) return {};
  for (const char* name : {"neg", "abs_", "conj"}) {
    if (const Var x = operand(in(n, 0), name)) return abs_(x);
  }
  if (is_complex(in(n, 0).dtype())) return {};
  for (const char* name : {"sqr", "exp"}) {
    if (operand(in(n, 0), name)) return in(n, 0);
  }
  return {};
}

// --- parts of complex numbers ------------------------------------------------------------------

// A complex number that is a real one: that one.
Var cast_from_real(const Var& v) {
  const Apply* c = owner_if(v, "cast");
  return c && !is_complex(in(*c, 0).dtype()) ? in(*c, 0) : Var();
}
Var real_of_known(const Apply& n, const Ctx&) {
  const Var& z = in(n, 0);
  if (const Var x = operand(z, "conj")) return real(x);
  if (const Apply* c = owner_if(z, "complex")) return fit(n, in(*c, 0));
  const Var x = cast_from_real(z);
  return x ? fit(n, x) : Var();
}
Var imag_of_known(const Apply& n, const Ctx&) {
  const Var& z = in(n, 0);
  if (const Var x = operand(z, "conj")) return neg(imag(x));
  if (const Apply* c = owner_if(z, "complex")) return fit(n, in(*c, 1));
  return cast_from_real(z) ? fit(n, 0.0) : Var();
}
Var conj_of_known(const Apply& n, const Ctx&) {
  if (const Var x = operand(in(n, 0), "conj")) return x;
  if (const Apply* c = owner_if(in(n, 0), "complex")) {
    return complex_of(in(*c, 0), neg(cast(in(*c, 1), real_of(out_type(n).dtype()))));
  }
  return {};
}
Var complex_of_parts(const Apply& n, const Ctx&) {
  const Apply* re = owner_if(in(n, 0), "real");
  const Apply* im = owner_if(in(n, 1), "imag");
  return re && im && same(in(*re, 0), in(*im, 0)) ? fit(n, in(*re, 0)) : Var();
}

// --- selection, logic, casts -----------------------------------------------------------------

Var both_same(const Apply& n, const Ctx&) {
  return same(in(n, 0), in(n, 1)) ? fit(n, in(n, 0)) : Var();
}
Var switch_constant(const Apply& n, const Ctx&) {
  double c;
  return any_value(in(n, 0), &c) ? fit(n, in(n, c != 0 ? 1 : 2)) : Var();
}
Var switch_same(const Apply& n, const Ctx&) {
  return same(in(n, 1), in(n, 2)) ? fit(n, in(n, 1)) : Var();
}
Var identity(const Apply& n, const Ctx&) { return in(n, 0); }
// Every value of `from` has exactly one counterpart in `to`.
bool lossless(DType from, DType to) { return promote(from, to) == to; }
Var cast_same(const Apply& n, const Ctx&) {
  return in(n, 0).dtype() == out_type(n).dtype() ? in(n, 0) : Var();
}
Var cast_cast(const Apply& n, const Ctx&) {
  const Apply* c = owner_if(in(n, 0), "cast");
  return c && lossless(in(*c, 0).dtype(), in(n, 0).dtype()) ? cast(in(*c, 0), out_type(n).dtype())
                                                            : Var();
}
Var not_not(const Apply& n, const Ctx&) { return operand(in(n, 0), "invert"); }

constexpr Rule kArithmetic[] = {
    {"add", "x + 0 -> x", add_zero},
    {"add", "x + neg(y) -> x - y", add_neg},
    {"add", "(x + c) + d -> x + (c + d)", add_constants},
    {"add", "(x - y) + y -> x", add_undo_sub},
    {"sub", "x - 0 -> x", sub_zero},
    {"sub", "0 - x -> neg(x)", zero_sub},
    {"sub", "x - x -> 0", sub_self},
    {"sub", "x - neg(y) -> x + y", sub_neg},
    {"sub", "(x + y) - y -> x", sub_undo_add},
    {"neg", "neg(neg(x)) -> x", neg_neg},
    {"neg", "neg(x - y) -> y - x", neg_sub},
    {"neg", "neg(x * c) -> x * -c", neg_scaled},
    {"mul", "x * 1 -> x", mul_one},
    {"mul", "x * 0 -> 0", mul_zero},
    {"mul", "x * -1 -> neg(x)", mul_minus_one},
    {"mul", "neg(x) * y -> neg(x * y)", mul_neg},
    {"mul", "(x * c) * d -> x * (c * d)", mul_constants},
    {"mul", "x * inv(y) -> x / y", mul_inverse},
    {"mul", "(x / y) * y -> x", mul_undo_div},
    {"true_div", "x / 1 -> x", div_one},
    {"true_div", "0 / x -> 0", zero_div},
    {"true_div", "x / x -> 1", div_self},
    {"true_div", "neg(x) / y -> neg(x / y)", div_neg},
    {"true_div", "(x * y) / y -> x", div_undo_mul},
    {"true_div", "sqr(x) / x -> x", div_of_square},
    {"true_div", "(x * c) / d -> x * (c / d)", div_constants},
    {"true_div", "x / inv(y) -> x * y", div_inverse},
    {"inv", "inv(inv(x)) -> x", inv_inv},
    {"inv", "inv(x / y) -> y / x", inverse_div},
    {"int_div", "x // 1 -> x", int_div_one},
    {"pow", "x ** c for c in 0, 1, 2, -1, -2, 0.5, -0.5", pow_constant},
    {"pow", "1 ** x -> 1", pow_of_one},
    {"exp", "exp(log(x)) -> x if x >= 0 else nan", exp_log},
    {"exp", "exp(log1p(x)) -> x + 1 if x >= -1 else nan", exp_log1p},
    {"log", "log(exp(x)) -> x", log_exp},
    {"sqr", "sqr(sqrt(x)) -> x if x >= 0 else nan", sqr_sqrt},
    {"sqr", "sqr(neg(x)) -> sqr(x)", sqr_even},
    {"abs_", "abs(neg(x)) -> abs(x), abs(conj(x)) -> abs(x)", abs_even},
    {"real", "real part of conj, complex or a cast", real_of_known},
    {"imag", "imaginary part of conj, complex or a cast", imag_of_known},
    {"conj", "conj(conj(z)) -> z, conj(complex(x, y)) -> complex(x, -y)", conj_of_known},
    {"complex", "complex(real(z), imag(z)) -> z", complex_of_parts},
    {"maximum", "maximum(x, x) -> x", both_same},
    {"minimum", "minimum(x, x) -> x", both_same},
    {"and_", "x & x -> x", both_same},
    {"or_", "x | x -> x", both_same},
    {"switch", "switch(constant, x, y) -> x or y", switch_constant},
    {"switch", "switch(c, x, x) -> x", switch_same},
    {"invert", "~~x -> x", not_not},
    {"identity", "identity(x) -> x", identity},
    {"cast", "cast to the same dtype -> x", cast_same},
    {"cast", "cast(cast(x)) -> cast(x) if the inner one loses nothing", cast_cast},
};

}  // namespace

std::span<const Rule> arithmetic_rules() { return kArithmetic; }

void canonicalize(Graph& graph) {
  static const RuleSet rules{arithmetic_rules(), logic_rules(),  fill_rules(),  view_rules(),
                             index_rules(),      reduce_rules(), choice_rules()};
  split_choices(graph);
  rewrite_to_fixpoint(graph, rules);
  if (cancel_in_chains(graph)) rewrite_to_fixpoint(graph, rules);
}

}  // namespace phintys
