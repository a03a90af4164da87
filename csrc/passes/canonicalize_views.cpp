// Ops that move elements without computing: compositions, inverse pairs, those that do nothing.

#include "ops/shape_ops.h"
#include "passes/canonicalize.h"
#include "passes/match.h"

namespace phintys {

namespace {

using Ctx = RuleContext;

Var dimshuffle_nothing(const Apply& n, const Ctx&) {
  const auto& order = op_as<DimShuffle>(n).order;
  if (static_cast<int>(order.size()) != in(n, 0).ndim()) return {};
  for (size_t i = 0; i < order.size(); ++i) {
    if (order[i] != static_cast<int64_t>(i)) return {};
  }
  return in(n, 0);
}

Var dimshuffle_twice(const Apply& n, const Ctx&) {
  const Apply* inner = owner_if(in(n, 0), DimShuffle::kName);
  if (!inner) return {};
  const auto& first = op_as<DimShuffle>(*inner).order;
  std::vector<int64_t> order = op_as<DimShuffle>(n).order;
  for (int64_t& axis : order) {
    if (axis >= 0) axis = first[static_cast<size_t>(axis)];
  }
  // A new axis that the outer one moves over stays an ordinary new axis.
  return dimshuffle(in(*inner, 0), std::move(order));
}

Var reshape_reshape(const Apply& n, const Ctx&) {
  const Apply* inner = owner_if(in(n, 0), Reshape::kName);
  return inner ? reshape(in(*inner, 0), in(n, 1), out_type(n).ndim()) : Var();
}

// True iff entry `axis` of the shape vector says what x has there.
bool entry_is_length(const Variable* shape, int axis, const Var& x) {
  const int64_t known = x.type().dim(axis);
  int64_t value = 0;
  if (shape->is_constant()) {
    value = element_as_int(shape->constant().view(), axis);
    return known != kUnknownDim && value == known;
  }
  const Apply* vector = owner_if(shape, MakeVector::kName);
  if (!vector || axis >= vector->nin()) return false;
  const Var& entry = in(*vector, axis);
  if (constant_int_value(entry.get(), &value)) return known != kUnknownDim && value == known;
  const Apply* length = owner_if(entry, ShapeI::kName);
  return length && in(*length, 0).get() == x.get() && op_as<ShapeI>(*length).axis == axis;
}

Var reshape_nothing(const Apply& n, const Ctx&) {
  const Var& x = in(n, 0);
  const int ndim = out_type(n).ndim();
  if (x.ndim() != ndim) return {};
  // The number of elements fixes one unknown length.
  int unknown = 0;
  for (int i = 0; i < ndim; ++i) unknown += !entry_is_length(in(n, 1).get(), i, x);
  if (unknown == 0 || (unknown == 1 && ndim == 1)) return x;
  return {};
}

// The order that puts new axes of length 1 at the given places of the others.
std::vector<int64_t> order_with_ones(const std::vector<bool>& ones) {
  std::vector<int64_t> order;
  int64_t next = 0;
  for (const bool one : ones) order.push_back(one ? -1 : next++);
  return order;
}
// Reshaping to (n, 1) -> reshaping to (n,) and a new axis, which fused code sees through.
Var reshape_to_ones(const Apply& n, const Ctx&) {
  const Apply* vector = owner_if(in(n, 1), MakeVector::kName);
  if (!vector || vector->nin() != out_type(n).ndim()) return {};
  std::vector<bool> ones;
  std::vector<Var> rest;
  for (int i = 0; i < vector->nin(); ++i) {
    ones.push_back(out_type(n).broadcastable(i) && is_value(in(*vector, i), 1));
    if (!ones.back()) rest.push_back(in(*vector, i));
  }
  if (rest.empty() || static_cast<int>(rest.size()) == vector->nin()) return {};
  const int ndim = static_cast<int>(rest.size());
  const Var r = reshape(in(n, 0), phintys::apply(vector->op_ref(), std::move(rest)), ndim);
  return dimshuffle(r, order_with_ones(ones));
}
// Axes of length 1 that a dimshuffle adds or drops change nothing in the order of the elements.
Var reshape_of_ones(const Apply& n, const Ctx&) {
  const Apply* d = owner_if(in(n, 0), DimShuffle::kName);
  if (!d) return {};
  int64_t last = -1;
  for (int64_t axis : op_as<DimShuffle>(*d).order) {
    if (axis < 0) continue;
    if (axis < last) return {};
    last = axis;
  }
  return reshape(in(*d, 0), in(n, 1), out_type(n).ndim());
}

Var specify_known(const Apply& n, const Ctx&) {
  return in(n, 0).type() == out_type(n) ? in(n, 0) : Var();
}

// These matter to grad() alone.
Var first_input(const Apply& n, const Ctx&) { return in(n, 0); }

Var assert_true(const Apply& n, const Ctx&) {
  std::vector<Var> inputs{in(n, 0)};
  for (int i = 1; i < n.nin(); ++i) {
    double c;
    if (any_value(in(n, i), &c) && c != 0) continue;
    bool again = false;
    for (size_t k = 1; k < inputs.size(); ++k) again = again || same(inputs[k], in(n, i));
    if (!again) inputs.push_back(in(n, i));
  }
  if (inputs.size() == 1) return in(n, 0);
  return static_cast<int>(inputs.size()) < n.nin() ? phintys::apply(n.op_ref(), std::move(inputs))
                                                   : Var();
}

constexpr Rule kViews[] = {
    {"dimshuffle", "dimshuffle that changes nothing -> x", dimshuffle_nothing},
    {"dimshuffle", "dimshuffle(dimshuffle(x)) -> dimshuffle(x)", dimshuffle_twice},
    {"reshape", "reshape to the shape that x has -> x", reshape_nothing},
    {"reshape", "reshape(reshape(x)) -> reshape(x)", reshape_reshape},
    {"reshape", "reshape of a dimshuffle that only adds or drops axes -> reshape(x)",
     reshape_of_ones},
    {"reshape", "reshape(x, (n, 1)) -> a new axis of reshape(x, (n,))", reshape_to_ones},
    {"specify_shape", "claims what is known -> x", specify_known},
    {"grad_clip", "grad_clip(x) -> x", first_input},
    {"grad_scale", "grad_scale(x) -> x", first_input},
    {"zero_grad", "zero_grad(x) -> x", first_input},
    {"disconnected_grad", "disconnected_grad(x) -> x", first_input},
    {"consider_constant", "consider_constant(x) -> x", first_input},
    {"transfer", "transfer(x) -> x: the caller looks at where outputs are wanted", first_input},
    {"deep_copy", "deep_copy(x) -> x: the runtime sees to it that results are not shared",
     first_input},
    {"assert", "assert(x, true) -> x, conditions that hold or come twice are dropped", assert_true},
    {"check_and_raise", "the same of checks with other exceptions", assert_true},
};

}  // namespace

std::span<const Rule> view_rules() { return kViews; }

}  // namespace phintys
