#include "ops/control/loop_builder.h"

#include "graph/inner_graph.h"
#include "ops/build.h"
#include "ops/control/scan.h"

namespace phintys {

namespace {

// `x`, of which the type knows all lengths that `inner` does.
Var claimed(const Var& x, const Type& inner, bool rows) {
  Dims dims = x.type().shape();
  for (int d = 0; d < inner.ndim(); ++d) {
    int64_t& length = dims[static_cast<size_t>(d + (rows ? 1 : 0))];
    if (inner.dim(d) != kUnknownDim) length = inner.dim(d);
  }
  return specify_shape(x, dims);
}

}  // namespace

Type row_pattern(const Type& type) {
  Dims dims(type.shape().begin() + 1, type.shape().end());
  for (int64_t& d : dims)
    if (d != 1) d = kUnknownDim;
  return Type::tensor(type.dtype(), dims);
}

Var LoopBuilder::add_state(Var first, int64_t tap) {
  Var row = make_variable(row_pattern(first.type()));
  states.push_back({std::move(first), tap, row, Var()});
  return row;
}

std::vector<Var> LoopBuilder::build(const Var& n_steps, std::string label) const {
  std::vector<Var> operands{n_steps}, inner, outputs;
  auto op = make_ref<Scan>();
  for (const State& s : states) {
    operands.push_back(claimed(s.first, s.row.type(), true));
    inner.push_back(s.row);
    outputs.push_back(s.next);
    op->taps.insert(op->taps.end(), {1, s.tap});
    op->keep.push_back(0);
  }
  for (const auto& [operand, row] : sequences) {
    operands.push_back(claimed(operand, row.type(), true));
    inner.push_back(row);
  }
  for (const auto& [operand, constant] : constants) {
    operands.push_back(claimed(operand, constant.type(), false));
    inner.push_back(constant);
  }
  outputs.insert(outputs.end(), emitted.begin(), emitted.end());
  op->graph = InnerGraph::make(inner, outputs);
  op->n_sequences = static_cast<int64_t>(sequences.size());
  op->n_emitted = static_cast<int64_t>(emitted.size());
  op->recompute = recompute;
  op->label = std::move(label);
  op->settings = settings;
  op->check_attributes();
  return apply_multi(op, std::move(operands));
}

}  // namespace phintys
