// A graph as an op.
//
// A node of it stands for the expression inside as long as users look at the graph and take
// gradients: it is printed and merged as one, and its gradient is another such op. When a function
// is compiled, the first pass puts the expression in its place (passes/inline_graphs.h), so that it
// is optimised and fused with what lies around it; nothing runs the op itself.
#pragma once

#include <mutex>

#include "graph/inner_graph.h"
#include "graph/op.h"
#include "ops/op_doc.h"

namespace phintys {

// What a user says in place of the derivatives of the expression.
class GraphRules : public RefCounted {
 public:
  virtual bool has_gradient() const = 0;
  // As Op::grad.
  virtual std::vector<Var> gradient(const GradArgs& args) const = 0;
  virtual bool has_forward() const = 0;
  // d outputs for given d inputs, of which those that are zero are null; so are results that do not
  // depend on them.
  virtual std::vector<Var> forward(const Apply& node, std::span<const Var> points) const = 0;
};

class OpFromGraph final : public OpBase<OpFromGraph> {
 public:
  static constexpr const char* kName = "op_from_graph";
  static constexpr OpDoc doc{.signature = "(inputs...) -> outputs...",
                             .dtypes = "all",
                             .reference = "the expression inside"};

  Ref<const InnerGraph> graph;
  std::string label;       // the user's name for the op
  bool is_inline = false;  // what the user said; both are expanded
  // For each input and each output 1 if gradients pass from the one to the other, else 0; empty: as
  // the expression says.
  std::vector<int64_t> pattern;

  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("graph", s.graph);
    field("label", s.label);
    field("inline", s.is_inline);
    field("pattern", s.pattern);
  }
  void check_attributes() const;

  const char* summary() const override { return "The outputs of a graph, as one op."; }
  bool equal(const Op& other) const override;
  uint64_t hash() const override;
  std::string str() const override;
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs& args) const override;
  bool connected(int in, int out) const override;
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  std::span<const Ref<const InnerGraph>> inner() const override { return {&graph, 1}; }
  Ref<const Op> with_inner(std::vector<Ref<const InnerGraph>> graphs) const override;

  // The same op with rules of the user's, which are no attribute: they are not saved, and say
  // nothing about values.
  Ref<const OpFromGraph> with_rules(Ref<const GraphRules> rules) const;
  const Ref<const GraphRules>& rules() const { return rules_; }

 private:
  Ref<OpFromGraph> copy() const;
  void find_reach() const;

  Ref<const GraphRules> rules_;
  // pattern, or what the expression says; made when first asked.
  mutable std::once_flag reach_once_;
  mutable std::vector<bool> reach_;  // [input * n_outputs + output]
};

}  // namespace phintys
