// Where the entries of sparse matrices are: the other compressed form, and two patterns joined.
//
// These ops compute positions only; values follow by indexing, which brings their gradients.
#pragma once

#include "ops/sparse/compressed.h"

namespace phintys {

// (indices, indptr, minor): the pattern compressed along the other dimension, csr as csc. `order`
// has the old position of each new entry. The new indices are sorted, equal ones in their old
// order.
class SparseConvert final : public OpBase<SparseConvert> {
 public:
  static constexpr const char* kName = "sparse_convert";
  static constexpr OpDoc doc{
      "(indices: int vector, indptr: int vector, minor: int64 scalar) -> (indices: int vector, "
      "indptr: int vector, order: int64 vector)",
      "int32, int64", "scipy.sparse.csr_matrix.tocsc"};
  template <class Self, class V>
  static void attributes(Self&, V&&) {}
  const char* summary() const override {
    return "A compressed sparse pattern, compressed along its other dimension.";
  }
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs&) const override { return std::vector<Var>(3); }
  bool connected(int, int) const override { return false; }
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  uint64_t shape_inputs() const override { return 4; }
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  void perform(PerformContext& context, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
};

// (indices, indptr, minor): the major index of each entry. The pattern is checked.
class SparseMajor final : public OpBase<SparseMajor> {
 public:
  static constexpr const char* kName = "sparse_major";
  static constexpr OpDoc doc{
      "(indices: int vector, indptr: int vector, minor: int64 scalar) -> int64 vector",
      "int32, int64", "scipy.sparse.csr_matrix.tocoo().row"};
  template <class Self, class V>
  static void attributes(Self&, V&&) {}
  const char* summary() const override { return "The major index of each sparse entry."; }
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs&) const override { return std::vector<Var>(3); }
  bool connected(int, int) const override { return false; }
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  void perform(PerformContext& context, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
};

// (indices a, indptr a, indices b, indptr b, minor): the indptr of the union of two patterns, or of
// their intersection. Entries that come more than once count once.
class SparseMergeIndptr final : public OpBase<SparseMergeIndptr> {
 public:
  static constexpr const char* kName = "sparse_merge_indptr";
  static constexpr OpDoc doc{
      "(indices, indptr, other indices, other indptr: int vectors, minor: int64 scalar) -> int "
      "vector",
      "int32, int64", "(a + b).indptr of scipy.sparse"};
  bool intersection = false;
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("intersection", s.intersection);
  }
  const char* summary() const override {
    return "How many entries the rows of two joined sparse patterns have.";
  }
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs&) const override { return std::vector<Var>(5); }
  bool connected(int, int) const override { return false; }
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  void perform(PerformContext& context, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
};

// (the inputs of SparseMergeIndptr, its result, its last element): the indices of the joined
// pattern, sorted, and for the entries of either operand their positions in it; those that have
// none get its length.
class SparseMerge final : public OpBase<SparseMerge> {
 public:
  static constexpr const char* kName = "sparse_merge";
  static constexpr OpDoc doc{
      "(indices, indptr, other indices, other indptr: int vectors, minor: int64 scalar, joined "
      "indptr: int vector, count: int64 scalar) -> (indices: int vector, positions: int64 vector, "
      "other positions: int64 vector)",
      "int32, int64", "(a + b).indices of scipy.sparse"};
  bool intersection = false;
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("intersection", s.intersection);
  }
  const char* summary() const override {
    return "The union or the intersection of two sparse patterns.";
  }
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs&) const override { return std::vector<Var>(7); }
  bool connected(int, int) const override { return false; }
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  uint64_t shape_inputs() const override { return 64; }
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  void perform(PerformContext& context, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
};

}  // namespace phintys
