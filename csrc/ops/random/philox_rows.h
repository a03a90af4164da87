// Random rows and choices of counter-based streams.
#pragma once

#include "graph/op.h"
#include "ops/op_doc.h"

namespace phintys {

// (state, parameters..., lengths...): the next state, and int64 numbers.
//
// kind          parameters             result, of shape lengths + ...
// categorical   p (..., K)             (): an index below K with probabilities p[..., :]
// multinomial   n (...), p (..., K)    (K): how often each index came in n trials
// permutation   n, m                   (m): m different numbers below n, in random order
// sample        p (K), m               (m): m different indices; each is drawn with probabilities p
//                                      of those that are left
//
// p (float64) need not add up to 1; n and m are int64. Dimensions of p and n before the last (...)
// broadcast to the lengths.
class PhiloxRows final : public OpBase<PhiloxRows> {
 public:
  static constexpr const char* kName = "philox_rows";
  static constexpr OpDoc doc{
      "(state: uint64 vector, parameters..., lengths: int scalars...) -> state, tensor", "int64",
      "scipy.stats"};
  std::string kind = "categorical";
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("kind", s.kind);
  }
  void check_attributes() const;
  const char* summary() const override { return "Random choices, and the next state."; }
  std::string str() const override { return "PhiloxRows{" + kind + "}"; }
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
};

}  // namespace phintys
