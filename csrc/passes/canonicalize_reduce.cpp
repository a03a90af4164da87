// Reductions: of reductions, of fills, of things that can be pulled out.

#include <algorithm>

#include "ops/argreduce.h"
#include "ops/join.h"
#include "ops/reduce.h"
#include "ops/shape_ops.h"
#include "passes/canonicalize.h"
#include "passes/match.h"

namespace phintys {

namespace {

using Ctx = RuleContext;
using Axes = std::vector<int64_t>;

bool reduced(const Axes& axes, int64_t axis) {
  return std::binary_search(axes.begin(), axes.end(), axis);
}
// `v`, which is 1 long on `axes`, without them.
Var drop_axes(const Var& v, const Axes& axes) {
  Axes order;
  for (int64_t i = 0; i < v.ndim(); ++i) {
    if (!reduced(axes, i)) order.push_back(i);
  }
  return dimshuffle(v, std::move(order));
}
bool ones_on(const Type& type, const Axes& axes) {
  return std::all_of(axes.begin(), axes.end(),
                     [&](int64_t a) { return type.broadcastable(static_cast<int>(a)); });
}
// The same reduction, over other axes or of something else of the same dtype.
Var like(const Apply& n, const Var& x, Axes axes) {
  auto op = make_ref<Reduce>(op_as<Reduce>(n));
  op->axes = std::move(axes);
  return apply(op, {x});
}
bool is_kind(const Apply& n, const char* kind) { return op_as<Reduce>(n).kind == kind; }
// A reduction that computes in the dtype it is given and returns it.
bool plain(const Apply& n) {
  const Reduce& op = op_as<Reduce>(n);
  const DType d = in(n, 0).dtype();
  return op.dtype == d && op.acc_dtype == d;
}

Var no_axes(const Apply& n, const Ctx&) {
  const Reduce& op = op_as<Reduce>(n);
  if (!op.axes.empty() || (!plain(n) && is_discrete(op.dtype))) return {};
  return cast(in(n, 0), op.dtype);
}
// Axes that are 1 long need no reduction.
Var axes_of_one(const Apply& n, const Ctx&) {
  Axes ones, rest;
  int64_t dropped = 0;
  for (int64_t axis : op_as<Reduce>(n).axes) {
    if (in(n, 0).type().broadcastable(static_cast<int>(axis))) {
      ones.push_back(axis);
      ++dropped;
    } else {
      rest.push_back(axis - dropped);
    }
  }
  return ones.empty() ? Var() : like(n, drop_axes(in(n, 0), ones), std::move(rest));
}
Var reduce_twice(const Apply& n, const Ctx& c) {
  const Apply* inner = owner_if(in(n, 0), Reduce::kName);
  if (!inner || c.uses(inner->output()) != 1) return {};
  const Reduce &a = op_as<Reduce>(*inner), &b = op_as<Reduce>(n);
  if (a.kind != b.kind || a.dtype != b.dtype || a.acc_dtype != b.acc_dtype) return {};
  if (!plain(n)) return {};
  Axes kept, axes = a.axes;
  for (int64_t i = 0; i < in(*inner, 0).ndim(); ++i) {
    if (!reduced(a.axes, i)) kept.push_back(i);
  }
  for (int64_t axis : b.axes) axes.push_back(kept[static_cast<size_t>(axis)]);
  std::sort(axes.begin(), axes.end());
  return like(*inner, in(*inner, 0), std::move(axes));
}

// sum(neg(x)) -> neg(sum(x)).
Var sum_neg(const Apply& n, const Ctx& c) {
  const Apply* m = owner_if(in(n, 0), "neg");
  if (!m || !is_kind(n, "sum") || !plain(n) || c.uses(m->output()) != 1) return {};
  return in(*m, 0).dtype() == in(n, 0).dtype() ? neg(like(n, in(*m, 0), op_as<Reduce>(n).axes))
                                               : Var();
}

// sum(x * y) -> sum(x) * y if y does not vary over the reduced axes.
Var sum_scaled(const Apply& n, const Ctx& c) {
  if (!is_kind(n, "sum") || !plain(n) || is_discrete(in(n, 0).dtype())) return {};
  const Axes& axes = op_as<Reduce>(n).axes;
  for (const char* name : {"mul", "true_div"}) {
    const Apply* m = owner_if(in(n, 0), name);
    if (!m || c.uses(m->output()) != 1) continue;
    const bool product = name[0] == 'm';
    for (int i = product ? 0 : 1; i < 2; ++i) {
      const Var &factor = in(*m, i), &x = in(*m, 1 - i);
      if (!ones_on(factor.type(), axes) || x.dtype() != in(n, 0).dtype()) continue;
      if (factor.dtype() != x.dtype() || !covers(x.type(), out_type(*m))) continue;
      const Var total = like(n, x, axes), scale = drop_axes(factor, axes);
      return product ? total * scale : total / scale;
    }
  }
  return {};
}

// What a fill repeats, at the rank of `v`, if it does not vary over `axes`; null otherwise.
Var repeated(const Var& v, const Axes& axes) {
  const Apply* fill = v->owner();
  if (!fill) return {};
  Var b;
  if (owner_if(v, "second")) b = in(*fill, 1);
  if (owner_if(v, Alloc::kName)) {
    b = in(*fill, 0);
    // A length that is not known may be stretched, which no other op does.
    for (int i = 0; i < b.ndim(); ++i) {
      if (!b.type().broadcastable(i) && b.type().dim(i) == kUnknownDim) return {};
    }
    b = pad_left(b, v.ndim());
  }
  return b && b.ndim() == v.ndim() && ones_on(b.type(), axes) ? b : Var();
}
// sum(second(a, b)) -> b * (number of elements summed) if b does not vary over the reduced axes;
// prod(second(a, b)) -> b ** number.
Var sum_fill(const Apply& n, const Ctx&) {
  const bool product = is_kind(n, "prod");
  if ((!product && !is_kind(n, "sum")) || !plain(n)) return {};
  const DType d = in(n, 0).dtype();
  if (product ? !is_float(d) : is_bool(d)) return {};
  const Axes& axes = op_as<Reduce>(n).axes;
  const Var value = repeated(in(n, 0), axes);
  if (!value || value.dtype() != d) return {};
  Var count = constant_int(1);
  for (int64_t axis : axes) {
    const Var length = shape_i(in(n, 0), static_cast<int>(axis));
    count = is_value(count, 1) ? length : count * length;
  }
  const Var b = drop_axes(value, axes);
  // float32 does not tell large odd numbers from even ones.
  const Var r =
      product ? cast(pow(cast(b, DType::f64), cast(count, DType::f64)), d) : b * cast(count, d);
  if (covers(r.type(), out_type(n))) return r;
  std::vector<Var> dims;
  for (int i = 0; i < in(n, 0).ndim(); ++i) {
    if (!reduced(axes, i)) dims.push_back(shape_i(in(n, 0), i));
  }
  return alloc(r, std::move(dims));
}

// max(neg(x)) -> neg(min(x)): integers have a number that is its own negative.
Var extremum_of_neg(const Apply& n, const Ctx& c) {
  const bool max = is_kind(n, "max");
  const Var x = max || is_kind(n, "min") ? operand(in(n, 0), "neg") : Var();
  if (!x || !is_float(x.dtype()) || !plain(n) || c.uses(in(n, 0).get()) != 1) return {};
  auto op = make_ref<Reduce>(op_as<Reduce>(n));
  op->kind = max ? "min" : "max";
  return neg(apply(op, {x}));
}
Var argmax_of_neg(const Apply& n, const Ctx& c) {
  const Var x = operand(in(n, 0), "neg");
  if (!x || !is_float(x.dtype()) || c.uses(in(n, 0).get()) != 1) return {};
  auto op = make_ref<ArgReduce>(op_as<ArgReduce>(n));
  op->is_max = !op->is_max;
  return apply(op, {x});
}

// sum(stack(a, b)) -> a + b, of few parts: the stack is not built.
Var reduce_stack(const Apply& n, const Ctx& c) {
  const Apply* j = owner_if(in(n, 0), Join::kName);
  if (!j || j->nin() > 16 || c.uses(j->output()) != 1 || !plain(n)) return {};
  const Axes& axes = op_as<Reduce>(n).axes;
  if (axes != Axes{op_as<Join>(*j).axis}) return {};
  const std::string& kind = op_as<Reduce>(n).kind;
  const char* f = kind == "sum"   ? "add"
                  : kind == "max" ? "maximum"
                  : kind == "min" ? "minimum"
                  : kind == "all" ? "and_"
                  : kind == "any" ? "or_"
                                  : "mul";
  Var r;
  for (const Var& v : j->inputs()) {
    if (!ones_on(v.type(), axes)) return {};
    const Var part = drop_axes(v, axes);
    r = r ? elemwise(f, {r, part}) : part;
  }
  return r;
}

// Summing all elements does not ask in which order the axes lie.
Var reduce_all_dimshuffle(const Apply& n, const Ctx&) {
  const Apply* d = owner_if(in(n, 0), DimShuffle::kName);
  const Axes& axes = op_as<Reduce>(n).axes;
  if (!d || static_cast<int>(axes.size()) != in(n, 0).ndim()) return {};
  const Var& x = in(*d, 0);
  Axes all;
  for (int64_t i = 0; i < x.ndim(); ++i) all.push_back(i);
  return like(n, x, std::move(all));
}
// any or all of a reduction over keepdims-like axes need no rule: axes_of_one sees them.

constexpr Rule kReduce[] = {
    {"reduce", "reduction over no axes -> cast(x)", no_axes},
    {"reduce", "axes of length 1 are dropped", axes_of_one},
    {"reduce", "sum(sum(x)) -> sum(x), and the like", reduce_twice},
    {"reduce", "sum over all axes of dimshuffle(x) -> sum(x)", reduce_all_dimshuffle},
    {"reduce", "sum(neg(x)) -> neg(sum(x))", sum_neg},
    {"reduce", "sum(x * c) -> sum(x) * c, sum(x / c) -> sum(x) / c", sum_scaled},
    {"reduce", "sum(second(a, b)) -> b * size, prod(second(a, b)) -> b ** size", sum_fill},
    {"reduce", "max(neg(x)) -> neg(min(x)), min(neg(x)) -> neg(max(x))", extremum_of_neg},
    {"argreduce", "argmax(neg(x)) -> argmin(x), argmin(neg(x)) -> argmax(x)", argmax_of_neg},
    {"reduce", "sum(stack(a, b)) -> a + b, and the like", reduce_stack},
};

}  // namespace

std::span<const Rule> reduce_rules() { return kReduce; }

}  // namespace phintys
