// Reductions: of reductions, of fills, of things that can be pulled out.

#include <algorithm>

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

// sum(second(a, b)) -> b * (number of elements summed) if b does not vary over the reduced axes.
Var sum_fill(const Apply& n, const Ctx&) {
  if (!is_kind(n, "sum") || !plain(n) || is_discrete(in(n, 0).dtype())) return {};
  const Apply* fill = owner_if(in(n, 0), "second");
  const Axes& axes = op_as<Reduce>(n).axes;
  if (!fill || !ones_on(in(*fill, 1).type(), axes)) return {};
  Var count = constant_int(1);
  for (int64_t axis : axes) {
    const Var length = shape_i(in(n, 0), static_cast<int>(axis));
    count = is_value(count, 1) ? length : count * length;
  }
  const Var b = drop_axes(in(*fill, 1), axes);
  const Var r = b * cast(count, b.dtype());
  if (covers(r.type(), out_type(n))) return r;
  std::vector<Var> dims;
  for (int i = 0; i < in(n, 0).ndim(); ++i) {
    if (!reduced(axes, i)) dims.push_back(shape_i(in(n, 0), i));
  }
  return alloc(r, std::move(dims));
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
    {"reduce", "sum(second(a, b)) -> b * size", sum_fill},
};

}  // namespace

std::span<const Rule> reduce_rules() { return kReduce; }

}  // namespace phintys
