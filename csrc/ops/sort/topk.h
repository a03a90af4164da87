// The greatest or least elements along an axis.
#pragma once

#include "graph/op.h"
#include "ops/op_doc.h"

namespace phintys {

// (x, k: int scalar): the k greatest elements along an axis, or the -k least if k is negative, and
// their indices. NaN counts as greatest; of equal elements the first are taken. Sorted: best first;
// else in the order in which they lie in x.
class TopK final : public OpBase<TopK> {
 public:
  static constexpr const char* kName = "topk";
  static constexpr OpDoc doc{"(x: tensor, k: int scalar) -> tensor, int tensor", "all but complex",
                             "numpy.sort, numpy.argsort"};
  int64_t axis = 0;
  bool sorted = true;
  bool values = true;   // an output
  bool indices = true;  // an output
  DType idx_dtype = DType::i64;
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("axis", s.axis);
    field("sorted", s.sorted);
    field("return_values", s.values);
    field("return_indices", s.indices);
    field("idx_dtype", s.idx_dtype);
  }
  void check_attributes() const;
  const char* summary() const override { return "The greatest or least elements along an axis."; }
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs& args) const override;
  bool connected(int in, int out) const override { return in == 0 && values && out == 0; }
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  uint64_t shape_inputs() const override { return 2; }
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  void perform(PerformContext& context, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  bool enqueue(device::Queue& queue, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
};

}  // namespace phintys
