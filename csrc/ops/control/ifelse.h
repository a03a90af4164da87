// A choice between two values, of which only the one taken is computed.
#pragma once

#include "graph/op.h"
#include "ops/op_doc.h"

namespace phintys {

// (condition, values if it holds..., values if not...): one group or the other. The condition is a
// scalar of which 0 is false. An output is the very memory of the value taken. That the values of
// the other group are not computed is the work of passes/lazy_branches.h.
class IfElse final : public OpBase<IfElse> {
 public:
  static constexpr const char* kName = "ifelse";
  static constexpr OpDoc doc{.signature = "(condition: scalar, then..., else...) -> values",
                             .dtypes = "all",
                             .reference = "Python's if"};
  int64_t n_outputs = 1;
  std::string label;  // the user's name for the choice
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("n_outputs", s.n_outputs);
    field("label", s.label);
  }
  void check_attributes() const;
  const char* summary() const override { return "One of two groups of values; lazy."; }
  std::string str() const override;  // "if{label}"
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs& args) const override;
  bool connected(int in, int out) const override;
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  uint64_t shape_inputs() const override { return 1; }
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  bool infallible() const override { return true; }

  // Among the inputs of a node.
  int then_input(int out) const { return 1 + out; }
  int else_input(int out) const { return 1 + static_cast<int>(n_outputs) + out; }
};

// Values chosen by a scalar condition.
std::vector<Var> ifelse(const Var& condition, std::span<const Var> then_values,
                        std::span<const Var> else_values);
Var ifelse(const Var& condition, const Var& then_value, const Var& else_value);
// True iff the element is not 0; of any dtype but a complex one.
bool holds(const TensorView& condition);

}  // namespace phintys
