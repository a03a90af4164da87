// Random numbers of counter-based streams.
#pragma once

#include "graph/op.h"
#include "ops/op_doc.h"

namespace phintys {

// (state, parameters..., lengths...): the next state, and numbers of the shape that the lengths
// give, to which the parameters broadcast. A number is a function of the state and of its index
// alone: the same bits for any number of threads and any instruction set.
//
// kind               parameters               results
// bits               none                     uint32, uint64: all values
// uniform            none                     float32, float64 in [0, 1)
// normal             none                     mean 0, variance 1
// exponential        none                     mean 1
// gamma, log_gamma   shape >= 0               scale 1; the logarithm of such numbers
// truncated_normal   lower <= upper           the standard normal between them
// poisson            mean >= 0                int64
// binomial           n >= 0, 0 <= p <= 1      int64
// integers           low < high (int64)       int64 in [low, high)
//
// Parameters are float64 unless the table says otherwise.
class PhiloxDraw final : public OpBase<PhiloxDraw> {
 public:
  static constexpr const char* kName = "philox_draw";
  static constexpr OpDoc doc{
      "(state: uint64 vector, parameters..., lengths: int scalars...) -> state, tensor",
      "uint32, uint64, float32, float64, int64", "scipy.stats"};
  std::string kind = "uniform";
  DType dtype = DType::f64;
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("kind", s.kind);
    field("dtype", s.dtype);
  }
  void check_attributes() const;
  const char* summary() const override { return "Random numbers, and the next state."; }
  std::string str() const override;
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs& args) const override;
  bool connected(int in, int out) const override;
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  uint64_t shape_inputs() const override;
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  void perform(PerformContext& context, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  bool enqueue(device::Queue& queue, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  int inplace_input() const override { return 0; }
  bool infallible() const override;
};

}  // namespace phintys
