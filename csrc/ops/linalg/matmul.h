// Products of stacks of matrices.
#pragma once

#include "graph/op.h"
#include "ops/op_doc.h"

namespace phintys {

// (a, b): a @ b for each pair of matrices of two stacks of one rank (3 or more dimensions) and
// dtype. Leading axes in the masks `stretch_a`, `stretch_b` are known to be 1 in that operand and
// repeat; all others are equal.
class Matmul final : public OpBase<Matmul> {
 public:
  static constexpr const char* kName = "matmul";
  static constexpr OpDoc doc{"(a: stack of matrices, b: stack of matrices) -> stack of matrices",
                             "all", "numpy.matmul"};
  int64_t stretch_a = 0, stretch_b = 0;
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("stretch_a", s.stretch_a);
    field("stretch_b", s.stretch_b);
  }
  void check_attributes() const;
  const char* summary() const override { return "Products of the matrices of two stacks."; }
  std::string str() const override { return "BatchedDot"; }
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
