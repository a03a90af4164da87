// MRG31k3p, the generator of Theano's MRG_RandomStreams, and what that class makes of its numbers.
#pragma once

#include "graph/op.h"
#include "ops/op_doc.h"

namespace phintys {

// (states, lengths...): the next states, and uniform numbers in (0, 1), drawn number for number as
// Theano's compiled code does. `states` is an int32 matrix: a row of six words for each stream.
// Element i comes from stream i modulo their number. L'Ecuyer and Touzin, "Fast combined multiple
// recursive generators with multipliers of the form a = +-2^q +- 2^r", WSC 2000.
class MrgUniform final : public OpBase<MrgUniform> {
 public:
  static constexpr const char* kName = "mrg_uniform";
  static constexpr OpDoc doc{"(states: int32 matrix, lengths: int scalars...) -> states, tensor",
                             "float", "recurrences of the paper"};
  DType dtype = DType::f64;
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("dtype", s.dtype);
  }
  void check_attributes() const;
  const char* summary() const override { return "Uniform numbers of MRG31k3p streams."; }
  std::string str() const override;
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs& args) const override;
  bool connected(int, int) const override { return false; }
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  uint64_t shape_inputs() const override;
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  void perform(PerformContext& context, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  bool enqueue(device::Queue& queue, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  int inplace_input() const override { return 0; }
  bool infallible() const override { return true; }
};

// (p, u, n): for each row of the matrix p of probabilities, what n uniform numbers choose; those of
// row r are u[r], u[r + rows], ... With `replace` counts of the indices, of the shape of p; without
// it the n different indices that were chosen, as a matrix of n columns.
class ChooseFromUniform final : public OpBase<ChooseFromUniform> {
 public:
  static constexpr const char* kName = "choose_from_uniform";
  static constexpr OpDoc doc{"(p: matrix, u: vector, n: int64 scalar) -> int64 matrix", "float",
                             "a loop in Python"};
  bool replace = true;
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("replace", s.replace);
  }
  const char* summary() const override { return "Indices chosen by uniform numbers."; }
  std::string str() const override {
    return replace ? "MultinomialFromUniform" : "ChoiceFromUniform";
  }
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs& args) const override;
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  uint64_t shape_inputs() const override { return 4; }
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  void perform(PerformContext& context, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  bool enqueue(device::Queue& queue, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
};

}  // namespace phintys
