// Identity matrices, and sums over what broadcasting stretched.
#pragma once

#include "graph/op.h"
#include "ops/op_doc.h"

namespace phintys {

// (rows, columns, k): ones on diagonal k, zeros elsewhere.
class Eye final : public OpBase<Eye> {
 public:
  static constexpr const char* kName = "eye";
  static constexpr OpDoc doc{"(rows, columns, k: int scalars) -> matrix", "all", "numpy.eye"};
  DType dtype = DType::f64;
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("dtype", s.dtype);
  }
  const char* summary() const override { return "A matrix with ones on a diagonal."; }
  std::string str() const override;  // "Eye{dtype='float64'}"
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs& args) const override;
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  uint64_t shape_inputs() const override { return 3; }
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  void perform(PerformContext& context, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  bool enqueue(device::Queue& queue, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  bool infallible() const override { return true; }
};

// (x, model), of one rank: x summed over the axes on which model has length 1 and x may not; x
// itself where the shapes are equal. The gradient of something that was broadcast when it ran.
class SumToLike final : public OpBase<SumToLike> {
 public:
  static constexpr const char* kName = "sum_to_like";
  static constexpr OpDoc doc{"(x: tensor, model: tensor) -> tensor", "all",
                             "numpy.sum over the axes of length 1"};
  template <class Self, class V>
  static void attributes(Self&, V&&) {}
  const char* summary() const override { return "x summed to the shape of a model."; }
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs& args) const override;
  bool connected(int in, int) const override { return in == 0; }
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  void perform(PerformContext& context, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  bool enqueue(device::Queue& queue, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  bool infallible() const override { return true; }
};

// unbroadcast_to(), also for lengths of which only running tells that they are 1.
Var sum_to_like(const Var& g, const Var& model);

}  // namespace phintys
