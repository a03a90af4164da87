// Elements chosen along one axis, for each of the other axes by indices of its own.
#pragma once

#include "graph/op.h"
#include "ops/op_doc.h"

namespace phintys {

// (x, index): out[..., i, ...] = x[..., index[..., i, ...], ...]. x and index have one rank; on the
// other axes they broadcast.
class TakeAlongAxis final : public OpBase<TakeAlongAxis> {
 public:
  static constexpr const char* kName = "take_along_axis";
  static constexpr OpDoc doc{"(x: tensor, index: int tensor) -> tensor", "all",
                             "numpy.take_along_axis"};
  int64_t axis = 0;
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("axis", s.axis);
  }
  const char* summary() const override { return "Elements of x at indices along an axis."; }
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs& args) const override;
  bool connected(int in, int) const override { return in == 0; }
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  void perform(PerformContext& context, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  bool enqueue(device::Queue& queue, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
};

// (x, y, index): x with y added to, or stored in, the elements that take_along_axis would take.
// Elements that are named twice are increased twice, in C order; of stored values the last stays.
class PutAlongAxis final : public OpBase<PutAlongAxis> {
 public:
  static constexpr const char* kName = "put_along_axis";
  static constexpr OpDoc doc{"(x: tensor, y: tensor, index: int tensor) -> tensor", "all",
                             "numpy.put_along_axis"};
  int64_t axis = 0;
  bool set = false;
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("axis", s.axis);
    field("set_instead_of_inc", s.set);
  }
  const char* summary() const override {
    return "x with elements at indices along an axis replaced or increased.";
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

Var take_along_axis(const Var& x, const Var& index, int64_t axis);
// y is cast to x's dtype.
Var put_along_axis(const Var& x, const Var& y, const Var& index, int64_t axis, bool set);

}  // namespace phintys
