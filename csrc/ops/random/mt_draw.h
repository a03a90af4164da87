// Random numbers as NumPy's legacy RandomState makes them.
#pragma once

#include "graph/op.h"
#include "ops/op_doc.h"

namespace phintys {

// (state, parameters..., lengths...): the next state, and what the method of the same name of
// numpy.random.RandomState returns, drawn in C order. Parameters broadcast to the lengths.
//
// kind             parameters                              result
// uniform          low, high                               float64
// normal           mean, standard deviation                float64
// poisson          mean                                    int64
// binomial         n (int64), p                            int64
// random_integers  low, high (int64), both included        int64
// choice           n, replace (int64), p (vector)          int64 below n; uniform if p is empty
// permutation      n (int64)                               int64, of shape lengths + (n)
// multinomial      n (int64 ...), p (..., K)               int64, of shape lengths + (K)
//
// Parameters are float64 unless the table says otherwise; p of multinomial may be float32, and its
// rows are scaled a little where their sum is off by rounding, as Theano does.
class MtDraw final : public OpBase<MtDraw> {
 public:
  static constexpr const char* kName = "mt19937_draw";
  static constexpr OpDoc doc{
      "(state: uint32 vector, parameters..., lengths: int scalars...) -> state, tensor",
      "float64, int64", "numpy.random.RandomState"};
  std::string kind = "uniform";
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("kind", s.kind);
  }
  void check_attributes() const;
  const char* summary() const override {
    return "Random numbers of NumPy's legacy generator, and its next state.";
  }
  std::string str() const override { return "RandomFunction{" + kind + "}"; }
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs& args) const override;
  bool connected(int in, int out) const override;
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  uint64_t shape_inputs() const override;
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  void perform(PerformContext& context, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
};

}  // namespace phintys
