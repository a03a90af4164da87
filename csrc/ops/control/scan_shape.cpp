// Shapes of what loops produce, without running them.

#include <unordered_map>
#include <unordered_set>

#include "ops/build.h"
#include "ops/control/scan.h"
#include "ops/shape_ops.h"

namespace phintys {

namespace {

const ShapeI* as_length(const Apply* node) {
  return node ? dynamic_cast<const ShapeI*>(&node->op()) : nullptr;
}

// Nodes that take lengths and that `v` depends on, but not through the operand of another one.
std::vector<const Apply*> lengths_in(const Var& v) {
  std::vector<const Apply*> found;
  std::unordered_set<const Apply*> seen;
  std::vector<const Variable*> stack{v.get()};
  while (!stack.empty()) {
    const Apply* node = stack.back()->owner();
    stack.pop_back();
    if (!node || !seen.insert(node).second) continue;
    if (as_length(node)) {
      found.push_back(node);
      continue;
    }
    for (const Var& input : node->inputs()) stack.push_back(input.get());
  }
  return found;
}

// Expresses lengths of a body's variables by lengths and values of its inputs.
class BodyLengths {
 public:
  // Null if that is not possible.
  Var length(const Var& v, int axis) {
    Var result = shape_i(v, axis);
    // Each round replaces lengths of computed variables by what their ops say of them.
    for (int round = 0; round < kMaxRounds; ++round) {
      VarMap map;
      for (const Apply* node : lengths_in(result)) {
        if (!node->input(0)->owner()) continue;
        map[node->output()] = said_by_op(*node);
        if (!map[node->output()]) return Var();
      }
      if (map.empty()) return result;
      result = clone_graph({&result, 1}, map)[0];
    }
    return Var();
  }

 private:
  static constexpr int kMaxRounds = 1 << 12;

  // The length that `node` takes, by the op that computes its operand; null if that cannot tell.
  Var said_by_op(const Apply& node) {
    const Var& x = node.inputs()[0];
    const Apply& maker = *x->owner();
    auto [it, fresh] = shapes_.try_emplace(maker.id());
    if (fresh) it->second = maker.op().infer_shape(maker);
    const size_t out = static_cast<size_t>(x->index());
    if (out >= it->second.size() || it->second[out].size() != static_cast<size_t>(x.ndim()))
      return Var();
    const Var& d = it->second[out][static_cast<size_t>(as_length(&node)->axis)];
    if (!d || d.dtype() != DType::i64 || d.ndim() != 0) return Var();
    const ShapeI* same = as_length(d->owner());
    if (same && d->owner()->input(0) == x.get() && same->equal(node.op())) return Var();
    return d;
  }

  std::unordered_map<uint64_t, std::vector<std::vector<Var>>> shapes_;
};

}  // namespace

std::vector<std::vector<Var>> Scan::infer_shape(const Apply& node) const {
  std::vector<std::vector<Var>> shapes;
  for (int c = 0; c < n_states(); ++c) {
    const Var& rows = node.inputs()[size_t(state_input(c))];
    std::vector<Var> dims = shape_list(rows);
    if (keeps_all(c)) dims[0] = dims[0] + node.inputs()[0];
    shapes.push_back(std::move(dims));
  }
  for (int e = 0; e < n_emitted; ++e) shapes.push_back(emitted_shape(node, emitted_output(e)));
  if (until) shapes.emplace_back();
  return shapes;
}

std::vector<Var> Scan::emitted_shape(const Apply& node, int output) const {
  const Var out = node.out(output);
  const Var& row = graph->outputs()[size_t(output)];
  std::vector<Var> dims{node.inputs()[0]};
  BodyLengths lengths;
  for (int d = 0; d < row.ndim(); ++d) {
    const Var inner = lengths.length(row, d);
    const Var outer = inner ? lifted(node, inner) : Var();
    dims.push_back(outer ? outer : shape_i(out, d + 1));
  }
  return dims;
}

// `inner`, an expression of the body's inputs, outside the loop; null if it may differ from step to
// step.
Var Scan::lifted(const Apply& node, const Var& inner) const {
  VarMap map;
  const std::vector<Var>& inputs = graph->inputs();
  std::unordered_map<const Variable*, int> place;
  for (int i = 0; i < static_cast<int>(inputs.size()); ++i) place[inputs[size_t(i)].get()] = i;
  auto operand = [&](int i) -> const Var& {
    int c = 0;
    while (c < n_states() && i >= first_tap(c) + static_cast<int>(taps_of(c).size())) ++c;
    const int at = c < n_states() ? state_input(c) : sequence_input(0) + i - n_taps();
    return node.inputs()[size_t(at)];
  };
  for (const Apply* length : lengths_in(inner)) {
    const int i = place.at(length->input(0));
    const int axis = static_cast<int>(as_length(length)->axis);
    map[length->output()] = shape_i(operand(i), i < inner_constant(0) ? axis + 1 : axis);
  }
  for (int i = inner_constant(0); i < static_cast<int>(inputs.size()); ++i)
    map[inputs[size_t(i)].get()] = operand(i);
  const Var result = clone_graph({&inner, 1}, map)[0];
  for (const Var& leaf : graph_inputs({&result, 1}))
    if (place.contains(leaf.get())) return Var();
  return result;
}

bool tells_length(const Apply& node, const Var& length) {
  const Apply* owner = as_length(length->owner()) ? length->owner() : nullptr;
  return !owner || owner->input(0)->owner() != &node;
}

}  // namespace phintys
