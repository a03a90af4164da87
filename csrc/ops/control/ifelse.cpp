#include "ops/control/ifelse.h"

#include <algorithm>
#include <set>

#include "ops/build.h"
#include "ops/op_util.h"
#include "ops/shape_ops.h"

namespace phintys {

namespace {

constexpr int64_t kMaxOutputs = int64_t{1} << 20;

// What both types allow: lengths that they do not agree on are unknown.
Type joined(const Type& a, const Type& b) {
  Dims dims = a.shape();
  for (size_t d = 0; d < dims.size(); ++d) {
    if (dims[d] != b.shape()[d]) dims[d] = kUnknownDim;
  }
  return a.with_shape(std::move(dims));
}

// --- lengths that both values have ---------------------------------------------------------------

// One length of a variable.
struct Length {
  Var variable;
  int axis;
};

// Follows lengths that equal lengths of other variables, through operators whose shapes follow
// from their operands' shapes, and through choices, whose two values must agree. An iterative
// search with a limit: what it does not find is looked up when the function runs.
class CommonLength {
 public:
  // The length that all of what was added has, or null.
  Var find(Length a, Length b) {
    work_ = {std::move(a), std::move(b)};
    for (int steps = 0; !work_.empty(); ++steps) {
      if (steps == kMaxSteps) return {};
      const Length l = std::move(work_.back());
      work_.pop_back();
      if (!seen_.insert({l.variable->id(), l.axis}).second) continue;
      if (!step(l)) return {};
    }
    return result_;
  }

 private:
  static constexpr int kMaxSteps = 64;

  bool step(const Length& l) {
    const Apply* node = l.variable->owner();
    if (l.variable.type().dim(l.axis) >= 0 || !node) return settle(shape_i(l.variable, l.axis));
    kept_.push_back(l.variable);
    if (const auto* choice = dynamic_cast<const IfElse*>(&node->op())) {
      const int out = l.variable->index();
      work_.push_back({node->inputs()[size_t(choice->then_input(out))], l.axis});
      work_.push_back({node->inputs()[size_t(choice->else_input(out))], l.axis});
      return true;
    }
    const std::vector<std::vector<Var>> shapes = node->op().infer_shape(*node);
    const size_t out = static_cast<size_t>(l.variable->index());
    if (out >= shapes.size() || shapes[out].size() != static_cast<size_t>(l.variable.ndim())) {
      return settle(shape_i(l.variable, l.axis));
    }
    const Var& length = shapes[out][static_cast<size_t>(l.axis)];
    if (!length) return settle(shape_i(l.variable, l.axis));
    const Apply* next = length->owner();
    const auto* of = next ? dynamic_cast<const ShapeI*>(&next->op()) : nullptr;
    if (!of) return settle(length);
    if (next->input(0) == l.variable.get() && of->axis == l.axis) return settle(length);
    work_.push_back({next->inputs()[0], static_cast<int>(of->axis)});
    return true;
  }

  bool settle(const Var& length) {
    if (!result_) {
      result_ = length;
      return true;
    }
    if (result_ == length) return true;
    int64_t a, b;
    if (constant_int_value(result_.get(), &a) && constant_int_value(length.get(), &b)) {
      return a == b;
    }
    const Apply *p = result_->owner(), *q = length->owner();
    return p && q && p->nin() == 1 && q->nin() == 1 && p->input(0) == q->input(0) &&
           p->op().equal(q->op());
  }

