// Softmax, logsumexp, and the gradients of cross entropies.

#include <algorithm>

#include "ops/advanced_subtensor.h"
#include "ops/elemwise.h"
#include "ops/nnet/softmax.h"
#include "ops/reduce.h"
#include "ops/shape_ops.h"
#include "ops/subtensor.h"
#include "passes/match.h"
#include "passes/stabilize.h"

namespace phintys {

namespace {

using Ctx = RuleContext;
using Axes = std::vector<int64_t>;

Var softmax(const Var& x) { return apply(make_ref<Softmax>(), {x}); }
Var log_softmax(const Var& x) { return apply(make_ref<LogSoftmax>(), {x}); }

bool ones_on(const Type& type, const Axes& axes) {
  return std::all_of(axes.begin(), axes.end(),
                     [&](int64_t a) { return type.broadcastable(static_cast<int>(a)); });
}

// sum(exp(x)) over axes.
struct SumExp {
  Var exp, x;
  Axes axes;
};
bool match_sum_exp(const Var& v, SumExp* found) {
  const Apply* r = owner_if(v, Reduce::kName);
  if (!r || op_as<Reduce>(*r).kind != "sum" || op_as<Reduce>(*r).axes.empty()) return false;
  const Apply* e = owner_if(in(*r, 0), "exp");
  if (!e || v.dtype() != in(*e, 0).dtype() || !is_float(v.dtype())) return false;
  *found = {in(*r, 0), in(*e, 0), op_as<Reduce>(*r).axes};
  return true;
}
// The order of a dimshuffle that puts axes of length 1 back where a reduction took them.
Axes keepdims_order(const Axes& axes, int ndim) {
  Axes order;
  int64_t next = 0;
  for (int64_t i = 0; i < ndim; ++i) {
    order.push_back(std::binary_search(axes.begin(), axes.end(), i) ? -1 : next++);
  }
  return order;
}
// The same with keepdims=True.
bool match_kept_sum_exp(const Var& v, SumExp* found) {
  const Apply* d = owner_if(v, DimShuffle::kName);
  return d && match_sum_exp(in(*d, 0), found) &&
         op_as<DimShuffle>(*d).order == keepdims_order(found->axes, found->x.ndim());
}
// True iff x is y - m with m constant along the axes: shifted by its maximum, most likely.
bool shifted(const Var& x, const Axes& axes) {
  const Apply* s = owner_if(x, "sub");
  return s && ones_on(in(*s, 1).type(), axes);
}
// max(x), where that is finite; else 0, so that x - shift never is inf - inf.
Var finite_max(const Var& x, const Axes& axes) {
  const Var m = reduce("max", x, axes);
  return switch_(isinf(m), 0.0, m);
}

Var log_softmax_of_log(const Apply& n, const Ctx&) {
  const Apply* s = owner_if(in(n, 0), Softmax::kName);
  return s ? log_softmax(in(*s, 0)) : Var();
}
// log of chosen or reordered elements of a softmax.
Var log_chosen_softmax(const Apply& n, const Ctx&) {
  const Apply* view = in(n, 0)->owner();
  if (!view || !is_float(out_type(n).dtype())) return {};
  bool moves = false;
  for (const char* name : {AdvancedSubtensor::kName, AdvancedSubtensor1::kName, Subtensor::kName,
                           DimShuffle::kName, Reshape::kName}) {
    moves = moves || owner_if(in(n, 0), name);
  }
  const Apply* s = moves ? owner_if(in(*view, 0), Softmax::kName) : nullptr;
  if (!s) return {};
  std::vector<Var> inputs(view->inputs().begin(), view->inputs().end());
  inputs[0] = log_softmax(in(*s, 0));
  return apply(view->op_ref(), std::move(inputs));
}
// log(sum(exp(x))) -> log(sum(exp(x - m))) + m.
Var log_sum_exp(const Apply& n, const Ctx&) {
  SumExp s;
  const bool kept = match_kept_sum_exp(in(n, 0), &s);
  if (!kept && !match_sum_exp(in(n, 0), &s)) return {};
  if (shifted(s.x, s.axes)) return {};
  const Var m = finite_max(s.x, s.axes);
  const Axes order = keepdims_order(s.axes, s.x.ndim());
  const Var r = log(sum(exp(s.x - dimshuffle(m, order)), s.axes)) + m;
  return kept ? dimshuffle(r, order) : r;
}

// exp(x) / sum(exp(x), keepdims=True).
Var normalized_exp(const SumExp& s) {
  if (s.axes.size() == 1 && s.axes[0] == s.x.ndim() - 1) return softmax(s.x);
  const Axes order = keepdims_order(s.axes, s.x.ndim());
  const Var e = exp(s.x - dimshuffle(finite_max(s.x, s.axes), order));
  return e / dimshuffle(sum(e, s.axes), order);
}
bool worth_normalizing(const SumExp& s) {
  const bool last = s.axes.size() == 1 && s.axes[0] == s.x.ndim() - 1;
  return last || !shifted(s.x, s.axes);
}
Var exp_over_sum(const Apply& n, const Ctx&) {
  SumExp s;
  if (!match_kept_sum_exp(in(n, 1), &s) || !worth_normalizing(s)) return {};
  return same(in(n, 0), s.exp) ? normalized_exp(s) : Var();
}
// (g / sum(exp(x))) * exp(x), from the gradient of logsumexp.
Var scaled_exp_over_sum(const Apply& n, const Ctx&) {
  for (int i = 0; i < 2; ++i) {
    const Apply* q = owner_if(in(n, i), "true_div");
    const Apply* d = q ? nullptr : owner_if(in(n, i), DimShuffle::kName);
    SumExp s;
    if (q && match_kept_sum_exp(in(*q, 1), &s) && same(in(n, 1 - i), s.exp) &&
        worth_normalizing(s) && in(*q, 0).dtype() == s.x.dtype()) {
      return in(*q, 0) * normalized_exp(s);
    }
    // dimshuffle(g / sum(exp(x))) * exp(x): the quotient was formed before the axes came back.
    q = d ? owner_if(in(*d, 0), "true_div") : nullptr;
    if (q && match_sum_exp(in(*q, 1), &s) && same(in(n, 1 - i), s.exp) && worth_normalizing(s) &&
        in(*q, 0).dtype() == s.x.dtype() &&
        op_as<DimShuffle>(*d).order == keepdims_order(s.axes, s.x.ndim())) {
      return dimshuffle(in(*q, 0), op_as<DimShuffle>(*d).order) * normalized_exp(s);
    }
  }
  return {};
}
// The sum of `e` that one of the terms is divided by, which has its axes kept.
bool find_sum_exp(const Apply& terms, const Var& e, SumExp* found) {
  for (int i = 0; i < 2; ++i) {
    const Apply* minus = owner_if(in(terms, i), "neg");
    const Apply* q = owner_if(minus ? in(*minus, 0) : in(terms, i), "true_div");
    if (q && match_kept_sum_exp(in(*q, 1), found) && same(found->exp, e)) return true;
  }
  return false;
}
// v * sum(exp(x)) if v ends in a division by that sum, with or without its axes; else null.
Var times_sum(const Var& v, const SumExp& s, int depth) {
  if (depth > 3 || v.dtype() != s.x.dtype()) return {};
  SumExp found;
  if (const Apply* q = owner_if(v, "true_div")) {
    const bool fits = (match_kept_sum_exp(in(*q, 1), &found) || match_sum_exp(in(*q, 1), &found)) &&
                      same(found.exp, s.exp) && found.axes == s.axes;
    return fits && in(*q, 0).dtype() == s.x.dtype() ? in(*q, 0) : Var();
  }
  if (const Apply* m = owner_if(v, "neg")) {
    const Var r = times_sum(in(*m, 0), s, depth + 1);
    return r ? neg(r) : Var();
  }
  if (const Apply* d = owner_if(v, DimShuffle::kName)) {
    if (op_as<DimShuffle>(*d).order != keepdims_order(s.axes, s.x.ndim())) return {};
    const Var r = times_sum(in(*d, 0), s, depth + 1);
    return r ? dimshuffle(r, op_as<DimShuffle>(*d).order) : Var();
  }
  return {};
}
// (a / sum(exp(x)) + b / sum(exp(x))) * exp(x), the gradient of a softmax that was written out.
Var exp_over_sums(const Apply& n, const Ctx&) {
  for (int i = 0; i < 2; ++i) {
    const Apply* e = owner_if(in(n, i), "exp");
    if (!e || !is_float(out_type(n).dtype())) continue;
    for (const char* name : {"add", "sub"}) {
      const Apply* terms = owner_if(in(n, 1 - i), name);
      SumExp s;
      if (!terms || !find_sum_exp(*terms, in(n, i), &s) || !worth_normalizing(s)) continue;
      const Var a = times_sum(in(*terms, 0), s, 0), b = times_sum(in(*terms, 1), s, 0);
      if (a && b) return fit(n, elemwise(name, {a, b}) * normalized_exp(s));
    }
  }
  return {};
}
// Softmax does not see a shift of its rows.
Var softmax_shifted(const Apply& n, const Ctx&) {
  const Apply* s = owner_if(in(n, 0), "sub");
  const int last = in(n, 0).ndim() - 1;
  if (!s || !in(*s, 1).type().broadcastable(last) || in(*s, 0).dtype() != out_type(n).dtype()) {
    return {};
  }
  // Only a shift by the row's own maximum: another one may turn an infinity into a number.
  const Apply* d = owner_if(in(*s, 1), DimShuffle::kName);
  const Apply* m = d ? owner_if(in(*d, 0), Reduce::kName) : nullptr;
  if (!m || op_as<Reduce>(*m).kind != "max" || !same(in(*m, 0), in(*s, 0))) return {};
  return apply(n.op_ref(), {in(*s, 0)});
}

// --- gradients of cross entropies ------------------------------------------------------------

bool same_inputs(const Apply& a, int from_a, const Apply& b, int from_b) {
  if (a.nin() - from_a != b.nin() - from_b) return false;
  for (int i = 0; i + from_a < a.nin(); ++i) {
    if (!same(in(a, i + from_a), in(b, i + from_b))) return false;
  }
  return true;
}

// True iff both are the softmax of one variable: rules build it more than once.
bool same_softmax(const Var& a, const Var& b) {
  if (same(a, b)) return true;
  const Apply *s = owner_if(a, Softmax::kName), *t = owner_if(b, Softmax::kName);
  return s && t && same(in(*s, 0), in(*t, 0));
}

// v * p without the division by p that v ends in; null if v does not.
Var cancelled(const Var& v, const Var& p) {
  if (const Apply* m = owner_if(v, "neg")) {
    if (owner_if(in(*m, 0), "neg")) return {};  // not canonical; keeps this one level deep
    const Var r = cancelled(in(*m, 0), p);
    return r ? neg(r) : Var();
  }
  if (const Apply* q = owner_if(v, "true_div")) {
    const bool fits = same_softmax(in(*q, 1), p) && in(*q, 0).dtype() == p.dtype();
    return fits && covers(in(*q, 0).type(), p.type()) ? in(*q, 0) : Var();
  }
  // zeros with g / p[index] added at [index].
  const Apply* inc = owner_if(v, AdvancedIncSubtensor::kName);
  if (!inc || op_as<AdvancedIncSubtensor>(*inc).set || !is_value(in(*inc, 0), 0)) return {};
  Var y = in(*inc, 1);
  const Apply* minus = owner_if(y, "neg");
  if (minus) y = in(*minus, 0);
  const Apply* q = owner_if(y, "true_div");
  const Apply* chosen = q ? owner_if(in(*q, 1), AdvancedSubtensor::kName) : nullptr;
  if (!chosen || !same_softmax(in(*chosen, 0), p) || !same_inputs(*inc, 2, *chosen, 1)) return {};
  if (op_as<AdvancedSubtensor>(*chosen).axis != op_as<AdvancedIncSubtensor>(*inc).axis) return {};
  std::vector<Var> inputs(inc->inputs().begin(), inc->inputs().end());
  inputs[1] = minus ? neg(in(*q, 0)) : in(*q, 0);
  return apply(inc->op_ref(), std::move(inputs));
}

// (g / p - s) * p -> g - s * p for p = softmax(x), where p may be 0.
Var softmax_gradient(const Apply& n, const Ctx&) {
  for (int i = 0; i < 2; ++i) {
    const Var &p = in(n, i), &d = in(n, 1 - i);
    if (!owner_if(p, Softmax::kName) || d.dtype() != p.dtype()) continue;
    if (const Var r = cancelled(d, p)) return fit(n, r);
    for (const char* name : {"sub", "add"}) {
      const Apply* s = owner_if(d, name);
      if (!s) continue;
      for (int k = 0; k < 2; ++k) {
        const Var g = cancelled(in(*s, k), p);
        if (!g) continue;
        const Var rest = in(*s, 1 - k) * p;
        return elemwise(name, k == 0 ? std::vector<Var>{g, rest} : std::vector<Var>{rest, g});
      }
    }
  }
  return {};
}

// True iff w is 1 - z for z = sigmoid(x).
bool complement(const Var& w, const Var& z) {
  const Apply* s = owner_if(w, "sub");
  if (s && is_value(in(*s, 0), 1) && alike(in(*s, 1), z)) return true;
  const Apply *a = owner_if(w, "sigmoid"), *b = owner_if(z, "sigmoid");
  if (!a || !b) return false;
  const Apply *u = owner_if(in(*a, 0), "neg"), *v = owner_if(in(*b, 0), "neg");
  return (u && alike(in(*u, 0), in(*b, 0))) || (v && alike(in(*v, 0), in(*a, 0)));
}

// d * z * w where every term of the sum d is divided by z or by w = 1 - z; null otherwise.
Var distribute(const Var& d, const Var& z, const Var& w, int depth) {
  if (depth > 4) return {};
  if (const Apply* m = owner_if(d, "neg")) {
    const Var r = distribute(in(*m, 0), z, w, depth + 1);
    return r ? neg(r) : Var();
  }
  if (const Apply* q = owner_if(d, "true_div")) {
    if (alike(in(*q, 1), z)) return in(*q, 0) * w;
    if (alike(in(*q, 1), w) || complement(in(*q, 1), z)) return in(*q, 0) * z;
    return {};
  }
  for (const char* name : {"add", "sub", "mul"}) {
    const Apply* s = owner_if(d, name);
    if (!s) continue;
    const Var a = distribute(in(*s, 0), z, w, depth + 1);
    if (name[0] == 'm') {
      if (a) return a * in(*s, 1);
      const Var b = distribute(in(*s, 1), z, w, depth + 1);
      return b ? b * in(*s, 0) : Var();
    }
    const Var b = a ? distribute(in(*s, 1), z, w, depth + 1) : Var();
    return b ? elemwise(name, {a, b}) : Var();
  }
  return {};
}

// ((1 - t) / (1 - z) - t / z) * z * (1 - z) for z = sigmoid(x), the gradient of the binary cross
// entropy -> (1 - t) * z - t * (1 - z).
Var sigmoid_gradient(const Apply& n, const Ctx&) {
  if (!is_float(out_type(n).dtype())) return {};
  for (int i = 0; i < 2; ++i) {
    const Apply* inner = owner_if(in(n, i), "mul");
    const Var& w = in(n, 1 - i);
    if (!inner) continue;
    for (int k = 0; k < 2; ++k) {
      const Var &z = in(*inner, k), &d = in(*inner, 1 - k);
      if (complement(w, z)) {
        if (const Var r = distribute(d, z, w, 0)) return fit(n, r);
      }
    }
    // d * (z * (1 - z))
    for (int k = 0; k < 2; ++k) {
      if (!complement(in(*inner, k), in(*inner, 1 - k))) continue;
      if (const Var r = distribute(w, in(*inner, 1 - k), in(*inner, k), 0)) return fit(n, r);
    }
  }
  return {};
}

constexpr Rule kSoftmax[] = {
    {"log", "log(softmax(x)) -> log_softmax(x)", log_softmax_of_log},
    {"log", "log(softmax(x)[i]) -> log_softmax(x)[i]", log_chosen_softmax},
    {"log", "log(sum(exp(x))) -> log(sum(exp(x - m))) + m, m = max(x)", log_sum_exp},
    {"true_div", "exp(x) / sum(exp(x)) -> softmax(x)", exp_over_sum},
    {"mul", "g / sum(exp(x)) * exp(x) -> g * softmax(x)", scaled_exp_over_sum},
    {"mul", "(a / sum(exp(x)) + b / sum(exp(x))) * exp(x) -> (a + b) * softmax(x)", exp_over_sums},
    {"mul", "(g / p - s) * p -> g - s * p, p = softmax(x)", softmax_gradient},
    {"mul", "(a / z + b / (1 - z)) * z * (1 - z) -> a * (1 - z) + b * z", sigmoid_gradient},
    {"softmax", "softmax(x - max(x)) -> softmax(x)", softmax_shifted},
    {"log_softmax", "log_softmax(x - max(x)) -> log_softmax(x)", softmax_shifted},
};

}  // namespace

std::span<const Rule> softmax_rules() { return kSoftmax; }

}  // namespace phintys
