// Boolean masks: positions and elements where one is true.
//
// How many there are decides shapes, so it is an input of the ops: the value of count_nonzero.
#pragma once

#include "graph/op.h"
#include "ops/op_doc.h"

namespace phintys {

// (mask): the number of true elements.
class CountNonzero final : public OpBase<CountNonzero> {
 public:
  static constexpr const char* kName = "count_nonzero";
  static constexpr OpDoc doc{"(mask: bool tensor) -> int64 scalar", "bool", "numpy.count_nonzero"};
  template <class Self, class V>
  static void attributes(Self&, V&&) {}
  const char* summary() const override { return "The number of true elements."; }
  std::string str() const override { return "CountNonzero"; }
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs& args) const override;
  bool connected(int, int) const override { return false; }
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  void perform(PerformContext& context, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  bool enqueue(device::Queue& queue, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  size_t scratch_bytes(std::span<const TensorView> inputs) const override;
  bool infallible() const override { return true; }
};

// (mask, count): for each dimension an int64 vector with the indices of the true elements.
class Nonzero final : public OpBase<Nonzero> {
 public:
  static constexpr const char* kName = "nonzero";
  static constexpr OpDoc doc{"(mask: bool tensor, count: int64 scalar) -> int64 vectors", "bool",
                             "numpy.nonzero"};
  template <class Self, class V>
  static void attributes(Self&, V&&) {}
  const char* summary() const override { return "Indices of the true elements."; }
  std::string str() const override { return "Nonzero"; }
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs& args) const override;
  bool connected(int, int) const override { return false; }
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  uint64_t shape_inputs() const override { return 2; }
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  void perform(PerformContext& context, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  bool enqueue(device::Queue& queue, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
};

// (x, mask, count): the elements of x where the mask is true. The mask spans the axes of x from
// `axis` on; in their place comes one axis of length `count`.
class MaskSubtensor final : public OpBase<MaskSubtensor> {
 public:
  static constexpr const char* kName = "mask_subtensor";
  static constexpr OpDoc doc{"(x: tensor, mask: bool tensor, count: int64 scalar) -> tensor", "all",
                             "x[mask] of NumPy"};
  int64_t axis = 0;
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("axis", s.axis);
  }
  const char* summary() const override { return "Elements of x where a mask is true."; }
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs& args) const override;
  bool connected(int in, int) const override { return in == 0; }
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  uint64_t shape_inputs() const override { return 4; }
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  void perform(PerformContext& context, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  bool enqueue(device::Queue& queue, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
};

// (x, y, mask, count): x with y added to, or stored in, the elements where the mask is true; y
// broadcasts to them.
class MaskIncSubtensor final : public OpBase<MaskIncSubtensor> {
 public:
  static constexpr const char* kName = "mask_inc_subtensor";
  static constexpr OpDoc doc{
      "(x: tensor, y: tensor, mask: bool tensor, count: int64 scalar) -> tensor", "all",
      "x[mask] += y, x[mask] = y of NumPy"};
  int64_t axis = 0;
  bool set = false;
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("axis", s.axis);
    field("set_instead_of_inc", s.set);
  }
  const char* summary() const override {
    return "x with the elements where a mask is true replaced or increased.";
  }
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs& args) const override;
  bool connected(int in, int) const override { return in < 2; }
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  void perform(PerformContext& context, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  bool enqueue(device::Queue& queue, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  int inplace_input() const override { return 0; }
};

Var count_nonzero(const Var& mask);
// x[..., mask, ...] with the mask on the axes from `axis` on.
Var mask_subtensor(const Var& x, const Var& mask, const Var& count, int64_t axis);
// y is cast to x's dtype.
Var mask_inc_subtensor(const Var& x, const Var& y, const Var& mask, const Var& count, int64_t axis,
                       bool set);

}  // namespace phintys
