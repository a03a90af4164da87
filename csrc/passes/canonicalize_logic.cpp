// Comparisons, logic, selection, and functions of functions.

#include <cmath>
#include <limits>

#include "ops/shape_ops.h"
#include "passes/canonicalize.h"
#include "passes/match.h"

namespace phintys {

namespace {

using Ctx = RuleContext;

bool real_floating(const Var& v) { return is_float(v.dtype()); }
bool is_op(const Apply& n, std::string_view name) { return name == n.op().name(); }

// --- comparisons -----------------------------------------------------------------------------

// A NaN is unlike itself, so x == x stays for floating x (it is how programs look for NaN).
Var compare_self(const Apply& n, const Ctx&) {
  if (!same(in(n, 0), in(n, 1))) return {};
  if (is_op(n, "lt") || is_op(n, "gt")) return fit(n, 0.0);
  if (!is_discrete(in(n, 0).dtype())) return {};
  return fit(n, is_op(n, "neq") ? 0.0 : 1.0);
}
// What a length can be compared with and the answer is known: numbers below it, or 0 at most.
Var compare_length(const Apply& n, const Ctx&) {
  for (int i = 0; i < 2; ++i) {
    double c;
    if (!any_value(in(n, 1 - i), &c) || !(c <= 0) || in(n, i)->is_constant()) continue;
    if (!is_discrete(in(n, i).dtype()) || !never_negative(in(n, i).get())) continue;
    // In the order length, constant.
    const bool swapped = i == 1;
    if (is_op(n, swapped ? "gt" : "lt")) return fit(n, 0.0);
    if (is_op(n, swapped ? "le" : "ge")) return fit(n, 1.0);
    if (c == 0) continue;
    const bool holds = is_op(n, swapped ? "lt" : "gt") || is_op(n, "neq");
    return fit(n, holds ? 1.0 : 0.0);
  }
  return {};
}
// maximum(length, 0) -> length, minimum(length, 0) -> 0.
Var limit_length(const Apply& n, const Ctx&) {
  for (int i = 0; i < 2; ++i) {
    double c;
    if (!any_value(in(n, 1 - i), &c) || !(c <= 0) || in(n, i)->is_constant()) continue;
    if (!is_discrete(in(n, i).dtype()) || !never_negative(in(n, i).get())) continue;
    return fit(n, in(n, is_op(n, "maximum") ? i : 1 - i));
  }
  return {};
}
// maximum(maximum(x, y), y) -> maximum(x, y), and the like.
Var absorbed(const Apply& n, const Ctx&) {
  for (int i = 0; i < 2; ++i) {
    const Apply* inner = owner_if(in(n, i), n.op().name());
    if (!inner || in(n, i).dtype() != out_type(n).dtype()) continue;
    for (int k = 0; k < 2; ++k) {
      if (same(in(*inner, k), in(n, 1 - i))) return fit(n, in(n, i));
    }
  }
  return {};
}

// --- bits ------------------------------------------------------------------------------------

// True iff every bit of `v`, seen in dtype `d`, is 1.
bool all_ones(const Var& v, DType d) {
  if (is_bool(d)) return is_value(v, 1);
  return !is_unsigned_int(d) && !is_unsigned_int(v.dtype()) && is_value(v, -1);
}
Var bits_constant(const Apply& n, const Ctx&) {
  for (int i = 0; i < 2; ++i) {
    const Var &x = in(n, 1 - i), &c = in(n, i);
    if (is_op(n, "and_")) {
      if (is_value(c, 0)) return fit(n, 0.0);
      if (all_ones(c, out_type(n).dtype())) return fit(n, x);
      continue;
    }
    if (is_value(c, 0)) return fit(n, x);
    if (is_op(n, "or_") && all_ones(c, out_type(n).dtype())) return fit(n, c);
  }
  return {};
}
Var xor_self(const Apply& n, const Ctx&) { return same(in(n, 0), in(n, 1)) ? fit(n, 0.0) : Var(); }

// --- selection -------------------------------------------------------------------------------

Var switch_not(const Apply& n, const Ctx&) {
  const Apply* c = owner_if(in(n, 0), "invert");
  if (!c || !is_bool(in(*c, 0).dtype())) return {};
  return fit(n, switch_(in(*c, 0), in(n, 2), in(n, 1)));
}
// switch(c, switch(c, x, y), z) -> switch(c, x, z).
Var switch_nested(const Apply& n, const Ctx&) {
  for (int i = 1; i < 3; ++i) {
    const Apply* inner = owner_if(in(n, i), "switch");
    if (!inner || !same(in(*inner, 0), in(n, 0))) continue;
    if (in(*inner, i).dtype() != in(n, i).dtype()) continue;
    return fit(n, i == 1 ? switch_(in(n, 0), in(*inner, 1), in(n, 2))
                         : switch_(in(n, 0), in(n, 1), in(*inner, 2)));
  }
  return {};
}
// f(switch(c, 1, x), switch(c, 2, y)) -> switch(c, f(1, 2), f(x, y)): where the constants fold,
// otherwise it would be more work.
Var switches_of_one(const Apply& n, const Ctx& ctx) {
  const Apply *a = owner_if(in(n, 0), "switch"), *b = owner_if(in(n, 1), "switch");
  if (!a || !b || a == b || !same(in(*a, 0), in(*b, 0))) return {};
  if (ctx.uses(a->output()) != 1 || ctx.uses(b->output()) != 1) return {};
  const DType d = out_type(n).dtype();
  if (!is_float(d)) return {};
  bool folds = false;
  Var branches[2];
  for (int i = 1; i < 3; ++i) {
    double c;
    const bool constants = any_value(in(*a, i), &c) && any_value(in(*b, i), &c);
    folds = folds || constants;
    // Literals have small dtypes of their own; the sum of two would be computed in that.
    if (!constants && in(*a, i).dtype() != d && in(*b, i).dtype() != d) return {};
    branches[i - 1] = apply(n.op_ref(), {cast(in(*a, i), d), cast(in(*b, i), d)});
  }
  return folds ? fit(n, switch_(in(*a, 0), branches[0], branches[1])) : Var();
}
// switch(c, 0, x) * y -> switch(c, 0, x * y), the same of a quotient: gradients of the branch that
// was not taken stay 0 even if y is infinite.
Var sink_switch(const Apply& n, const Ctx& ctx) {
  const DType d = out_type(n).dtype();
  if (!is_float(d) || in(n, 0).dtype() != d || in(n, 1).dtype() != d) return {};
  for (int i = 0; i < (is_op(n, "mul") ? 2 : 1); ++i) {
    const Apply* s = owner_if(in(n, i), "switch");
    if (!s || ctx.uses(s->output()) != 1) continue;
    for (int branch = 1; branch < 3; ++branch) {
      const Var &zero = in(*s, branch), &other = in(*s, 3 - branch);
      if (!is_value(zero, 0) || other.dtype() != d) continue;
      const Var r =
          i == 0 ? apply(n.op_ref(), {other, in(n, 1)}) : apply(n.op_ref(), {in(n, 0), other});
      return fit(n, branch == 1 ? switch_(in(*s, 0), 0.0, r) : switch_(in(*s, 0), r, 0.0));
    }
  }
  return {};
}

// --- functions of functions ------------------------------------------------------------------

// outer(inner(x)) is x for low <= x <= high, and NaN elsewhere.
struct InversePair {
  const char *outer, *inner;
  double low, high;
};
constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr InversePair kInverses[] = {
    {"tanh", "arctanh", -1, 1},
    {"arctanh", "tanh", -kInf, kInf},
    {"sinh", "arcsinh", -kInf, kInf},
    {"arcsinh", "sinh", -kInf, kInf},
    {"cosh", "arccosh", 1, kInf},
    {"sin", "arcsin", -1, 1},
    {"cos", "arccos", -1, 1},
    {"tan", "arctan", -kInf, kInf},
    {"deg2rad", "rad2deg", -kInf, kInf},
    {"rad2deg", "deg2rad", -kInf, kInf},
    {"exp2", "log2", 0, kInf},
    {"log2", "exp2", -kInf, kInf},
    {"expm1", "log1p", -1, kInf},
    {"log1p", "expm1", -kInf, kInf},
    {"erf", "erfinv", -1, 1},
    {"erfinv", "erf", -kInf, kInf},
    {"erfc", "erfcinv", 0, 2},
    {"erfcinv", "erfc", -kInf, kInf},
    {"sigmoid", "logit", 0, 1},
    {"logit", "sigmoid", -kInf, kInf},
    {"ndtr", "ndtri", 0, 1},
    {"ndtri", "ndtr", -kInf, kInf},
    {"log_ndtr", "ndtri_exp", -kInf, 0},
    {"ndtri_exp", "log_ndtr", -kInf, kInf},
};
Var inverse_function(const Apply& n, const Ctx&) {
  const Apply* f = in(n, 0)->owner();
  if (!f || f->nin() != 1 || !real_floating(n.output())) return {};
  for (const InversePair& p : kInverses) {
    if (!is_op(n, p.outer) || !is_op(*f, p.inner)) continue;
    const Var& x = in(*f, 0);
    if (x.dtype() != out_type(n).dtype()) return {};
    const double nan = std::numeric_limits<double>::quiet_NaN();
    Var r = x;
    if (p.high < kInf) r = switch_(le(x, constant(p.high, x.dtype())), r, nan);
    if (p.low > -kInf) r = switch_(ge(x, constant(p.low, x.dtype())), r, nan);
    return r;
  }
  return {};
}
Var arccosh_cosh(const Apply& n, const Ctx&) {
  const Var x = operand(in(n, 0), "cosh");
  return x && real_floating(x) ? abs_(x) : Var();
}
// Of what is a whole number already.
Var round_whole(const Apply& n, const Ctx&) {
  if (!real_floating(n.output())) return {};
  for (const char* name :
       {"floor", "ceil", "trunc", "round_half_to_even", "round_half_away_from_zero"}) {
    if (operand(in(n, 0), name)) return in(n, 0);
  }
  return {};
}
Var sgn_sgn(const Apply& n, const Ctx&) {
  return !is_complex(out_type(n).dtype()) && operand(in(n, 0), "sgn") ? in(n, 0) : Var();
}
// f(neg(x)), f(abs(x)) -> f(x) of even functions.
Var even_function(const Apply& n, const Ctx&) {
  for (const char* name : {"neg", "abs_"}) {
    const Var x = operand(in(n, 0), name);
    if (x && real_floating(x)) return apply(n.op_ref(), {x});
  }
  return {};
}
// |x| * |y| -> |x * y|, |x| / |y| -> |x / y|.
Var join_abs(const Apply& n, const Ctx& ctx) {
  const Var x = operand(in(n, 0), "abs_"), y = operand(in(n, 1), "abs_");
  if (!x || !y || !real_floating(x) || x.dtype() != y.dtype()) return {};
  if (ctx.uses(in(n, 0).get()) != 1 || ctx.uses(in(n, 1).get()) != 1) return {};
  return abs_(apply(n.op_ref(), {x, y}));
}
Var zero_mod(const Apply& n, const Ctx&) {
  return is_discrete(out_type(n).dtype()) && is_value(in(n, 0), 0) ? fit(n, 0.0) : Var();
}
Var mod_one(const Apply& n, const Ctx&) {
  return is_discrete(out_type(n).dtype()) && is_value(in(n, 1), 1) ? fit(n, 0.0) : Var();
}

constexpr Rule kLogic[] = {
    {"eq", "x == x -> true, for integers", compare_self},
    {"neq", "x != x -> false, for integers", compare_self},
    {"lt", "x < x -> false", compare_self},
    {"gt", "x > x -> false", compare_self},
    {"le", "x <= x -> true, for integers", compare_self},
    {"ge", "x >= x -> true, for integers", compare_self},
    {"eq", "length == -1 -> false", compare_length},
    {"neq", "length != -1 -> true", compare_length},
    {"lt", "length < 0 -> false, -1 < length -> true", compare_length},
    {"gt", "length > -1 -> true, 0 > length -> false", compare_length},
    {"le", "length <= -1 -> false, 0 <= length -> true", compare_length},
    {"ge", "length >= 0 -> true, -1 >= length -> false", compare_length},
    {"maximum", "maximum(length, 0) -> length", limit_length},
    {"minimum", "minimum(length, 0) -> 0", limit_length},
    {"maximum", "maximum(maximum(x, y), y) -> maximum(x, y)", absorbed},
    {"minimum", "minimum(minimum(x, y), y) -> minimum(x, y)", absorbed},
    {"and_", "x & 0 -> 0, x & -1 -> x", bits_constant},
    {"or_", "x | 0 -> x, x | -1 -> -1", bits_constant},
    {"xor", "x ^ 0 -> x", bits_constant},
    {"and_", "(x & y) & y -> x & y", absorbed},
    {"or_", "(x | y) | y -> x | y", absorbed},
    {"xor", "x ^ x -> 0", xor_self},
    {"switch", "switch(~c, x, y) -> switch(c, y, x)", switch_not},
    {"switch", "switch(c, switch(c, x, y), z) -> switch(c, x, z)", switch_nested},
    {"add", "switch(c, 1, x) + switch(c, 2, y) -> switch(c, 3, x + y)", switches_of_one},
    {"sub", "switch(c, 1, x) - switch(c, 2, y) -> switch(c, -1, x - y)", switches_of_one},
    {"mul", "switch(c, 1, x) * switch(c, 2, y) -> switch(c, 2, x * y)", switches_of_one},
    {"true_div", "switch(c, 1, x) / switch(c, 2, y) -> switch(c, 0.5, x / y)", switches_of_one},
    {"mul", "switch(c, 0, x) * y -> switch(c, 0, x * y)", sink_switch},
    {"true_div", "switch(c, 0, x) / y -> switch(c, 0, x / y)", sink_switch},
    {"tanh", "tanh(arctanh(x)) -> x if |x| <= 1 else nan", inverse_function},
    {"arctanh", "arctanh(tanh(x)) -> x", inverse_function},
    {"sinh", "sinh(arcsinh(x)) -> x", inverse_function},
    {"arcsinh", "arcsinh(sinh(x)) -> x", inverse_function},
    {"cosh", "cosh(arccosh(x)) -> x if x >= 1 else nan", inverse_function},
    {"arccosh", "arccosh(cosh(x)) -> |x|", arccosh_cosh},
    {"sin", "sin(arcsin(x)) -> x if |x| <= 1 else nan", inverse_function},
    {"cos", "cos(arccos(x)) -> x if |x| <= 1 else nan", inverse_function},
    {"tan", "tan(arctan(x)) -> x", inverse_function},
    {"deg2rad", "deg2rad(rad2deg(x)) -> x", inverse_function},
    {"rad2deg", "rad2deg(deg2rad(x)) -> x", inverse_function},
    {"exp2", "exp2(log2(x)) -> x if x >= 0 else nan", inverse_function},
    {"log2", "log2(exp2(x)) -> x", inverse_function},
    {"expm1", "expm1(log1p(x)) -> x if x >= -1 else nan", inverse_function},
    {"log1p", "log1p(expm1(x)) -> x", inverse_function},
    {"erf", "erf(erfinv(x)) -> x if |x| <= 1 else nan", inverse_function},
    {"erfinv", "erfinv(erf(x)) -> x", inverse_function},
    {"erfc", "erfc(erfcinv(x)) -> x if 0 <= x <= 2 else nan", inverse_function},
    {"erfcinv", "erfcinv(erfc(x)) -> x", inverse_function},
    {"sigmoid", "sigmoid(logit(x)) -> x if 0 <= x <= 1 else nan", inverse_function},
    {"logit", "logit(sigmoid(x)) -> x", inverse_function},
    {"ndtr", "ndtr(ndtri(x)) -> x if 0 <= x <= 1 else nan", inverse_function},
    {"ndtri", "ndtri(ndtr(x)) -> x", inverse_function},
    {"log_ndtr", "log_ndtr(ndtri_exp(x)) -> x if x <= 0 else nan", inverse_function},
    {"ndtri_exp", "ndtri_exp(log_ndtr(x)) -> x", inverse_function},
    {"floor", "floor(floor(x)) -> floor(x), of any rounding", round_whole},
    {"ceil", "ceil(floor(x)) -> floor(x)", round_whole},
    {"trunc", "trunc(floor(x)) -> floor(x)", round_whole},
    {"round_half_to_even", "round(floor(x)) -> floor(x)", round_whole},
    {"round_half_away_from_zero", "round(floor(x)) -> floor(x)", round_whole},
    {"sgn", "sgn(sgn(x)) -> sgn(x)", sgn_sgn},
    {"cos", "cos(-x) -> cos(x)", even_function},
    {"cosh", "cosh(-x) -> cosh(x)", even_function},
    {"mul", "|x| * |y| -> |x * y|", join_abs},
    {"true_div", "|x| / |y| -> |x / y|", join_abs},
    {"mod", "x % 1 -> 0, for integers", mod_one},
    {"mod", "0 % x -> 0, for integers", zero_mod},
    {"int_div", "0 // x -> 0, for integers", zero_mod},
};

}  // namespace

std::span<const Rule> logic_rules() { return kLogic; }

}  // namespace phintys
