#include "runtime/row_shapes.h"

#include <unordered_set>

#include "graph/traverse.h"
#include "ops/build.h"

namespace phintys::runtime {

namespace {

// Marks the operands whose values `length` depends on, not only their shapes. False if computing it
// runs what a program of lengths should not: a user's code, or a loop.
bool find_reads(const Var& length, std::span<const Var> operands, std::vector<bool>* reads) {
  std::unordered_set<const Apply*> seen;
  std::vector<const Variable*> stack{length.get()};
  while (!stack.empty()) {
    const Variable* v = stack.back();
    stack.pop_back();
    bool operand = false;
    for (size_t i = 0; i < operands.size(); ++i) {
      if (operands[i].get() != v) continue;
      operand = true;
      (*reads)[i] = true;
    }
    const Apply* node = v->owner();
    if (operand || !node || !seen.insert(node).second) continue;
    if (node->op().opaque() || !node->op().inner().empty()) return false;
    if (node->op().shape_only()) continue;
    for (const Var& input : node->inputs()) stack.push_back(input.get());
  }
  return true;
}

}  // namespace

RowShapes row_shapes(const Scan& scan, const Apply& node, const LowerOptions& options) {
  RowShapes rows;
  if (scan.n_emitted == 0) return rows;
  rows.reads.assign(node.inputs().size(), false);
  const std::vector<std::vector<Var>> shapes = scan.infer_shape(node);
  std::vector<Var> lengths;
  for (int e = 0; e < scan.n_emitted; ++e) {
    const std::vector<Var>& shape = shapes[static_cast<size_t>(scan.emitted_output(e))];
    const Type& type = scan.graph->outputs()[static_cast<size_t>(scan.emitted_output(e))].type();
    std::vector<int>& outputs = rows.outputs.emplace_back();
    for (int d = 0; d < type.ndim(); ++d) {
      Var length = shape[static_cast<size_t>(d) + 1];
      if (type.dim(d) != kUnknownDim) length = constant_int(type.dim(d));
      std::vector<bool> reads = rows.reads;
      const bool known = tells_length(node, length) && find_reads(length, node.inputs(), &reads);
      rows.complete = rows.complete && known;
      outputs.push_back(known ? static_cast<int>(lengths.size()) : -1);
      if (!known) continue;
      rows.reads = std::move(reads);
      lengths.push_back(std::move(length));
    }
  }
  if (lengths.empty()) return rows;
  VarMap map;
  std::vector<Var> inputs;
  for (const Var& v : node.inputs()) {
    inputs.push_back(make_variable(v.type()));
    if (!v->is_constant()) map[v.get()] = inputs.back();
  }
  const Graph graph(inputs, clone_graph(lengths, map));
  LowerOptions own = options;
  own.known_inputs.clear();  // those are the body's
  rows.program = lower(graph, static_cast<int>(lengths.size()), {}, {}, own, nullptr);
  return rows;
}

}  // namespace phintys::runtime
