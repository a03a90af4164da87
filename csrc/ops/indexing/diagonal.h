// Diagonals of two axes: looking at one, and replacing one.
#pragma once

#include "graph/op.h"
#include "ops/op_doc.h"

namespace phintys {

// (x): the elements x[..., i, ..., i + offset, ...] of the axes axis1 and axis2, put last; a view.
class Diagonal final : public OpBase<Diagonal> {
 public:
  static constexpr const char* kName = "diagonal";
  static constexpr OpDoc doc{"(x: tensor) -> tensor", "all", "numpy.diagonal"};
  int64_t offset = 0;
  int64_t axis1 = 0;
  int64_t axis2 = 1;
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("offset", s.offset);
    field("axis1", s.axis1);
    field("axis2", s.axis2);
  }
  void check_attributes() const;
  const char* summary() const override { return "A diagonal of two dimensions."; }
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs& args) const override;
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  bool infallible() const override { return true; }
};

// (x, y): x with y, which broadcasts to it, in the place of a diagonal.
class SetDiagonal final : public OpBase<SetDiagonal> {
 public:
  static constexpr const char* kName = "set_diagonal";
  static constexpr OpDoc doc{"(x: tensor, y: tensor) -> tensor", "all", "numpy.fill_diagonal"};
  int64_t offset = 0;
  int64_t axis1 = 0;
  int64_t axis2 = 1;
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("offset", s.offset);
    field("axis1", s.axis1);
    field("axis2", s.axis2);
  }
  void check_attributes() const;
  const char* summary() const override { return "x with a diagonal replaced."; }
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
};

}  // namespace phintys
