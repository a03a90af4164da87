#include "passes/loops/lift.h"

#include <algorithm>
#include <string_view>

#include "graph/traverse.h"
#include "ops/build.h"
#include "ops/build_elementwise.h"
#include "ops/control/row_views.h"
#include "ops/dot.h"
#include "ops/elemwise.h"
#include "ops/join.h"
#include "ops/linalg/expressions.h"
#include "ops/linalg/matmul.h"
#include "ops/nnet/softmax.h"
#include "ops/reduce.h"
#include "ops/shape_ops.h"
#include "ops/subtensor.h"
#include "passes/match.h"

namespace phintys {

namespace {

constexpr int64_t kGuessedLength = 32;
constexpr float kCostly = 8;  // rough cycles per 16 values: above multiplications, divisions

using Operands = std::vector<Lifted>;

// With an axis for the time in any case.
Var with_time(const Lifted& x) { return x.timed ? x.value : pad_left(x.value, x.value.ndim() + 1); }

bool all_same_after(const Operands& in, size_t first) {
  return std::none_of(in.begin() + static_cast<std::ptrdiff_t>(first), in.end(),
                      [](const Lifted& x) { return x.timed; });
}

std::vector<int64_t> shifted(const std::vector<int64_t>& axes) {
  std::vector<int64_t> result;
  for (int64_t a : axes) result.push_back(a < 0 ? a : a + 1);
  return result;
}

Var lift_elementwise(const Apply& node, const Operands& in) {
  std::vector<Var> operands;
  for (const Lifted& x : in) operands.push_back(with_time(x));
  return Apply::create(node.op_ref(), operands)->out(0);
}

Var lift_dimshuffle(const Apply& node, const Operands& in) {
  std::vector<int64_t> order = shifted(op_as<DimShuffle>(node).order);
  order.insert(order.begin(), 0);
  return dimshuffle(in[0].value, std::move(order));
}

Var lift_reduce(const Apply& node, const Operands& in) {
  const Reduce& old = op_as<Reduce>(node);
  auto op = make_ref<Reduce>();
  op->kind = old.kind;
  op->axes = shifted(old.axes);
  op->dtype = old.dtype;
  op->acc_dtype = old.acc_dtype;
  return apply(op, {in[0].value});
}

Var lift_softmax(const Apply& node, const Operands& in) {
  return node.input(0)->ndim() > 0 ? apply(node.op_ref(), {in[0].value}) : Var();
}

Var lift_subtensor(const Apply& node, const Operands& in) {
  if (!in[0].timed || !all_same_after(in, 1)) return {};
  std::vector<IndexEntry> entries = decode_index(op_as<Subtensor>(node).index);
  entries.insert(entries.begin(), IndexEntry::slice());
  std::vector<Var> scalars;
  for (size_t i = 1; i < in.size(); ++i) scalars.push_back(in[i].value);
  return subtensor(in[0].value, std::move(entries), std::move(scalars));
}

Var lift_join(const Apply& node, const Operands& in, const Var& steps) {
  std::vector<Var> parts;
  for (const Lifted& x : in) {
    if (x.timed) {
      parts.push_back(x.value);
      continue;
    }
    std::vector<Var> dims = shape_list(x.value);
    dims.insert(dims.begin(), steps);
    parts.push_back(alloc(x.value, std::move(dims)));
  }
  return join(static_cast<int>(op_as<Join>(node).axis) + 1, std::move(parts));
}

Var lift_alloc(const Operands& in, const Var& steps) {
  if (!all_same_after(in, 1)) return {};
  std::vector<Var> dims{steps};
  for (size_t i = 1; i < in.size(); ++i) dims.push_back(in[i].value);
  // New axes come between the time and the others.
  std::vector<int64_t> order{0};
  for (int d = static_cast<int>(in.size()) - 1; d-- > 0;)
    order.push_back(d < in[0].value.ndim() - 1 ? 0 : -1);
  int64_t next = 1;
  for (size_t d = 1; d < order.size(); ++d)
    if (order[d] >= 0) order[d] = next++;
  return alloc(dimshuffle(in[0].value, std::move(order)), std::move(dims));
}

Var lift_reshape(const Apply& node, const Operands& in, const Var& steps) {
  if (!all_same_after(in, 1)) return {};
  std::vector<Var> dims{steps};
  for (int d = 0; d < static_cast<int>(op_as<Reshape>(node).ndim); ++d) {
    const Variable* lengths = node.input(1);
    if (lengths->is_constant()) {
      dims.push_back(constant_int(element_as_int(lengths->constant().view(), d)));
    } else if (const Apply* vector = owner_if(in[1].value, MakeVector::kName)) {
      dims.push_back(cast(vector->inputs()[static_cast<size_t>(d)], DType::i64));
    } else {
      return {};
    }
    if (!never_negative(dims.back().get())) return {};
  }
  return reshape(in[0].value, std::move(dims));
}

// (time, rows, k) -> (time * rows, k)
Var rows_as_one(const Var& x, const Var& steps) {
  return reshape(x, {steps * shape_i(x, 1), shape_i(x, 2)});
}

// One factor changes from step to step.
Var lift_product_with_constant(const Var& a, bool a_timed, const Var& b, const Var& steps) {
  if (!a_timed) {
    // a @ b[t] is b[t] @ a.T, if b[t] is a vector.
    if (b.ndim() != 2) return linalg::matmul(a.ndim() == 1 ? pad_left(a, 2) : a, b);
    return dot(b, a.ndim() == 2 ? transpose(a) : a);
  }
  if (a.ndim() == 2) return dot(a, b);
  const Var flat = dot(rows_as_one(a, steps), b);
  std::vector<Var> dims{steps, shape_i(a, 1)};
  if (b.ndim() == 2) dims.push_back(shape_i(b, 1));
  return reshape(flat, std::move(dims));
}

Var lift_dot(const Operands& in, const Var& steps) {
  const Var &a = in[0].value, &b = in[1].value;
  if (!in[0].timed || !in[1].timed) {
    const Var r = lift_product_with_constant(a, in[0].timed, b, steps);
    return in[0].timed || a.ndim() != 1 || b.ndim() != 3 ? r : dimshuffle(r, {0, 2});
  }
  if (a.ndim() == 2 && b.ndim() == 2) return sum(a * b, {1});
  if (a.ndim() == 3 && b.ndim() == 3) return linalg::matmul(a, b);
  if (a.ndim() == 2) return dimshuffle(linalg::matmul(dimshuffle(a, {0, -1, 1}), b), {0, 2});
  return dimshuffle(linalg::matmul(a, dimshuffle(b, {0, 1, -1})), {0, 1});
}

Var lift_node(const Apply& node, const Operands& in, const Var& steps) {
  if (as_elemwise(node.op())) return lift_elementwise(node, in);
  const std::string_view name = node.op().name();
  if (name == DimShuffle::kName) return lift_dimshuffle(node, in);
  if (name == Dot::kName) return lift_dot(in, steps);
  if (name == Reduce::kName) return lift_reduce(node, in);
  if (name == Softmax::kName || name == LogSoftmax::kName) return lift_softmax(node, in);
  if (name == Subtensor::kName) return lift_subtensor(node, in);
  if (name == Join::kName) return lift_join(node, in, steps);
  if (name == Alloc::kName) return lift_alloc(in, steps);
  if (name == Reshape::kName) return lift_reshape(node, in, steps);
  if (name == Matmul::kName) return linalg::matmul(with_time(in[0]), with_time(in[1]));
  return {};
}

}  // namespace

Lifted Lifter::find(const Variable* inside) const {
  const Lifted* found = known_.find(inside->id());
  if (found && *found) return *found;
  if (inside->is_constant()) return {Var(const_cast<Variable*>(inside)), false};
  return {};
}

Lifted Lifter::lift(const Apply& node) {
  if (node.nout() != 1) return {};
  if (const Lifted known = find(node.output())) return known;
  Operands in;
  bool timed = false;
  for (const Var& v : node.inputs()) {
    in.push_back(find(v.get()));
    if (!in.back()) return {};
    timed = timed || in.back().timed;
  }
  // Lengths are the same in each step.
  if (timed && owner_if(node.output(), ShapeI::kName)) {
    const int axis = static_cast<int>(op_as<ShapeI>(node).axis);
    put(node.output(), {shape_i(in[0].value, axis + 1), false});
    return find(node.output());
  }
  const bool reduces = owner_if(node.output(), Reduce::kName) != nullptr;
  if (node.op().opaque() || !node.op().inner().empty() || (!node.op().infallible() && !reduces))
    return {};
  const LocationScope scope(node.loc);
  Lifted result;
  if (timed) {
    result = {lift_node(node, in, steps_), true};
  } else {
    std::vector<Var> operands;
    for (const Lifted& x : in) operands.push_back(x.value);
    result = {Apply::create(node.op_ref(), std::move(operands))->out(0), false};
  }
  if (!result || !stands_for(node.output()->type(), result.value.type(), result.timed)) return {};
  put(node.output(), result);
  return result;
}

Lifted Lifter::lift_cheaply(const Var& v) {
  std::vector<Var> todo{v};
  std::vector<const Apply*> nodes;
  while (!todo.empty()) {  // users before operands; few
    const Var x = todo.back();
    todo.pop_back();
    if (find(x.get())) continue;
    const Apply* node = x->owner();
    if (!node || nodes.size() == 16) return {};
    const Elemwise* e = as_elemwise(node->op());
    if (!is_loop_view(node->op()) && (!e || is_costly_elementwise(*e))) return {};
    int64_t most = 0;
    for (const Var& u : node->inputs()) most = std::max(most, row_elements(u.type()));
    if (row_elements(x.type()) > most) return {};
    nodes.push_back(node);
    todo.insert(todo.end(), node->inputs().begin(), node->inputs().end());
  }
  for (const Apply* node : toposort(std::vector<Var>{v})) {
    const bool needed = std::find(nodes.begin(), nodes.end(), node) != nodes.end();
    if (needed && !lift(*node)) return {};
  }
  return find(v.get());
}

Type rows_type(const Type& row) {
  Dims dims = row.shape();
  dims.insert(dims.begin(), kUnknownDim);
  return Type::tensor(row.dtype(), std::move(dims));
}

int64_t row_elements(const Type& type) {
  int64_t n = 1;
  for (int64_t d : type.shape())
    n = std::min(n * std::clamp<int64_t>(d < 0 ? kGuessedLength : d, 1, 1 << 20), int64_t{1} << 40);
  return n;
}

bool is_loop_view(const Op& op) {
  const std::string_view name = op.name();
  return name == DimShuffle::kName || name == Subtensor::kName || name == Reshape::kName;
}

bool is_costly_elementwise(const Op& op) {
  const Elemwise* e = as_elemwise(op);
  return e && !e->is_cast() && (e->info().heavy || e->info().cost >= kCostly);
}

Var sequence_rows(const Var& x, const Var& steps) {
  return has_rows(x, steps) ? x : slice_axis(x, 0, Var(), steps);
}

Var forward_rows(const Var& x) {
  const Apply* part = owner_if(x, Subtensor::kName);
  if (!part || part->nin() != 1) return {};
  const std::vector<IndexEntry> entries = decode_index(op_as<Subtensor>(*part).index);
  const IndexEntry& e = entries[0];
  if (entries.size() != 1 || !e.is_slice || e.step.kind != SlotKind::constant || e.step.value != -1)
    return {};
  // x[a:b:-1] goes from a down to b + 1; only ends that are counted from the nearer side.
  IndexSlot first, end;
  if (e.stop.kind != SlotKind::absent) {
    if (e.stop.value < 0) return {};
    first = IndexSlot::of(e.stop.value + 1);
  }
  if (e.start.kind != SlotKind::absent && e.start.value != -1) {
    if (e.start.value >= 0) return {};
    end = IndexSlot::of(e.start.value + 1);
  }
  const Var& all = part->inputs()[0];
  if (first.kind == SlotKind::absent && end.kind == SlotKind::absent) return all;
  return subtensor(all, {IndexEntry::slice(first, end)});
}

bool surely_has_rows(const Var& sequence, const Var& steps) {
  std::vector<Var> least{steps};
  for (size_t i = 0; i < least.size(); ++i)
    if (const Apply* both = owner_if(least[i], "minimum"))
      least.insert(least.end(), both->inputs().begin(), both->inputs().end());
  if (!sequence)
    return std::all_of(least.begin(), least.end(), [](const Var& v) {
      return owner_if(v, "minimum") || never_negative(v.get());
    });
  Var x = sequence;
  // Views that have as many rows.
  while (const Apply* part = owner_if(x, Subtensor::kName)) {
    const IndexEntry e = decode_index(op_as<Subtensor>(*part).index)[0];
    if (!e.is_slice || e.start.kind != SlotKind::absent) break;
    const bool steps_by_one = e.step.kind == SlotKind::absent ||
                              (e.step.kind == SlotKind::constant && std::abs(e.step.value) == 1);
    const bool all = e.stop.kind == SlotKind::absent;
    const bool up_to = e.stop.kind == SlotKind::input && e.step.kind == SlotKind::absent &&
                       part->input(1) == steps.get();
    if (!steps_by_one || (!all && !up_to)) break;
    x = part->inputs()[0];
  }
  int64_t n = -1;
  if (constant_int_value(steps.get(), &n)) return n >= 0 && x.type().dim(0) >= n;
  for (const Var& v : least)
    if (owner_if(v, ShapeI::kName) && has_rows(x, v)) return surely_has_rows(Var(), steps);
  return never_negative(steps.get()) && !owner_if(x, Subtensor::kName) && has_rows(x, steps);
}

bool stands_for(const Type& inside, const Type& outside, bool rows) {
  const int extra = rows ? 1 : 0;
  if (inside.dtype() != outside.dtype() || inside.ndim() + extra != outside.ndim()) return false;
  for (int d = 0; d < inside.ndim(); ++d)
    if (inside.dim(d) != kUnknownDim && inside.dim(d) != outside.dim(d + extra)) return false;
  return true;
}

}  // namespace phintys
