// Connectionist temporal classification (Graves et al., 2006).
#pragma once

#include "graph/op.h"
#include "ops/op_doc.h"

namespace phintys {

// (activations [time, batch, alphabet], labels [batch, length], input_lengths [batch]): for each
// example, minus the logarithm of the probability that the softmax of its activations gives to all
// alignments with its labels. Symbol 0 is the blank; negative labels are padding. An example whose
// labels do not fit into its time has cost 0 and no gradient, as in warp-ctc.
class Ctc final : public OpBase<Ctc> {
 public:
  static constexpr const char* kName = "ctc";
  static constexpr OpDoc doc{
      "(activations: 3-d tensor, labels: integer matrix, input_lengths: integer vector) -> vector",
      "float32, float64", "sums over all alignments"};
  template <class Self, class V>
  static void attributes(Self&, V&&) {}
  const char* summary() const override { return "Costs of connectionist temporal classification."; }
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs& args) const override;
  bool connected(int in, int) const override { return in == 0; }
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  void perform(PerformContext& context, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
};

// (activations, labels, input_lengths, g): the gradient of the sum of g * costs with respect to the
// activations.
class CtcGrad final : public OpBase<CtcGrad> {
 public:
  static constexpr const char* kName = "ctc_grad";
  static constexpr OpDoc doc{
      "(activations: 3-d tensor, labels: integer matrix, input_lengths: integer vector, "
      "g: vector) -> 3-d tensor",
      "float32, float64", "finite differences"};
  template <class Self, class V>
  static void attributes(Self&, V&&) {}
  const char* summary() const override { return "Gradient of ctc."; }
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs& args) const override;
  bool connected(int in, int) const override { return in == 0 || in == 3; }
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  void perform(PerformContext& context, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
};

}  // namespace phintys
