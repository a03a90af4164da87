// Convolution in one, two or three spatial dimensions, and its gradients, each of which is the
// gradient of the others.
#pragma once

#include "graph/op.h"
#include "ops/op_doc.h"

namespace phintys {

namespace conv {
struct Geometry;
}

// What the three ops have in common.
struct ConvAttributes {
  std::vector<int64_t> stride, dilation;  // one a spatial dimension
  // Zeros around the input: low and high for each dimension. With `border` "full" or "half" they
  // follow from the filter (all but one of its extent, half of it) and `pad` is empty.
  std::vector<int64_t> pad;
  std::string border = "pad";
  int64_t groups = 1;
  bool flip = false;      // true convolution; else correlation
  bool unshared = false;  // filters differ from output point to output point

  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("stride", s.stride);
    field("dilation", s.dilation);
    field("pad", s.pad);
    field("border", s.border);
    field("groups", s.groups);
    field("flip", s.flip);
    field("unshared", s.unshared);
  }
  void check() const;
  int ndim() const { return static_cast<int>(stride.size()); }
  int filter_rank() const { return 2 + (unshared ? 2 : 1) * ndim(); }
  // Dimension of the filters that holds the taps of spatial dimension i.
  int tap_axis(int i) const { return (unshared ? 2 + ndim() : 2) + i; }
  // Dimension of the filters with the channels of the input.
  int channel_axis() const { return unshared ? 1 + ndim() : 1; }
  int64_t pad_low(int i, int64_t kernel) const;
  int64_t pad_both(int i, int64_t kernel) const;
  // Length of the output in spatial dimension i.
  int64_t out_length(int i, int64_t in, int64_t kernel) const;
};

// (x: (batch, channels, spatial...), w: (out channels, channels / groups, taps...)) ->
// (batch, out channels, spatial...). Unshared filters are (out channels, out spatial...,
// channels / groups, taps...).
class Conv final : public OpBase<Conv>, public ConvAttributes {
 public:
  static constexpr const char* kName = "conv";
  static constexpr OpDoc doc{"(x: tensor, filters: tensor) -> tensor", "float32, float64",
                             "scipy.signal.correlate"};
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    ConvAttributes::attributes(s, field);
  }
  void check_attributes() const { check(); }
  const char* summary() const override { return "Convolution or correlation with filters."; }
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs& args) const override;
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  void perform(PerformContext& context, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  bool enqueue(device::Queue& queue, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  size_t scratch_bytes(std::span<const TensorView> inputs) const override;
  bool infallible() const override { return true; }
};

// (w, gy, shape: spatial lengths of x) -> gradient of x.
class ConvGradInputs final : public OpBase<ConvGradInputs>, public ConvAttributes {
 public:
  static constexpr const char* kName = "conv_grad_inputs";
  static constexpr OpDoc doc{
      "(filters: tensor, output_grad: tensor, shape: int64 vector) -> tensor", "float32, float64",
      "the gradient of conv"};
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    ConvAttributes::attributes(s, field);
  }
  void check_attributes() const { check(); }
  const char* summary() const override {
    return "The gradient of a convolution with respect to its input.";
  }
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs& args) const override;
  bool connected(int in, int) const override { return in != 2; }
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  uint64_t shape_inputs() const override { return 4; }
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  void perform(PerformContext& context, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  bool enqueue(device::Queue& queue, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
};

// (x, gy, shape: taps in each spatial dimension) -> gradient of the filters.
class ConvGradWeights final : public OpBase<ConvGradWeights>, public ConvAttributes {
 public:
  static constexpr const char* kName = "conv_grad_weights";
  static constexpr OpDoc doc{"(x: tensor, output_grad: tensor, shape: int64 vector) -> tensor",
                             "float32, float64", "the gradient of conv"};
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    ConvAttributes::attributes(s, field);
  }
  void check_attributes() const { check(); }
  const char* summary() const override {
    return "The gradient of a convolution with respect to its filters.";
  }
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs& args) const override;
  bool connected(int in, int) const override { return in != 2; }
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  uint64_t shape_inputs() const override { return 4; }
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  void perform(PerformContext& context, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  bool enqueue(device::Queue& queue, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
};

}  // namespace phintys
