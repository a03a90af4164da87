// Ops that pass a value on and change what happens to its gradient, copies, and assertions.
#pragma once

#include "graph/op.h"
#include "ops/op_doc.h"

namespace phintys {

// What the ops whose output is the very memory of input 0 have in common.
template <class D>
class ViewOp : public OpBase<D> {
 public:
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  bool infallible() const override { return true; }
  template <class Self, class V>
  static void attributes(Self&, V&&) {}
};

// x, of which the cost does not depend on anything behind it.
class DisconnectedGrad final : public ViewOp<DisconnectedGrad> {
 public:
  static constexpr const char* kName = "disconnected_grad";
  static constexpr OpDoc doc{.signature = "(x) -> x", .dtypes = "all", .reference = "the operand"};
  const char* summary() const override { return "x, disconnected from gradients."; }
  std::string str() const override { return "disconnected_grad"; }
  std::vector<Var> grad(const GradArgs&) const override { return {Var()}; }
  bool connected(int, int) const override { return false; }
};

// x with a gradient of zeros.
class ZeroGrad final : public ViewOp<ZeroGrad> {
 public:
  static constexpr const char* kName = "zero_grad";
  static constexpr OpDoc doc{.signature = "(x) -> x", .dtypes = "all", .reference = "the operand"};
  const char* summary() const override { return "x, whose gradient is zero."; }
  std::string str() const override { return "zero_grad"; }
  std::vector<Var> grad(const GradArgs& args) const override;
};

// x; a gradient that passes through it is an error.
class UndefinedGrad final : public ViewOp<UndefinedGrad> {
 public:
  static constexpr const char* kName = "undefined_grad";
  static constexpr OpDoc doc{.signature = "(x) -> x", .dtypes = "all", .reference = "the operand"};
  const char* summary() const override { return "x, whose gradient is declared undefined."; }
  std::string str() const override { return "UndefinedGrad"; }
  std::vector<Var> grad(const GradArgs& args) const override;
};

// x as a constant: Theano's old name for a gradient of zeros.
class ConsiderConstant final : public ViewOp<ConsiderConstant> {
 public:
  static constexpr const char* kName = "consider_constant";
  static constexpr OpDoc doc{.signature = "(x) -> x", .dtypes = "all", .reference = "the operand"};
  const char* summary() const override { return "x, treated as a constant by gradients."; }
  std::string str() const override { return "consider_constant"; }
  std::vector<Var> grad(const GradArgs& args) const override;
};

// x; the gradient that comes in is limited to a range.
class GradClip final : public ViewOp<GradClip> {
 public:
  static constexpr const char* kName = "grad_clip";
  static constexpr OpDoc doc{
      .signature = "(x) -> x", .dtypes = "float", .reference = "the operand"};
  double low = -1, high = 1;
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("low", s.low);
    field("high", s.high);
  }
  const char* summary() const override { return "x, whose gradient is limited to a range."; }
  std::vector<Var> grad(const GradArgs& args) const override;
};

// x; the gradient that comes in is multiplied by a number.
class GradScale final : public ViewOp<GradScale> {
 public:
  static constexpr const char* kName = "grad_scale";
  static constexpr OpDoc doc{
      .signature = "(x) -> x", .dtypes = "float", .reference = "the operand"};
  double factor = 1;
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("factor", s.factor);
  }
  const char* summary() const override { return "x, whose gradient is scaled."; }
  std::vector<Var> grad(const GradArgs& args) const override;
};

// x, to be delivered on a device where it is an output of a function; inside a graph it changes
// nothing, as functions run in one place.
class Transfer final : public ViewOp<Transfer> {
 public:
  static constexpr const char* kName = "transfer";
  static constexpr OpDoc doc{.signature = "(x) -> x", .dtypes = "all", .reference = "the operand"};
  std::string target = "cpu";  // "cuda", "cuda:1", ...
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("target", s.target);
  }
  const char* summary() const override { return "x, wanted on a device, or on the host."; }
  std::string str() const override { return "Transfer{" + target + "}"; }
  std::vector<Var> grad(const GradArgs& args) const override;
};

// A copy of x in memory of its own.
class DeepCopy final : public OpBase<DeepCopy> {
 public:
  static constexpr const char* kName = "deep_copy";
  static constexpr OpDoc doc{
      .signature = "(x) -> tensor like x", .dtypes = "all", .reference = "numpy.copy"};
  template <class Self, class V>
  static void attributes(Self&, V&&) {}
  const char* summary() const override { return "A copy of x."; }
  std::string str() const override { return "DeepCopyOp"; }
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs& args) const override;
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  void perform(PerformContext& context, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  bool enqueue(device::Queue& queue, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  bool infallible() const override { return true; }
};

// True iff no element of any of them is 0.
bool all_hold(std::span<const TensorView> conditions);

// (value, conditions...): value; an AssertionError with the message where a condition has an
// element that is 0. Memory of its own, so that perform() runs: it checks, and copies unless the
// value's memory was handed over.
class Assert final : public OpBase<Assert> {
 public:
  static constexpr const char* kName = "assert";
  static constexpr OpDoc doc{
      .signature = "(value, conditions...) -> value", .dtypes = "all", .reference = "the operand"};
  std::string message = "assertion failed";
  // True iff a condition that fails is a bad value (ValueError) rather than a failed assertion.
  bool value_error = false;
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("msg", s.message);
    field("value_error", s.value_error);
  }
  const char* summary() const override { return "The first input, if all conditions hold."; }
  std::string str() const override { return "Assert{msg='" + message + "'}"; }
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs& args) const override;
  bool connected(int in, int) const override { return in == 0; }
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  void perform(PerformContext& context, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  bool enqueue(device::Queue& queue, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  int inplace_input() const override { return 0; }
};

}  // namespace phintys
