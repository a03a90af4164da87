// Products of two sparse matrices.
#pragma once

#include "ops/sparse/compressed.h"

namespace phintys {

// (indices a, indptr a, indices b, indptr b, minor): the indptr of the product of a [major, inner]
// and b [inner, minor].
class SparseMatmulIndptr final : public OpBase<SparseMatmulIndptr> {
 public:
  static constexpr const char* kName = "sparse_matmul_indptr";
  static constexpr OpDoc doc{
      "(indices, indptr, other indices, other indptr: int vectors, minor: int64 scalar) -> int "
      "vector",
      "int32, int64", "(a @ b).indptr of scipy.sparse"};
  template <class Self, class V>
  static void attributes(Self&, V&&) {}
  const char* summary() const override {
    return "How many entries the rows of a product of sparse matrices have.";
  }
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs&) const override { return std::vector<Var>(5); }
  bool connected(int, int) const override { return false; }
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  void perform(PerformContext& context, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
};

// (the inputs of SparseMatmulIndptr, its result, its last element): the indices of the product,
// sorted.
class SparseMatmulIndices final : public OpBase<SparseMatmulIndices> {
 public:
  static constexpr const char* kName = "sparse_matmul_indices";
  static constexpr OpDoc doc{
      "(indices, indptr, other indices, other indptr: int vectors, minor: int64 scalar, product "
      "indptr: int vector, count: int64 scalar) -> int vector",
      "int32, int64", "(a @ b).indices of scipy.sparse"};
  template <class Self, class V>
  static void attributes(Self&, V&&) {}
  const char* summary() const override { return "Where a product of sparse matrices has entries."; }
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs&) const override { return std::vector<Var>(7); }
  bool connected(int, int) const override { return false; }
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  uint64_t shape_inputs() const override { return 64; }
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  void perform(PerformContext& context, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
};

// (values, indices, indptr of a, of b, indices and indptr of a pattern, minor): the elements of the
// product where the pattern has entries; each of several entries for one place gets the element.
class SparseMatmulValues final : public OpBase<SparseMatmulValues> {
 public:
  static constexpr const char* kName = "sparse_matmul_values";
  static constexpr OpDoc doc{
      "(values, indices, indptr, other values, other indices, other indptr, indices and indptr of "
      "the product: vectors, minor: int64 scalar) -> vector",
      "int, float32, float64, complex", "(a @ b).data of scipy.sparse"};
  template <class Self, class V>
  static void attributes(Self&, V&&) {}
  const char* summary() const override {
    return "Elements of a product of sparse matrices where a pattern has entries.";
  }
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs& args) const override;
  bool connected(int in, int) const override { return in == 0 || in == 3; }
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  void perform(PerformContext& context, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
};

}  // namespace phintys
