// Layer and batch normalisation, with gradients.
#pragma once

#include "graph/op.h"
#include "ops/op_doc.h"

namespace phintys {

// (x) or (x, gamma, beta): each row (last axis) less its mean, divided by the root of its variance
// + eps, then times gamma plus beta, which are vectors of the length of a row. Also the means and
// the inverse roots, without the last axis.
class LayerNorm final : public OpBase<LayerNorm> {
 public:
  static constexpr const char* kName = "layer_norm";
  static constexpr OpDoc doc{
      "(x: tensor[, gamma, beta: vectors]) -> tensor, means, inverse standard deviations",
      "float32, float64", "the formula in NumPy"};
  double eps = 1e-5;
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("eps", s.eps);
  }
  const char* summary() const override { return "Rows normalised to mean 0 and variance 1."; }
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs& args) const override;
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  void perform(PerformContext& context, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  bool enqueue(device::Queue& queue, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  bool infallible() const override { return true; }
  size_t scratch_bytes(std::span<const TensorView> inputs) const override;
};

// (x, gy, mean, inv_std) or (x, gy, mean, inv_std, gamma): the gradients of the cost with respect
// to x and, with gamma, to gamma and beta.
class LayerNormGrad final : public OpBase<LayerNormGrad> {
 public:
  static constexpr const char* kName = "layer_norm_grad";
  static constexpr OpDoc doc{
      "(x, gy, mean, inv_std: tensors[, gamma: vector]) -> tensor[, vector, vector]",
      "float32, float64", "finite differences"};
  template <class Self, class V>
  static void attributes(Self&, V&&) {}
  const char* summary() const override { return "Gradients of layer_norm."; }
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs& args) const override;
  // The mean and the deviation are those of x: the gradient with respect to x has their part.
  bool connected(int in, int) const override { return in < 2 || in == 4; }
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  void perform(PerformContext& context, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  bool enqueue(device::Queue& queue, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  bool infallible() const override { return true; }
  size_t scratch_bytes(std::span<const TensorView> inputs) const override;
};

// (x, gamma, beta): x less its mean, divided by the root of its variance + eps, times gamma plus
// beta. The axes [lead, lead + kept) are kept: mean and variance are over the others, and gamma and
// beta have these axes alone. Also the means, the inverse roots and the variances.
class BatchNorm final : public OpBase<BatchNorm> {
 public:
  static constexpr const char* kName = "batch_norm";
  static constexpr OpDoc doc{
      "(x, gamma, beta: tensors) -> tensor, means, inverse standard deviations, variances",
      "float32, float64", "the formula in NumPy"};
  int64_t lead = 1, kept = 1;
  double eps = 1e-4;
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("lead", s.lead);
    field("kept", s.kept);
    field("eps", s.eps);
  }
  void check_attributes() const;
  const char* summary() const override { return "Channels normalised to mean 0 and variance 1."; }
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs& args) const override;
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  void perform(PerformContext& context, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  bool enqueue(device::Queue& queue, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  bool infallible() const override { return true; }
  size_t scratch_bytes(std::span<const TensorView> inputs) const override;
};

// (x, gy, mean, inv_std, gamma): the gradients of the cost with respect to x, gamma and beta.
class BatchNormGrad final : public OpBase<BatchNormGrad> {
 public:
  static constexpr const char* kName = "batch_norm_grad";
  static constexpr OpDoc doc{"(x, gy, mean, inv_std, gamma: tensors) -> tensor, tensor, tensor",
                             "float32, float64", "finite differences"};
  int64_t lead = 1, kept = 1;
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("lead", s.lead);
    field("kept", s.kept);
  }
  void check_attributes() const;
  const char* summary() const override { return "Gradients of batch_norm."; }
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs& args) const override;
  bool connected(int in, int) const override { return in < 2 || in == 4; }
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  void perform(PerformContext& context, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  bool enqueue(device::Queue& queue, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  bool infallible() const override { return true; }
  size_t scratch_bytes(std::span<const TensorView> inputs) const override;
};

// (x, mean, scale, shift): (x - mean) * scale + shift, where the last three have the axes
// [lead, lead + kept) of x alone: batch normalisation with given statistics.
class ScaleChannels final : public OpBase<ScaleChannels> {
 public:
  static constexpr const char* kName = "scale_channels";
  static constexpr OpDoc doc{"(x, mean, scale, shift: tensors) -> tensor", "float32, float64",
                             "the formula in NumPy"};
  int64_t lead = 1, kept = 1;
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("lead", s.lead);
    field("kept", s.kept);
  }
  void check_attributes() const;
  const char* summary() const override { return "(x - mean) * scale + shift for each channel."; }
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs& args) const override;
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  void perform(PerformContext& context, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  bool enqueue(device::Queue& queue, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  bool infallible() const override { return true; }
  size_t scratch_bytes(std::span<const TensorView> inputs) const override;
};

}  // namespace phintys
