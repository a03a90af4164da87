#include "passes/specialize.h"

#include <cmath>

#include "ops/advanced_subtensor.h"
#include "ops/dot.h"
#include "ops/elemwise.h"
#include "ops/nnet/softmax.h"
#include "ops/nnet/softmax_grad.h"
#include "ops/reduce.h"
#include "ops/shape_ops.h"
#include "ops/subtensor.h"
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
  if ((d != DType::f32 && d != DType::f64) || in(n, 0).dtype() != d || !in(n, 1)->is_constant()) {
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

// f(x).T -> f(x.T) of one operand, where elementwise ops use it: they fuse with f, and f(x) is not
// stored.
Var transposed_function(const Apply& n, const Ctx& c) {
  const Apply* f = in(n, 0)->owner();
  const DimShuffle& op = op_as<DimShuffle>(n);
  if (!f || c.uses(f->output()) != 1 || !as_elemwise(f->op())) return {};
  if (!op.is_permutation(in(n, 0).ndim())) return {};
  for (const Client& user : c.graph.clients(n.output())) {
    if (!user.node || !as_elemwise(user.node->op())) return {};
  }
  int operands = 0;
  std::vector<Var> inputs;
  for (const Var& v : f->inputs()) {
    operands += !v->is_constant();
    inputs.push_back(dimshuffle(v, op.order));
  }
  return operands == 1 ? phintys::apply(f->op_ref(), std::move(inputs)) : Var();
}
// If `v` is the sum of x over its last axis, kept with length 1: x.
Var kept_row_sum(const Var& v) {
  const Apply* d = owner_if(v, DimShuffle::kName);
  const Apply* r = d ? owner_if(in(*d, 0), Reduce::kName) : nullptr;
  if (!r || op_as<Reduce>(*r).kind != "sum" || v.ndim() != in(*r, 0).ndim()) return {};
  const int64_t last = v.ndim() - 1;
  std::vector<int64_t> order;
  for (int64_t i = 0; i < last; ++i) order.push_back(i);
  order.push_back(-1);
  const bool rows = op_as<Reduce>(*r).axes == std::vector<int64_t>{last};
  return rows && op_as<DimShuffle>(*d).order == order ? in(*r, 0) : Var();
}
Var softmax_gradient_op(const Var& g, const Var& z, bool log, const Type& type) {
  const bool plain = type.dtype() == DType::f32 || type.dtype() == DType::f64;
  if (!plain || g.dtype() != type.dtype() || z.dtype() != type.dtype()) return {};
  if (!g.type().same_pattern(z.type()) || !z.type().same_pattern(type)) return {};
  auto op = make_ref<SoftmaxGrad>();
  op->log = log;
  return apply(Ref<const Op>(op), {g, z});
}
Var softmax_grad_rows(const Apply& n, const Ctx&) {
  for (int i = 0; i < 2; ++i) {
    const Var& z = in(n, i);
    const Apply* s = owner_if(z, Softmax::kName) ? owner_if(in(n, 1 - i), "sub") : nullptr;
    const Var total = s ? kept_row_sum(in(*s, 1)) : Var();
    const Apply* product = total ? owner_if(total, "mul") : nullptr;
    for (int k = 0; product && k < 2; ++k) {
      if (same(in(*product, k), z) && same(in(*product, 1 - k), in(*s, 0))) {
        return softmax_gradient_op(in(*s, 0), z, false, out_type(n));
      }
    }
  }
  return {};
}
Var log_softmax_grad_rows(const Apply& n, const Ctx&) {
  const Apply* product = owner_if(in(n, 1), "mul");
  for (int k = 0; product && k < 2; ++k) {
    const Apply* e = owner_if(in(*product, k), "exp");
    const Var g = e ? kept_row_sum(in(*product, 1 - k)) : Var();
    if (g && same(g, in(n, 0)) && owner_if(in(*e, 0), LogSoftmax::kName)) {
      return softmax_gradient_op(g, in(*e, 0), true, out_type(n));
    }
  }
  return {};
}
// True iff `rows` is arange(len(y)).
bool counts(const Var& rows, const Var& y) {
  const Apply* r = owner_if(rows, ARange::kName);
  const Apply* length = r ? owner_if(in(*r, 1), ShapeI::kName) : nullptr;
  return length && same(in(*length, 0), y) && y.ndim() == 1 && is_value(in(*r, 0), 0) &&
         is_value(in(*r, 2), 1);
}
// zeros with v added at [arange(len(y)), y], less p times the sums of its rows, p = softmax(x).
Var crossentropy_grad_rows(const Apply& n, const Ctx& c) {
  const Apply* inc = owner_if(in(n, 0), AdvancedIncSubtensor::kName);
  const Apply* product = inc ? owner_if(in(n, 1), "mul") : nullptr;
  if (!product || inc->nin() != 4 || op_as<AdvancedIncSubtensor>(*inc).set ||
      op_as<AdvancedIncSubtensor>(*inc).axis != 0 || !is_value(in(*inc, 0), 0)) {
    return {};
  }
  const DType d = out_type(n).dtype();
  const Var &v = in(*inc, 1), &y = in(*inc, 3);
  if ((d != DType::f32 && d != DType::f64) || v.ndim() != 1 || v.dtype() != d ||
      in(*inc, 0).dtype() != d || !is_int(y.dtype()) || !counts(in(*inc, 2), y)) {
    return {};
  }
  for (int k = 0; k < 2; ++k) {
    const Var sums = kept_row_sum(in(*product, k));
    const Var& p = in(*product, 1 - k);
    const Apply* s = sums && same(sums, in(n, 0)) ? owner_if(p, Softmax::kName) : nullptr;
    if (!s || p.ndim() != 2 || p.dtype() != d || !p.type().same_pattern(out_type(n))) continue;
    auto op = make_ref<CrossentropySoftmaxGrad>();
    Var z = p;
    // The loss itself mostly needs the logarithm: one exponential less.
    for (const auto& client : c.graph.clients(in(*s, 0).get())) {
      if (!client.node || client.node->op().name() != std::string_view(LogSoftmax::kName)) continue;
      z = client.node->output();
      op->log = true;
      break;
    }
    return apply(Ref<const Op>(op), {v, z, y});
  }
  return {};
}
// (x / y + z) * y -> x + z * y: a division less.
Var undo_division(const Apply& n, const Ctx& c) {
  const DType d = out_type(n).dtype();
  if (!is_float(d)) return {};
  for (int i = 0; i < 2; ++i) {
    const Var& y = in(n, 1 - i);
    const Apply* s = owner_if(in(n, i), "add");
    if (!s) s = owner_if(in(n, i), "sub");
    if (!s || y.dtype() != d || c.uses(s->output()) != 1) continue;
    for (int k = 0; k < 2; ++k) {
      const Apply* q = owner_if(in(*s, k), "true_div");
      if (!q || !same(in(*q, 1), y) || c.uses(q->output()) != 1 || y->is_constant()) continue;
      if (in(*q, 0).dtype() != d || in(*s, 1 - k).dtype() != d) continue;
      const Var x = in(*q, 0), rest = in(*s, 1 - k) * y;
      return fit(
          n, apply(s->op_ref(), k == 0 ? std::vector<Var>{x, rest} : std::vector<Var>{rest, x}));
    }
  }
  return {};
}
// x + inc_subtensor(zeros[i], y) -> inc_subtensor(x[i], y): no zeros, and nothing is added to what
// is not in the part. Gradients of something of which several parts are used are such sums.
Var add_part(const Apply& n, const Ctx& c) {
  const bool minus = owner_if(n.output(), "sub");
  for (int i = minus ? 1 : 0; i < 2; ++i) {
    const Apply* s = in(n, i)->owner();
    if (!s || c.uses(s->output()) != 1) continue;
    const bool basic = owner_if(in(n, i), IncSubtensor::kName);
    const bool rows = owner_if(in(n, i), AdvancedIncSubtensor1::kName);
    const bool chosen = owner_if(in(n, i), AdvancedIncSubtensor::kName);
    if ((!basic && !rows && !chosen) || (basic && op_as<IncSubtensor>(*s).set) ||
        (rows && op_as<AdvancedIncSubtensor1>(*s).set) ||
        (chosen && op_as<AdvancedIncSubtensor>(*s).set)) {
      continue;
    }
    const Var& x = in(n, 1 - i);
    if (!is_value(in(*s, 0), 0) || is_bool(x.dtype()) || x.dtype() != out_type(n).dtype()) continue;
    if (!x.type().same_pattern(out_type(n)) || s->output()->dtype() != x.dtype()) continue;
    if (!s->output()->type().same_pattern(out_type(n))) continue;
    std::vector<Var> inputs(s->inputs().begin(), s->inputs().end());
    inputs[0] = x;
    if (minus) inputs[1] = neg(inputs[1]);
    return phintys::apply(s->op_ref(), std::move(inputs));
  }
  return {};
}

constexpr Rule kSpecialize[] = {
    {"pow", "x ** c -> products, for whole |c| <= 16", pow_small},
    {"mul", "x * x -> sqr(x)", mul_self},
    {"mul", "(g - sum(g * z)) * z -> softmax_grad(g, z), z = softmax(x)", softmax_grad_rows},
    {"sub", "hot(v, y) - p * rowsums -> crossentropy_softmax_grad(v, p, y), p = softmax(x)",
     crossentropy_grad_rows},
    {"sub", "g - exp(z) * sum(g) -> softmax_grad(g, z), z = log_softmax(x)", log_softmax_grad_rows},
    {"mul", "(x / y + z) * y -> x + z * y", undo_division},
    {"add", "x + inc_subtensor(zeros[i], y) -> inc_subtensor(x[i], y)", add_part},
    {"sub", "x - inc_subtensor(zeros[i], y) -> inc_subtensor(x[i], -y)", add_part},
    {"sqr", "sqr(inv(x)) -> inv(sqr(x))", inv_sqrt_product},
    {"sqr", "sqr(abs(z)) -> re^2 + im^2 of complex z", sqr_abs},
    {"true_div", "x / 2**k -> x * 2**-k", div_power_of_two},
    {"dimshuffle", "dot(a, b).T -> dot(b.T, a.T)", transposed_dot},
    {"dimshuffle", "f(x).T -> f(x.T) within elementwise ops", transposed_function},
    {"dimshuffle", "dimshuffle(dimshuffle(x)) -> dimshuffle(x)", dimshuffle_twice},
};

}  // namespace

void specialize(Graph& graph) {
  static const RuleSet rules{kSpecialize};
  rewrite_to_fixpoint(graph, rules);
}

}  // namespace phintys