  std::vector<Length> work_;
  std::set<std::pair<uint64_t, int>> seen_;
  std::vector<Var> kept_;
  Var result_;
};

}  // namespace

void IfElse::check_attributes() const {
  if (n_outputs < 1 || n_outputs > kMaxOutputs) {
    fail(ErrorKind::value, "ifelse: ", n_outputs, " values to choose");
  }
}

std::string IfElse::str() const { return "if{" + label + "}"; }

std::vector<Type> IfElse::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 1 + 2 * static_cast<int>(n_outputs));
  if (inputs[0].ndim() > 0 || is_complex(inputs[0].dtype())) {
    fail(ErrorKind::type,
         "Condition given to the op has to be a scalar with 0 standing for False, anything else "
         "for True; it is ",
         inputs[0].type().str());
  }
  std::vector<Type> types;
  for (int o = 0; o < static_cast<int>(n_outputs); ++o) {
    const Type& a = inputs[static_cast<size_t>(then_input(o))].type();
    const Type& b = inputs[static_cast<size_t>(else_input(o))].type();
    if (a.dtype() != b.dtype() || a.ndim() != b.ndim()) {
      fail(ErrorKind::type,
           "IfElse requires same types for true and false return values: ", a.str(), " and ",
           b.str());
    }
    types.push_back(joined(a, b));
  }
  return types;
}

// The gradient of the value that was not taken is zero.
std::vector<Var> IfElse::grad(const GradArgs& args) const {
  const int n = static_cast<int>(n_outputs);
  std::vector<Var> result(args.inputs.size());
  std::vector<Var> thens[2], elses[2];
  std::vector<int> places;
  for (int o = 0; o < n; ++o) {
    const Var& g = args.grads[static_cast<size_t>(o)];
    if (!g) continue;
    places.push_back(o);
    for (int branch = 0; branch < 2; ++branch) {
      const Var& x = args.inputs[size_t(branch == 0 ? then_input(o) : else_input(o))];
      const Var slope = as_grad_of(g, x), zero = zero_grad_for(x);
      thens[branch].push_back(branch == 0 ? slope : zero);
      elses[branch].push_back(branch == 0 ? zero : slope);
    }
  }
  if (places.empty()) return result;
  // A condition may be a floating scalar, on which the outputs depend in steps.
  result[0] = zero_grad_for(args.inputs[0]);
  for (int branch = 0; branch < 2; ++branch) {
    const std::vector<Var> grads = ifelse(args.inputs[0], thens[branch], elses[branch]);
    for (size_t k = 0; k < places.size(); ++k) {
      const int o = places[k];
      result[size_t(branch == 0 ? then_input(o) : else_input(o))] = grads[k];
    }
  }
  return result;
}

bool IfElse::connected(int in, int out) const {
  return in == 0 || in == then_input(out) || in == else_input(out);
}

std::vector<std::vector<Var>> IfElse::infer_shape(const Apply& node) const {
  std::vector<std::vector<Var>> shapes;
  for (int o = 0; o < static_cast<int>(n_outputs); ++o) {
    const Var& a = node.inputs()[static_cast<size_t>(then_input(o))];
    const Var& b = node.inputs()[static_cast<size_t>(else_input(o))];
    std::vector<Var>& lengths = shapes.emplace_back();
    for (int d = 0; d < a.ndim(); ++d) {
      Var length = CommonLength().find({a, d}, {b, d});
      lengths.push_back(length ? length : shape_i(node.out(o), d));
    }
  }
  return shapes;
}

void IfElse::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  const bool taken = holds(inputs[0]);
  for (int o = 0; o < static_cast<int>(n_outputs); ++o) {
    const int i = taken ? then_input(o) : else_input(o);
    same_layout(outputs[static_cast<size_t>(o)], inputs[static_cast<size_t>(i)], i);
  }
}

std::vector<Var> ifelse(const Var& condition, std::span<const Var> then_values,
                        std::span<const Var> else_values) {
  PHINTYS_CHECK(then_values.size() == else_values.size(), "branches of different lengths");
  auto op = make_ref<IfElse>();
  op->n_outputs = static_cast<int64_t>(then_values.size());
  std::vector<Var> inputs{condition};
  inputs.insert(inputs.end(), then_values.begin(), then_values.end());
  inputs.insert(inputs.end(), else_values.begin(), else_values.end());
  return apply_multi(op, std::move(inputs));
}

Var ifelse(const Var& condition, const Var& then_value, const Var& else_value) {
  return ifelse(condition, {&then_value, 1}, {&else_value, 1})[0];
}

bool holds(const TensorView& condition) { return element_as_double(condition) != 0; }

}  // namespace phintys
