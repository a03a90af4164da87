// Running sums, products and extrema along an axis.
#pragma once

#include "graph/op.h"
#include "ops/op_doc.h"
#include "ops/sort/scan_isa.h"

namespace phintys {

// (x): each element joined with all before it along an axis (after it, if `reverse`), in the dtype
// of x.
class Cumulate final : public OpBase<Cumulate> {
 public:
  static constexpr const char* kName = "cumulate";
  static constexpr OpDoc doc{"(x: tensor) -> tensor", "all but bool, float16", "numpy.cumsum"};
  std::string kind = "sum";  // "sum", "prod", "max", "min"
  int64_t axis = 0;
  bool reverse = false;
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("kind", s.kind);
    field("axis", s.axis);
    field("reverse", s.reverse);
  }
  void check_attributes() const;
  ScanKind scan_kind() const;
  const char* summary() const override {
    return "Running sums, products or extrema along an axis.";
  }
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
