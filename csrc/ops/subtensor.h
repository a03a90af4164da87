// Basic indexing: integers and slices.
#pragma once

#include "graph/op.h"
#include "ops/op_doc.h"

namespace phintys {

// Where a number of an index comes from.
enum class SlotKind : uint8_t { absent, constant, input };
struct IndexSlot {
  SlotKind kind = SlotKind::absent;
  int64_t value = 0;  // if constant; 0 otherwise
  static IndexSlot none() { return {}; }
  static IndexSlot of(int64_t v) { return {SlotKind::constant, v}; }
  static IndexSlot next_input() { return {SlotKind::input, 0}; }
};
// What happens to one axis: an integer (`start` holds it) removes it, a slice keeps a part of it.
struct IndexEntry {
  bool is_slice = true;
  IndexSlot start, stop, step;
  static IndexEntry integer(IndexSlot i) { return {false, i, {}, {}}; }
  static IndexEntry slice(IndexSlot start = {}, IndexSlot stop = {}, IndexSlot step = {}) {
    return {true, start, stop, step};
  }
  bool is_full() const {
    return is_slice && start.kind == SlotKind::absent && stop.kind == SlotKind::absent &&
           step.kind == SlotKind::absent;
  }
};
// The attribute of the ops: per leading axis seven numbers: is_slice, then kind and value of
// start, stop and step. Slots that are inputs take the node's extra scalar inputs in order.
std::vector<int64_t> encode_index(const std::vector<IndexEntry>& entries);
std::vector<IndexEntry> decode_index(const std::vector<int64_t>& code);
int count_index_inputs(const std::vector<IndexEntry>& entries);
void check_index_code(const std::vector<int64_t>& code);

// The elements start, start + step, ... of an axis: Python's slice.indices() with their number.
struct SliceRange {
  int64_t start, step, length;
};
SliceRange resolve_slice(const int64_t* start, const int64_t* stop, const int64_t* step,
                         int64_t length);

// (x, int scalars...): x[index]; a view.
class Subtensor final : public OpBase<Subtensor> {
 public:
  static constexpr const char* kName = "subtensor";
  static constexpr OpDoc doc{.signature = "(x, bounds: int scalars...) -> view of x",
                             .dtypes = "all",
                             .reference = "NumPy indexing"};
  std::vector<int64_t> index;
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("index", s.index);
  }
  void check_attributes() const { check_index_code(index); }
  const char* summary() const override { return "x indexed with integers and slices."; }
  std::string str() const override;  // "Subtensor{int64:int64:}"
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs& args) const override;
  bool connected(int in, int) const override { return in == 0; }
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  uint64_t shape_inputs() const override { return ~uint64_t{1}; }
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  bool infallible() const override { return true; }  // layout() checks the indices
};

// (x, y, int scalars...): x with y added to, or stored in, x[index]; y is broadcast to it.
class IncSubtensor final : public OpBase<IncSubtensor> {
 public:
  static constexpr const char* kName = "inc_subtensor";
  static constexpr OpDoc doc{.signature = "(x, y, bounds: int scalars...) -> tensor like x",
                             .dtypes = "all",
                             .reference = "NumPy indexing"};
  std::vector<int64_t> index;
  bool set = false;  // instead of adding
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("index", s.index);
    field("set_instead_of_inc", s.set);
  }
  void check_attributes() const { check_index_code(index); }
  const char* summary() const override { return "x with a part replaced or increased."; }
  std::string str() const override;  // "IncSubtensor{Inc;int64}"
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
  // Shape, strides and offset of out[index], where y goes, if the index is constant.
  bool constant_region(const TensorView& out, Dims* shape, Dims* strides, int64_t* offset) const;
};

// --- building -----------------------------------------------------------------------------------

// x[entries]; `scalars` are the extra inputs in order. Constant scalars become constant slots.
Var subtensor(const Var& x, std::vector<IndexEntry> entries, std::vector<Var> scalars = {});
// y is cast to x's dtype.
Var inc_subtensor(const Var& x, const Var& y, std::vector<IndexEntry> entries,
                  std::vector<Var> scalars = {}, bool set = false);
// x[i] along axis 0.
Var index_scalar(const Var& x, int64_t i);
Var index_scalar(const Var& x, const Var& i);
// x[..., start:stop, ...] along one axis.
Var slice_axis(const Var& x, int axis, const Var& start, const Var& stop);

// out[...] += src or out[...] = src, elementwise over views of one shape (src may have strides 0).
void add_elements(const TensorView& dst, const TensorView& src);

}  // namespace phintys
