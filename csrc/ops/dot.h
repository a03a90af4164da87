// Matrix products.
#pragma once

#include "graph/op.h"
#include "ops/op_doc.h"

namespace phintys {

// (a, b): the product of vectors and matrices of one dtype, in any combination.
class Dot final : public OpBase<Dot> {
 public:
  static constexpr const char* kName = "dot";
  static constexpr OpDoc doc{.signature = "(a, b: vectors or matrices) -> tensor",
                             .dtypes = "all",
                             .reference = "numpy.dot"};
  template <class Self, class V>
  static void attributes(Self&, V&&) {}
  const char* summary() const override { return "Product of vectors and matrices."; }
  std::string str() const override { return "dot"; }
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

// (C, A, B): beta * C + alpha * op(A) @ op(B) on float32 or float64 matrices, where op transposes
// if the flag is set. With beta = 0 the values of C are not used.
class Gemm final : public OpBase<Gemm> {
 public:
  static constexpr const char* kName = "gemm";
  static constexpr OpDoc doc{.signature = "(c, a, b: matrices) -> matrix like c",
                             .dtypes = "float32, float64",
                             .reference = "numpy.dot"};
  double alpha = 1, beta = 1;
  bool trans_a = false, trans_b = false;
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("alpha", s.alpha);
    field("beta", s.beta);
    field("trans_a", s.trans_a);
    field("trans_b", s.trans_b);
  }
  const char* summary() const override { return "C scaled plus a scaled matrix product."; }
  std::string str() const override;
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs& args) const override;
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  void perform(PerformContext& context, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  bool enqueue(device::Queue& queue, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  int inplace_input() const override { return 0; }
  bool infallible() const override { return true; }
  size_t scratch_bytes(std::span<const TensorView> inputs) const override;
};

// (y, A, x): beta * y + alpha * op(A) @ x on float32 or float64.
class Gemv final : public OpBase<Gemv> {
 public:
  static constexpr const char* kName = "gemv";
  static constexpr OpDoc doc{.signature = "(y: vector, a: matrix, x: vector) -> vector like y",
                             .dtypes = "float32, float64",
                             .reference = "numpy.dot"};
  double alpha = 1, beta = 1;
  bool trans_a = false;
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("alpha", s.alpha);
    field("beta", s.beta);
    field("trans_a", s.trans_a);
  }
  const char* summary() const override { return "y scaled plus a scaled matrix-vector product."; }
  std::string str() const override;
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs& args) const override;
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  void perform(PerformContext& context, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  bool enqueue(device::Queue& queue, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  int inplace_input() const override { return 0; }
  bool infallible() const override { return true; }
  size_t scratch_bytes(std::span<const TensorView> inputs) const override;
};

}  // namespace phintys
