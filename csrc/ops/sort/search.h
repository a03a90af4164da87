// Searching in sorted vectors.
#pragma once

#include "graph/op.h"
#include "ops/op_doc.h"

namespace phintys {

// (a: sorted vector, v): for each element of v the place in a where it would be inserted: before
// equal elements, or after them if `right`. NaN counts as greatest. Both have one dtype.
class SearchSorted final : public OpBase<SearchSorted> {
 public:
  static constexpr const char* kName = "searchsorted";
  static constexpr OpDoc doc{"(a: sorted vector, v: tensor) -> int64 tensor",
                             "all but bool, float16, complex", "numpy.searchsorted"};
  bool right = false;
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("right", s.right);
  }
  const char* summary() const override { return "Places in a sorted vector."; }
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
