// Pooling: maxima, sums and averages over windows of the last one to three axes, and gradients.
//
// Windows begin at multiples of the stride of an array that `pad` elements surround on each side;
// these never win a maximum, add nothing to a sum, and count in an average in one mode only. With
// ignore_border, windows that reach past the end are left out; without it, they are cut off there.
#pragma once

#include "graph/op.h"
#include "ops/op_doc.h"
#include "ops/pool/pool_kernels.h"

namespace phintys {

// What the pooling ops share. Their last three operands are integer vectors with an entry for each
// pooled axis: window lengths, strides, padding.
template <class D>
class PoolOp : public OpBase<D> {
 public:
  bool ignore_border = true;
  std::string mode = "max";  // max, sum, average_inc_pad, average_exc_pad
  int64_t ndim = 2;
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("ignore_border", s.ignore_border);
    field("mode", s.mode);
    field("ndim", s.ndim);
  }
  void check_attributes() const;
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs& args) const override;
  bool connected(int in, int out) const override;
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  uint64_t shape_inputs() const override;
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  void perform(PerformContext& context, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  bool enqueue(device::Queue& queue, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  bool infallible() const override { return true; }
};

class Pool final : public PoolOp<Pool> {
 public:
  static constexpr const char* kName = "pool";
  static constexpr OpDoc doc{"(x: tensor, ws, stride, pad: integer vectors) -> tensor",
                             "float32, float64; integers for max and sum",
                             "loops over windows of a padded array"};
  const char* summary() const override { return "Maxima, sums or averages over windows."; }
  std::string str() const override { return "Pool" + attributes_text(*this); }
};

// The gradient of the cost with respect to x for the maxima z: every element that equals the
// maximum of its window gets its gradient.
class MaxPoolGrad final : public PoolOp<MaxPoolGrad> {
 public:
  static constexpr const char* kName = "max_pool_grad";
  static constexpr OpDoc doc{"(x, z, gz: tensors, ws, stride, pad: integer vectors) -> tensor",
                             "float32, float64", "loops over windows of a padded array"};
  const char* summary() const override { return "Gradient of maxima over windows."; }
  std::string str() const override { return "MaxPoolGrad" + attributes_text(*this); }
};

// The gradient of that: the sum of v over the elements of each window that equal its maximum z.
class MaxPoolGradGrad final : public PoolOp<MaxPoolGradGrad> {
 public:
  static constexpr const char* kName = "max_pool_grad_grad";
  static constexpr OpDoc doc{"(x, z, v: tensors, ws, stride, pad: integer vectors) -> tensor",
                             "float32, float64", "loops over windows of a padded array"};
  const char* summary() const override { return "Values where maxima over windows were found."; }
  std::string str() const override {
    return "DownsampleFactorMaxGradGrad" + attributes_text(*this);
  }
};

// The gradient of sums and averages, which needs of x the lengths of the pooled axes only.
class AveragePoolGrad final : public PoolOp<AveragePoolGrad> {
 public:
  static constexpr const char* kName = "average_pool_grad";
  static constexpr OpDoc doc{
      "(lengths: integer vector, gz: tensor, ws, stride, pad: integer vectors) -> tensor",
      "float32, float64", "loops over windows of a padded array"};
  const char* summary() const override { return "Gradient of sums or averages over windows."; }
  std::string str() const override { return "AveragePoolGrad" + attributes_text(*this); }
};

}  // namespace phintys
