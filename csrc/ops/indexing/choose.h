// One of several arrays for each element, and indices that repeat.
#pragma once

#include "graph/op.h"
#include "ops/op_doc.h"

namespace phintys {

// (which, choices...): for each element that of the choice that `which` numbers. All have one rank
// and broadcast; the choices have one dtype.
class Choose final : public OpBase<Choose> {
 public:
  static constexpr const char* kName = "choose";
  static constexpr OpDoc doc{"(which: int tensor, choices: tensors) -> tensor", "all",
                             "numpy.choose"};
  std::string mode = "raise";  // or "wrap", "clip": of numbers out of range
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("mode", s.mode);
  }
  void check_attributes() const;
  const char* summary() const override { return "Elements of the choices that are numbered."; }
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs& args) const override;
  bool connected(int in, int) const override { return in > 0; }
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  void perform(PerformContext& context, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  bool enqueue(device::Queue& queue, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
};

// (counts, total): the index of each element of the vector `counts`, as often as the element says;
// `total` is the sum of the counts.
class RepeatIndices final : public OpBase<RepeatIndices> {
 public:
  static constexpr const char* kName = "repeat_indices";
  static constexpr OpDoc doc{"(counts: int vector, total: int64 scalar) -> int64 vector", "int",
                             "numpy.repeat"};
  template <class Self, class V>
  static void attributes(Self&, V&&) {}
  const char* summary() const override { return "Each index as often as its count says."; }
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs&) const override { return {Var(), Var()}; }
  bool connected(int, int) const override { return false; }
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  uint64_t shape_inputs() const override { return 2; }
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  void perform(PerformContext& context, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  bool enqueue(device::Queue& queue, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
};

}  // namespace phintys
