// Ops that move, make or look at shapes.
#pragma once

#include "graph/op.h"
#include "ops/op_doc.h"

namespace phintys {

// Reorders, drops and adds axes; a view. order[i] is an input axis or -1 for a new axis of
// length 1. Axes left out must be known to be 1.
class DimShuffle final : public OpBase<DimShuffle> {
 public:
  static constexpr const char* kName = "dimshuffle";
  static constexpr OpDoc doc{.signature = "(x) -> view of x",
                             .dtypes = "all",
                             .reference = "numpy.transpose, numpy.expand_dims"};
  std::vector<int64_t> order;
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("order", s.order);
  }
  void check_attributes() const;
  // True iff it is an ordinary transposition: nothing added or dropped.
  bool is_permutation(int input_ndim) const;
  const char* summary() const override { return "Reorders, drops and adds dimensions."; }
  std::string str() const override;  // "InplaceDimShuffle{x,0}"
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs& args) const override;
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  bool infallible() const override { return true; }
};

// (x, int vector): the elements of x in C order, in another shape. One length may be -1. A view
// where the strides of x allow it.
class Reshape final : public OpBase<Reshape> {
 public:
  static constexpr const char* kName = "reshape";
  static constexpr OpDoc doc{.signature = "(x, shape: int vector) -> tensor",
                             .dtypes = "all",
                             .reference = "numpy.reshape"};
  int64_t ndim = 0;
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("ndim", s.ndim);
  }
  void check_attributes() const;
  const char* summary() const override { return "The elements of x in another shape."; }
  std::string str() const override;  // "Reshape{2}"
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs& args) const override;
  bool connected(int in, int) const override { return in == 0; }
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  uint64_t shape_inputs() const override { return 2; }
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  void perform(PerformContext& context, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  bool enqueue(device::Queue& queue, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  bool infallible() const override { return true; }
};

// One length of x's shape, as an int64 scalar; never reads x's elements.
class ShapeI final : public OpBase<ShapeI> {
 public:
  static constexpr const char* kName = "shape_i";
  static constexpr OpDoc doc{
      .signature = "(x) -> int64 scalar", .dtypes = "all", .reference = "numpy.shape"};
  int64_t axis = 0;
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("axis", s.axis);
  }
  const char* summary() const override { return "One length of the shape of x."; }
  std::string str() const override { return "Shape_i{" + std::to_string(axis) + "}"; }
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs&) const override { return {Var()}; }
  bool shape_only() const override { return true; }
  bool connected(int, int) const override { return false; }
  std::vector<std::vector<Var>> infer_shape(const Apply&) const override { return {{}}; }
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  void perform(PerformContext& context, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  bool enqueue(device::Queue& queue, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  bool infallible() const override { return true; }
};

// A vector of its scalar inputs, which all have the dtype of the attribute.
class MakeVector final : public OpBase<MakeVector> {
 public:
  static constexpr const char* kName = "make_vector";
  static constexpr OpDoc doc{
      .signature = "(scalars...) -> vector", .dtypes = "all", .reference = "numpy.array"};
  DType dtype = DType::i64;
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("dtype", s.dtype);
  }
  const char* summary() const override { return "A vector of scalars."; }
  std::string str() const override;  // MakeVector{dtype='int64'}
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

// x with its type's dimensions set to `dims`: -1 forgets what was known, a length is a claim that
// is checked at run time.
class SpecifyShape final : public OpBase<SpecifyShape> {
 public:
  static constexpr const char* kName = "specify_shape";
  static constexpr OpDoc doc{.signature = "(x) -> x", .dtypes = "all", .reference = "numpy.shape"};
  std::vector<int64_t> dims;
  // Words of the error: Rebroadcast's instead of SpecifyShape's.
  bool rebroadcast = false;
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("dims", s.dims);
    field("rebroadcast", s.rebroadcast);
  }
  void check_attributes() const;
  const char* summary() const override { return "x, whose shape is declared and checked."; }
  std::string str() const override;
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs& args) const override;
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
};

// (value, int scalars...): value broadcast to the shape of the scalars.
class Alloc final : public OpBase<Alloc> {
 public:
  static constexpr const char* kName = "alloc";
  static constexpr OpDoc doc{.signature = "(value, lengths: int scalars...) -> tensor",
                             .dtypes = "all",
                             .reference = "numpy.broadcast_to"};
  template <class Self, class V>
  static void attributes(Self&, V&&) {}
  const char* summary() const override { return "An array filled with a broadcast value."; }
  std::string str() const override { return "Alloc"; }
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs& args) const override;
  bool connected(int in, int) const override { return in == 0; }
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  uint64_t shape_inputs() const override { return ~uint64_t{1}; }
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  void perform(PerformContext& context, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  bool enqueue(device::Queue& queue, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  bool infallible() const override { return true; }
};

// (start, stop, step): evenly spaced values, as numpy.arange.
class ARange final : public OpBase<ARange> {
 public:
  static constexpr const char* kName = "arange";
  static constexpr OpDoc doc{.signature = "(start, stop, step: scalars) -> vector",
                             .dtypes = "integers, float",
                             .reference = "numpy.arange"};
  DType dtype = DType::i64;
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("dtype", s.dtype);
  }
  const char* summary() const override { return "Evenly spaced values from start to stop."; }
  std::string str() const override;
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs& args) const override;
  bool connected(int in, int) const override { return in != 1; }
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  uint64_t shape_inputs() const override { return 7; }
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  void perform(PerformContext& context, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  bool enqueue(device::Queue& queue, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  bool infallible() const override { return true; }
};

// True iff `v` cannot be negative whatever the inputs: a constant, a length, products of them.
bool never_negative(const Variable* v);

}  // namespace phintys
