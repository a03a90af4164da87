// Concatenation.
#pragma once

#include "graph/op.h"
#include "ops/op_doc.h"

namespace phintys {

// (parts...): the parts, of one dtype and rank, one after another along `axis`.
class Join final : public OpBase<Join> {
 public:
  static constexpr const char* kName = "join";
  static constexpr OpDoc doc{
      .signature = "(parts...) -> tensor", .dtypes = "all", .reference = "numpy.concatenate"};
  int64_t axis = 0;
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("axis", s.axis);
  }
  const char* summary() const override { return "Arrays joined along an axis."; }
  std::string str() const override { return "Join"; }
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs& args) const override;
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  void perform(PerformContext& context, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  bool enqueue(device::Queue& queue, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  bool infallible() const override { return true; }
};

}  // namespace phintys
