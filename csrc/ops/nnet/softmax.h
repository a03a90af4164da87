// Softmax and its logarithm over the last axis.
#pragma once

#include "graph/op.h"
#include "ops/op_doc.h"

namespace phintys {

class Softmax final : public OpBase<Softmax> {
 public:
  static constexpr const char* kName = "softmax";
  static constexpr OpDoc doc{
      .signature = "(x) -> tensor like x", .dtypes = "float", .reference = "scipy.special.softmax"};
  template <class Self, class V>
  static void attributes(Self&, V&&) {}
  const char* summary() const override { return "exp(x) / sum(exp(x)) over the last axis."; }
  std::string str() const override { return "Softmax"; }
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

class LogSoftmax final : public OpBase<LogSoftmax> {
 public:
  static constexpr const char* kName = "log_softmax";
  static constexpr OpDoc doc{.signature = "(x) -> tensor like x",
                             .dtypes = "float",
                             .reference = "scipy.special.log_softmax"};
  template <class Self, class V>
  static void attributes(Self&, V&&) {}
  const char* summary() const override { return "x - log(sum(exp(x))) over the last axis."; }
  std::string str() const override { return "LogSoftmax"; }
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

}  // namespace phintys
