// Counting: how often numbers occur, and which rows are distinct.
//
// The sizes of these results depend on values: one op computes the size, the other takes it.
#pragma once

#include "graph/op.h"
#include "ops/op_doc.h"

namespace phintys {

// (x: int vector, minlength: int scalar): max(1 + the greatest element, minlength).
class BinCountSize final : public OpBase<BinCountSize> {
 public:
  static constexpr const char* kName = "bincount_size";
  static constexpr OpDoc doc{"(x: int vector, minlength: int scalar) -> int64 scalar", "integers",
                             "numpy.bincount"};
  template <class Self, class V>
  static void attributes(Self&, V&&) {}
  const char* summary() const override { return "The length of a bincount."; }
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs& args) const override;
  std::vector<std::vector<Var>> infer_shape(const Apply&) const override { return {{}}; }
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  void perform(PerformContext& context, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  bool enqueue(device::Queue& queue, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
};

// (x: int vector, size: int scalar[, weights: vector]): how often each of the numbers 0 to size - 1
// is in x (int64), or the sum of the weights of these elements, in their dtype.
class BinCount final : public OpBase<BinCount> {
 public:
  static constexpr const char* kName = "bincount";
  static constexpr OpDoc doc{"(x: int vector, size: int scalar[, weights: vector]) -> vector",
                             "integers; weights real", "numpy.bincount"};
  template <class Self, class V>
  static void attributes(Self&, V&&) {}
  const char* summary() const override { return "How often each number occurs."; }
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs& args) const override;
  bool connected(int in, int) const override { return in == 2; }
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  uint64_t shape_inputs() const override { return 2; }
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  void perform(PerformContext& context, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  bool enqueue(device::Queue& queue, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
};

// (x: matrix, order: int64 vector): for the rows of x in an order that puts equal ones together,
// the number of the group of equal rows that each is in, and the number of groups.
class UniqueGroups final : public OpBase<UniqueGroups> {
 public:
  static constexpr const char* kName = "unique_groups";
  static constexpr OpDoc doc{"(x: matrix, order: int64 vector) -> int64 vector, int64 scalar",
                             "all", "numpy.unique"};
  template <class Self, class V>
  static void attributes(Self&, V&&) {}
  const char* summary() const override { return "Groups of equal rows of a sorted matrix."; }
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs& args) const override;
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  void perform(PerformContext& context, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  bool enqueue(device::Queue& queue, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
};

// (groups: int64 vector, count: int scalar): where each of the `count` groups begins.
class UniqueFirsts final : public OpBase<UniqueFirsts> {
 public:
  static constexpr const char* kName = "unique_firsts";
  static constexpr OpDoc doc{"(groups: int64 vector, count: int scalar) -> int64 vector", "int64",
                             "numpy.unique"};
  template <class Self, class V>
  static void attributes(Self&, V&&) {}
  const char* summary() const override { return "Where each group of equal elements begins."; }
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs& args) const override;
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  uint64_t shape_inputs() const override { return 2; }
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  void perform(PerformContext& context, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  bool enqueue(device::Queue& queue, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
};

}  // namespace phintys
