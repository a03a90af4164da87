// The gradients of softmax and log-softmax as one pass over rows.
#pragma once

#include "graph/op.h"
#include "ops/op_doc.h"

namespace phintys {

// (g, z): (g - sum(g * z)) * z over the last axis, the gradient with respect to x for
// z = softmax(x); with `log`, g - exp(z) * sum(g), that for z = log_softmax(x). What gradients
// build of other ops becomes this in passes/specialize.h.
class SoftmaxGrad final : public OpBase<SoftmaxGrad> {
 public:
  static constexpr const char* kName = "softmax_grad";
  static constexpr OpDoc doc{"(g, z: tensors) -> tensor", "float32, float64",
                             "the formula in NumPy"};
  bool log = false;
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("log", s.log);
  }
  const char* summary() const override { return "Gradient of softmax or of its logarithm."; }
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs& args) const override;
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  void perform(PerformContext& context, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  bool enqueue(device::Queue& queue, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  int inplace_input() const override { return 0; }
  bool infallible() const override { return true; }
  size_t scratch_bytes(std::span<const TensorView> inputs) const override;
};

// (v, z, y): for each row i of the matrix z below the length of the integer vector y, v_i times
// (one at column y_i, less p_i), where p is z or, with `log`, exp(z): the gradient of the cross
// entropy of a softmax. Zero in the other rows. v is a vector of the length of y, or of length 1.
class CrossentropySoftmaxGrad final : public OpBase<CrossentropySoftmaxGrad> {
 public:
  static constexpr const char* kName = "crossentropy_softmax_grad";
  static constexpr OpDoc doc{"(v: vector, z: matrix, y: integer vector) -> matrix",
                             "float32, float64", "the formula in NumPy"};
  bool log = false;
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("log", s.log);
  }
  const char* summary() const override { return "Gradient of the cross entropy of a softmax."; }
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs& args) const override;
  bool connected(int in, int) const override { return in < 2; }
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  void perform(PerformContext& context, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  bool enqueue(device::Queue& queue, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  int inplace_input() const override { return 1; }
};

}  // namespace phintys
