// Sorting along an axis.
#pragma once

#include "graph/op.h"
#include "ops/op_doc.h"

namespace phintys {

// (x): the elements in increasing order along an axis, NaN last; complex numbers by real part, then
// imaginary part.
class Sort final : public OpBase<Sort> {
 public:
  static constexpr const char* kName = "sort";
  static constexpr OpDoc doc{"(x: tensor) -> tensor", "all", "numpy.sort"};
  int64_t axis = 0;
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("axis", s.axis);
  }
  const char* summary() const override { return "The elements in increasing order along an axis."; }
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

// (x): the indices (int64) along an axis that would sort x; equal elements keep their order.
class ArgSort final : public OpBase<ArgSort> {
 public:
  static constexpr const char* kName = "argsort";
  static constexpr OpDoc doc{"(x: tensor) -> int64 tensor", "all", "numpy.argsort"};
  int64_t axis = 0;
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("axis", s.axis);
  }
  const char* summary() const override { return "The indices that sort x along an axis, stably."; }
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

// (x: matrix): the indices of its rows in lexicographic order, stably.
class LexSortRows final : public OpBase<LexSortRows> {
 public:
  static constexpr const char* kName = "lexsort_rows";
  static constexpr OpDoc doc{"(x: matrix) -> int64 vector", "all", "numpy.lexsort"};
  template <class Self, class V>
  static void attributes(Self&, V&&) {}
  const char* summary() const override { return "The order of the rows of a matrix."; }
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

Var argsort(const Var& x, int64_t axis);

}  // namespace phintys
