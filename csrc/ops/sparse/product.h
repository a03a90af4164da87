// Products of sparse and dense matrices, and what their gradients need: products sampled at the
// stored entries, and the ways between stored entries and dense matrices.
#pragma once

#include "ops/sparse/compressed.h"

namespace phintys {

// (values, indices, indptr, minor, dense): the sparse matrix [major, minor] times a dense matrix or
// vector; or `transposed`, [minor, major] times the dense one.
class SparseDot final : public OpBase<SparseDot> {
 public:
  static constexpr const char* kName = "sparse_dot";
  static constexpr OpDoc doc{
      "(values: vector, indices: int vector, indptr: int vector, minor: int64 scalar, dense: "
      "vector or matrix) -> vector or matrix",
      "int, float32, float64, complex", "scipy.sparse.csr_matrix @ dense"};
  bool transposed = false;
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("transposed", s.transposed);
  }
  const char* summary() const override { return "A sparse matrix times a dense one."; }
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs& args) const override;
  bool connected(int in, int) const override { return in == 0 || in == 4; }
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  uint64_t shape_inputs() const override { return transposed ? 8 : 0; }
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  void perform(PerformContext& context, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  bool enqueue(device::Queue& queue, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
};

// (indices, indptr, minor, left, right): for each stored entry (i, j) the product of row i of
// `left` and row j of `right`; of element i and element j if they are vectors.
class SparseSampledDot final : public OpBase<SparseSampledDot> {
 public:
  static constexpr const char* kName = "sparse_sampled_dot";
  static constexpr OpDoc doc{
      "(indices: int vector, indptr: int vector, minor: int64 scalar, left: vector or matrix, "
      "right: of the same rank) -> vector",
      "int, float32, float64, complex", "(left @ right.T)[rows, columns] of NumPy"};
  template <class Self, class V>
  static void attributes(Self&, V&&) {}
  const char* summary() const override {
    return "Elements of a product of dense matrices where a sparse matrix has entries.";
  }
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs& args) const override;
  bool connected(int in, int) const override { return in >= 3; }
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  void perform(PerformContext& context, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  bool enqueue(device::Queue& queue, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
};

// (values, indices, indptr, minor): the dense matrix [major, minor].
class SparseToDense final : public OpBase<SparseToDense> {
 public:
  static constexpr const char* kName = "sparse_to_dense";
  static constexpr OpDoc doc{
      "(values: vector, indices: int vector, indptr: int vector, minor: int64 scalar) -> matrix",
      "int, float32, float64, complex", "scipy.sparse.csr_matrix.toarray"};
  template <class Self, class V>
  static void attributes(Self&, V&&) {}
  const char* summary() const override { return "A sparse matrix as a dense one."; }
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs& args) const override;
  bool connected(int in, int) const override { return in == 0; }
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  uint64_t shape_inputs() const override { return 8; }
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  void perform(PerformContext& context, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  bool enqueue(device::Queue& queue, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
};

// (dense, indices, indptr): the elements of a matrix [major, minor] at the stored entries.
class SparseGather final : public OpBase<SparseGather> {
 public:
  static constexpr const char* kName = "sparse_gather";
  static constexpr OpDoc doc{"(dense: matrix, indices: int vector, indptr: int vector) -> vector",
                             "int, float32, float64, complex", "dense[rows, columns] of NumPy"};
  template <class Self, class V>
  static void attributes(Self&, V&&) {}
  const char* summary() const override {
    return "Elements of a dense matrix where a sparse one has entries.";
  }
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs& args) const override;
  bool connected(int in, int) const override { return in == 0; }
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  void perform(PerformContext& context, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  bool enqueue(device::Queue& queue, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
};

Var sparse_dot(const Var& values, const Var& indices, const Var& indptr, const Var& minor,
               const Var& dense, bool transposed);
Var sparse_sampled_dot(const Var& indices, const Var& indptr, const Var& minor, const Var& left,
                       const Var& right);
Var sparse_to_dense(const Var& values, const Var& indices, const Var& indptr, const Var& minor);
Var sparse_gather(const Var& dense, const Var& indices, const Var& indptr);

}  // namespace phintys
