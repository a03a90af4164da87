// What a choice becomes when it is lowered: two programs, of which one runs.
#pragma once

#include <array>

#include "graph/inner_graph.h"
#include "graph/op.h"

namespace phintys {

// (condition, operands...): the outputs of one of two graphs of the operands. Made by
// passes/lazy_branches.h, run by the runtime; never in a saved graph.
class Branch final : public Op {
 public:
  // The graph if the condition holds, the graph if not; of the same inputs and dtypes of outputs.
  std::array<Ref<const InnerGraph>, 2> graphs;
  std::string label;
  // How many branches lie inside one another here, this one included.
  int depth = 1;

  static constexpr const char* kName = "branch";
  const char* name() const override { return kName; }
  const char* summary() const override { return "The outputs of one of two graphs."; }
  void visit(AttrVisitor& visitor) const override;
  bool equal(const Op& other) const override;
  uint64_t hash() const override;
  std::string str() const override;  // "branch{label}"
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  bool opaque() const override { return true; }
  std::span<const Ref<const InnerGraph>> inner() const override { return graphs; }
  Ref<const Op> with_inner(std::vector<Ref<const InnerGraph>> graphs) const override;
};

}  // namespace phintys
