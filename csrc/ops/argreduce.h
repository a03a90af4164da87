// Positions of extrema: argmax and argmin.
#pragma once

#include "graph/op.h"
#include "ops/op_doc.h"

namespace phintys {

// The index of the greatest (least) element over `axes`, counted in C order over those axes; the
// first of equals; NaN wins, as in NumPy.
class ArgReduce final : public OpBase<ArgReduce> {
 public:
  static constexpr const char* kName = "argreduce";
  static constexpr OpDoc doc{.signature = "(x) -> int64 tensor",
                             .dtypes = "all but complex",
                             .reference = "numpy.argmax, numpy.argmin"};
  bool is_max = true;
  std::vector<int64_t> axes;  // sorted, each in [0, ndim)
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("is_max", s.is_max);
    field("axis", s.axes);
  }
  void check_attributes() const;
  const char* summary() const override { return "Position of the greatest or least element."; }
  std::string str() const override;
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs& args) const override;
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  void perform(PerformContext& context, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  bool enqueue(device::Queue& queue, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  bool infallible() const override { return true; }  // layout() refuses empty inputs
};

}  // namespace phintys
