// Indexing with integer arrays.
#pragma once

#include "graph/op.h"
#include "ops/op_doc.h"

namespace phintys {

// (x, int vector): rows of x.
class AdvancedSubtensor1 final : public OpBase<AdvancedSubtensor1> {
 public:
  static constexpr const char* kName = "advanced_subtensor1";
  static constexpr OpDoc doc{.signature = "(x, index: int vector) -> tensor",
                             .dtypes = "all",
                             .reference = "NumPy indexing"};
  template <class Self, class V>
  static void attributes(Self&, V&&) {}
  const char* summary() const override { return "Elements of x along axis 0 chosen by a vector."; }
  std::string str() const override { return "AdvancedSubtensor1"; }
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

// (x, y, int vector): x with y added to, or stored in, the chosen rows. Rows that are chosen more
// than once accumulate; of stored ones the last stays.
class AdvancedIncSubtensor1 final : public OpBase<AdvancedIncSubtensor1> {
 public:
  static constexpr const char* kName = "advanced_inc_subtensor1";
  static constexpr OpDoc doc{.signature = "(x, y, index: int vector) -> tensor like x",
                             .dtypes = "all",
                             .reference = "NumPy indexing, numpy.add.at"};
  bool set = false;
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("set_instead_of_inc", s.set);
  }
  const char* summary() const override { return "x with rows replaced or increased."; }
  std::string str() const override;
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs& args) const override;
  bool connected(int in, int) const override { return in < 2; }
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  void perform(PerformContext& context, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  bool enqueue(device::Queue& queue, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  int inplace_input() const override { return 0; }
};

// (x, int arrays...): the arrays are broadcast together and index the axes of x from `axis` on;
// their common shape takes the place of those axes.
class AdvancedSubtensor final : public OpBase<AdvancedSubtensor> {
 public:
  static constexpr const char* kName = "advanced_subtensor";
  static constexpr OpDoc doc{.signature = "(x, indices: int tensors...) -> tensor",
                             .dtypes = "all",
                             .reference = "NumPy indexing"};
  int64_t axis = 0;
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("axis", s.axis);
  }
  const char* summary() const override { return "Elements of x chosen by integer arrays."; }
  std::string str() const override;
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

// (x, y, int arrays...): x with y added to, or stored in, the chosen elements.
class AdvancedIncSubtensor final : public OpBase<AdvancedIncSubtensor> {
 public:
  static constexpr const char* kName = "advanced_inc_subtensor";
  static constexpr OpDoc doc{.signature = "(x, y, indices: int tensors...) -> tensor like x",
                             .dtypes = "all",
                             .reference = "NumPy indexing, numpy.add.at"};
  int64_t axis = 0;
  bool set = false;
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("axis", s.axis);
    field("set_instead_of_inc", s.set);
  }
  const char* summary() const override { return "x with chosen elements replaced or increased."; }
  std::string str() const override;
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs& args) const override;
  bool connected(int in, int) const override { return in < 2; }
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  void perform(PerformContext& context, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  bool enqueue(device::Queue& queue, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  int inplace_input() const override { return 0; }
};

// x[..., i0, i1, ...] with the first index array at `axis`; one vector at axis 0 is
// AdvancedSubtensor1.
Var advanced_subtensor(const Var& x, std::vector<Var> indices, int axis = 0);
// y is cast to x's dtype.
Var advanced_inc_subtensor(const Var& x, const Var& y, std::vector<Var> indices, int axis = 0,
                           bool set = false);

}  // namespace phintys
