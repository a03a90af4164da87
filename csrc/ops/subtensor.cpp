#include "ops/subtensor.h"

#include "ops/build.h"
#include "ops/build_elementwise.h"
#include "ops/device_moves.h"
#include "ops/indexing/eye.h"
#include "ops/op_util.h"
#include "ops/shape_ops.h"

namespace phintys {

namespace {

constexpr size_t kEntry = 7;  // numbers per axis in the encoded index

// Reads slots of an encoded index in order, taking inputs as they come.
class SlotReader {
 public:
  SlotReader(const std::vector<int64_t>& code, std::span<const TensorView> scalars)
      : code_(code), scalars_(scalars) {}
  size_t axes() const { return code_.size() / kEntry; }
  bool is_slice(size_t axis) const { return code_[axis * kEntry] != 0; }
  // Slot 0, 1, 2 (start, stop, step) of an axis; null if absent. Each is to be read once, in order.
  const int64_t* read(size_t axis, size_t slot, int64_t* storage) {
    const int64_t* at = &code_[axis * kEntry + 1 + 2 * slot];
    switch (static_cast<SlotKind>(at[0])) {
      case SlotKind::absent:
        return nullptr;
      case SlotKind::constant:
        *storage = at[1];
        return storage;
      case SlotKind::input:
        *storage = element_as_int(scalars_[next_++]);
        return storage;
    }
    return nullptr;
  }

 private:
  const std::vector<int64_t>& code_;
  std::span<const TensorView> scalars_;
  size_t next_ = 0;
};

// Shape, strides and offset of x[index].
void index_layout(const std::vector<int64_t>& code, const TensorView& x,
                  std::span<const TensorView> scalars, Dims* shape, Dims* strides,
                  int64_t* offset) {
  SlotReader slots(code, scalars);
  shape->clear();
  strides->clear();
  *offset = 0;
  bool empty = false;
  for (int axis = 0; axis < x.ndim; ++axis) {
    const size_t a = static_cast<size_t>(axis);
    const int64_t length = x.shape[axis], stride = x.strides[axis];
    if (a >= slots.axes()) {
      shape->push_back(length);
      strides->push_back(stride);
      continue;
    }
    int64_t v[3];
    const int64_t* start = slots.read(a, 0, &v[0]);
    if (!slots.is_slice(a)) {
      if (*start < -length || *start >= length) {
        fail(ErrorKind::index, "index ", *start, " is out of bounds for axis ", axis, " with size ",
             length);
      }
      *offset += (*start < 0 ? *start + length : *start) * stride;
      continue;
    }
    const int64_t* stop = slots.read(a, 1, &v[1]);
    const int64_t* step = slots.read(a, 2, &v[2]);
    const SliceRange r = resolve_slice(start, stop, step, length);
    shape->push_back(r.length);
    // One element needs no stride, and a huge step must not overflow it.
    strides->push_back(r.length > 1 ? r.step * stride : stride);
    if (r.length > 0) *offset += r.start * stride;
    empty = empty || r.length == 0;
  }
  if (empty) *offset = 0;
}

// Static lengths of x[index], and a check of the index against the type of x.
Dims infer_index(const Op& op, const Type& x, const std::vector<int64_t>& code,
                 std::span<const Var> scalars) {
  check_index_code(code);
  const std::vector<IndexEntry> entries = decode_index(code);
  if (entries.size() > static_cast<size_t>(x.ndim())) {
    fail(ErrorKind::index, "too many indices for array: ", x.str(), " has ", x.ndim(),
         " dimensions, but ", entries.size(), " were indexed");
  }
  if (static_cast<size_t>(count_index_inputs(entries)) != scalars.size()) {
    fail(ErrorKind::type, op.str(), ": the index needs ", count_index_inputs(entries),
         " scalar inputs, got ", scalars.size());
  }
  if (scalars.size() > 60) fail(ErrorKind::value, op.str(), ": more than 60 symbolic indices");
  for (const Var& s : scalars) check_int_scalar(op, s, "an index");
  Dims shape;
  for (int i = 0; i < x.ndim(); ++i) {
    const int64_t d = x.dim(i);
    if (static_cast<size_t>(i) >= entries.size()) {
      shape.push_back(d);
      continue;
    }
    const IndexEntry& e = entries[static_cast<size_t>(i)];
    if (!e.is_slice) {
      const int64_t at = e.start.value;
      if (e.start.kind == SlotKind::constant && d >= 0 && (at < -d || at >= d)) {
        fail(ErrorKind::index, "index ", at, " is out of bounds for axis ", i, " with size ", d);
      }
      continue;
    }
    int64_t length = kUnknownDim;
    if (e.is_full()) {
      length = d;
    } else if (d >= 0 && e.start.kind != SlotKind::input && e.stop.kind != SlotKind::input &&
               e.step.kind != SlotKind::input) {
      auto given = [](const IndexSlot& s) {
        return s.kind == SlotKind::constant ? &s.value : nullptr;
      };
      length = resolve_slice(given(e.start), given(e.stop), given(e.step), d).length;
    }
    shape.push_back(length);
  }
  return shape;
}

std::string index_text(const std::vector<int64_t>& code) {
  std::string text;
  for (const IndexEntry& e : decode_index(code)) {
    auto word = [](const IndexSlot& s) { return s.kind == SlotKind::absent ? "" : "int64"; };
    if (!text.empty()) text += ", ";
    text += word(e.start);
    if (e.is_slice) text = text + ":" + word(e.stop) + ":" + word(e.step);
  }
  return text;
}

// A slice bound brought into [0, d] (step > 0) or [-1, d - 1] (step < 0).
Var clamp_bound(const Var& v, const Var& d, bool forward) {
  const Var last = forward ? d : d - constant_int(1);
  const Var least = constant_int(forward ? 0 : -1);
  int64_t c;
  if (constant_int_value(v.get(), &c)) {
    if (c < 0) return maximum(d + constant_int(c), least);
    return c == 0 && forward ? constant_int(0) : minimum(constant_int(c), last);
  }
  if (never_negative(v.get())) return minimum(v, last);
  const Var wrapped = switch_(lt(v, constant_int(0)), v + d, v);
  return maximum(minimum(wrapped, last), least);
}

// The length of a slice of an axis of length d; null if the sign of its step is not known.
Var slice_length(const Var& start, const Var& stop, const Var& step, const Var& d) {
  int64_t s = 1;
  if (step && !constant_int_value(step.get(), &s)) return Var();
  if (s == 0 || s == INT64_MIN) return Var();
  const bool forward = s > 0;
  const Var zero = constant_int(0);
  const Var to = stop ? clamp_bound(stop, d, forward) : forward ? d : constant_int(-1);
  int64_t from_value = 1;
  const Var from = start ? clamp_bound(start, d, forward) : forward ? zero : d - constant_int(1);
  const bool from_zero = constant_int_value(from.get(), &from_value) && from_value == 0;
  if (s == 1) return from_zero ? to : maximum(to - from, zero);
  const Var span = forward ? (from_zero ? to : to - from) : from - to;
  const int64_t width = forward ? s : -s;
  if (width == 1) return maximum(span, zero);
  return maximum(int_div(span + constant_int(width - 1), constant_int(width)), zero);
}

template <class T>
T sum_of(T a, T b) {
  if constexpr (std::is_same_v<T, Half>) {
    return float_to_half(half_to_float(a) + half_to_float(b));
  } else if constexpr (std::is_same_v<T, bool>) {
    return a || b;
  } else if constexpr (std::is_integral_v<T>) {
    return static_cast<T>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
  } else {
    return a + b;
  }
}

}  // namespace

void add_elements(const TensorView& dst, const TensorView& src) {
  dispatch_dtype(dst.dtype, [&]<class T>() {
    for_each_row<2>(dst.ndim, dst.shape, {dst.data, src.data}, {dst.strides, src.strides},
                    [](const auto& p, int64_t n, const auto& step) {
                      constexpr int64_t kItem = sizeof(T);
                      if (step[0] == kItem && step[1] == kItem) {
                        T* to = reinterpret_cast<T*>(p[0]);
                        const T* from = reinterpret_cast<const T*>(p[1]);
                        for (int64_t i = 0; i < n; ++i) to[i] = sum_of(to[i], from[i]);
                        return;
                      }
                      for (int64_t i = 0; i < n; ++i) {
                        T* to = reinterpret_cast<T*>(p[0] + i * step[0]);
                        *to = sum_of(*to, *reinterpret_cast<const T*>(p[1] + i * step[1]));
                      }
                    });
  });
}

std::vector<int64_t> encode_index(const std::vector<IndexEntry>& entries) {
  std::vector<int64_t> code;
  for (const IndexEntry& e : entries) {
    code.push_back(e.is_slice);
    for (const IndexSlot& s : {e.start, e.stop, e.step}) {
      code.push_back(static_cast<int64_t>(s.kind));
      code.push_back(s.kind == SlotKind::constant ? s.value : 0);
    }
  }
  return code;
}

void check_index_code(const std::vector<int64_t>& code) {
  bool good = code.size() % kEntry == 0 && code.size() / kEntry <= static_cast<size_t>(kMaxRank);
  for (size_t i = 0; good && i < code.size(); i += kEntry) {
    good = code[i] == 0 || code[i] == 1;
    for (size_t k = 0; k < 3; ++k) {
      const int64_t kind = code[i + 1 + 2 * k], value = code[i + 2 + 2 * k];
      good = good && kind >= 0 && kind <= 2 && (kind == 1 || value == 0);
      // An integer has one number, in the place of the start.
      if (code[i] == 0) good = good && (k == 0 ? kind != 0 : kind == 0);
      if (good && k == 2 && kind == 1 && value == 0) {
        fail(ErrorKind::value, "slice step cannot be zero");
      }
    }
  }
  if (!good) fail(ErrorKind::value, "subtensor: the encoded index is not valid");
}

std::vector<IndexEntry> decode_index(const std::vector<int64_t>& code) {
  std::vector<IndexEntry> entries;
  for (size_t i = 0; i + kEntry <= code.size(); i += kEntry) {
    auto slot = [&](size_t at) {
      return IndexSlot{static_cast<SlotKind>(code[i + at]), code[i + at + 1]};
    };
    entries.push_back({code[i] != 0, slot(1), slot(3), slot(5)});
  }
  return entries;
}

int count_index_inputs(const std::vector<IndexEntry>& entries) {
  int n = 0;
  for (const IndexEntry& e : entries) {
    for (const IndexSlot& s : {e.start, e.stop, e.step}) n += s.kind == SlotKind::input;
  }
  return n;
}

SliceRange resolve_slice(const int64_t* start, const int64_t* stop, const int64_t* step,
                         int64_t length) {
  const int64_t by = step ? std::max(*step, -INT64_MAX) : 1;
  if (by == 0) fail(ErrorKind::value, "slice step cannot be zero");
  const int64_t least = by < 0 ? -1 : 0, most = by < 0 ? length - 1 : length;
  auto clamp = [&](int64_t v) {
    if (v < 0) v += length;
    return std::clamp(v, least, most);
  };
  SliceRange r{start ? clamp(*start) : (by < 0 ? most : least), by, 0};
  const int64_t end = stop ? clamp(*stop) : (by < 0 ? least : most);
  if (by > 0 && r.start < end) r.length = (end - r.start - 1) / by + 1;
  if (by < 0 && end < r.start) r.length = (r.start - end - 1) / -by + 1;
  return r;
}

// --- Subtensor ----------------------------------------------------------------------------------

std::string Subtensor::str() const { return "Subtensor{" + index_text(index) + "}"; }

std::vector<Type> Subtensor::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 1, true);
  const Type& x = inputs[0].type();
  return {x.with_shape(infer_index(*this, x, index, inputs.subspan(1)))};
}

std::vector<Var> Subtensor::grad(const GradArgs& args) const {
  std::vector<Var> result(args.inputs.size());
  const Var& x = args.inputs[0];
  if (!args.grads[0]) return result;
  const DType to = grad_dtype(*x);
  auto op = make_ref<IncSubtensor>();
  op->index = index;
  std::vector<Var> inputs = {alloc(constant(0.0, to), shape_list(x)), cast(args.grads[0], to)};
  inputs.insert(inputs.end(), args.inputs.begin() + 1, args.inputs.end());
  result[0] = phintys::apply(op, std::move(inputs));
  return result;
}

std::vector<std::vector<Var>> Subtensor::infer_shape(const Apply& node) const {
  const Var& x = node.inputs()[0];
  const Type& type = node.output()->type();
  const std::vector<IndexEntry> entries = decode_index(index);
  size_t next = 1;
  auto number = [&](const IndexSlot& s) -> Var {
    if (s.kind == SlotKind::absent) return Var();
    if (s.kind == SlotKind::constant) return constant_int(s.value);
    return cast(node.inputs()[next++], DType::i64);
  };
  std::vector<Var> dims;
  for (int axis = 0; axis < x.ndim(); ++axis) {
    if (static_cast<size_t>(axis) >= entries.size()) {
      dims.push_back(shape_i(x, axis));
      continue;
    }
    const IndexEntry& e = entries[static_cast<size_t>(axis)];
    const Var start = number(e.start), stop = number(e.stop), step = number(e.step);
    if (!e.is_slice) continue;
    const int64_t known = type.dim(static_cast<int>(dims.size()));
    Var d = known >= 0 ? constant_int(known) : slice_length(start, stop, step, shape_i(x, axis));
    if (!d) return {};
    dims.push_back(std::move(d));
  }
  return {dims};
}

void Subtensor::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  Layout& out = outputs[0];
  out.alias = 0;
  index_layout(index, inputs[0], inputs.subspan(1), &out.shape, &out.strides, &out.offset);
}

// --- IncSubtensor -------------------------------------------------------------------------------

std::string IncSubtensor::str() const {
  return std::string("IncSubtensor{") + (set ? "Set;" : "Inc;") + index_text(index) + "}";
}

std::vector<Type> IncSubtensor::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 2, true);
  const Type& x = inputs[0].type();
  const Type& y = inputs[1].type();
  const Dims region = infer_index(*this, x, index, inputs.subspan(2));
  if (y.dtype() != x.dtype()) {
    fail(ErrorKind::type, str(), ": the new values are ", dtype_name(y.dtype()), ", the array is ",
         dtype_name(x.dtype()));
  }
  const int extra = static_cast<int>(region.size()) - y.ndim();
  if (extra < 0) {
    fail(ErrorKind::value, "Trying to increment a ", region.size(),
         "-dimensional subtensor with a ", y.ndim(), "-dimensional value.");
  }
  for (int i = 0; i < y.ndim(); ++i) {
    if (y.dim(i) != 1) merge_known(*this, region[static_cast<size_t>(i + extra)], y.dim(i), i);
  }
  return {x};
}

std::vector<Var> IncSubtensor::grad(const GradArgs& args) const {
  std::vector<Var> result(args.inputs.size());
  const Var& g = args.grads[0];
  const Var& y = args.inputs[1];
  if (!g) return result;
  if (is_discrete(args.inputs[0].dtype())) {
    result[0] = zero_grad_for(args.inputs[0]);
    result[1] = zero_grad_for(y);
    return result;
  }
  const std::vector<Var> scalars(args.inputs.begin() + 2, args.inputs.end());
  result[0] =
      set ? inc_subtensor(g, constant(0.0, g.dtype()), decode_index(index), scalars, true) : g;
  result[1] = as_grad_of(sum_to_like(subtensor(g, decode_index(index), scalars), y), y);
  return result;
}

std::vector<std::vector<Var>> IncSubtensor::infer_shape(const Apply& node) const {
  return {shape_list(node.inputs()[0])};
}

namespace {

// out[index] as a region, where numbers of the index may be known to the device only.
struct DevicePart {
  const TensorView& out;
  const TensorView& y;
  std::span<const TensorView> scalars;
  device::Region region{};
  std::vector<device::Slice> slices;  // of which the device finds the range
  std::vector<int> slice_indices;     // their places in the region

  DevicePart(const TensorView& out, const TensorView& y, std::span<const TensorView> scalars)
      : out(out), y(y), scalars(scalars) {}

  // False if the index or the shape of y is wrong, too, for as much as is known.
  bool place(const std::vector<IndexEntry>& entries) {
    int ndim = out.ndim;
    for (const IndexEntry& e : entries) ndim -= !e.is_slice;
    if (ndim > device::kMaxRank || y.ndim > ndim) return false;
    region.dtype = out.dtype;
    region.base = out.data;
    region.values = y.data;
    size_t next = 0;
    int axis = 0;
    for (const IndexEntry& e : entries) {
      if (!(e.is_slice ? add_slice(e, axis, ndim, &next) : add_number(e, axis, &next))) {
        return false;
      }
      ++axis;
    }
    for (; axis < out.ndim; ++axis) {
      if (!add_dimension(out.shape[axis], out.strides[axis], ndim)) return false;
    }
    return true;
  }
  // Queues the search for ranges.
  bool resolve(device::Queue& queue) {
    if (slices.empty()) return true;
    char* ranges = static_cast<char*>(queue.scratch(slices.size() * 3 * sizeof(int64_t)));
    for (size_t i = 0; i < slices.size(); ++i, ranges += 3 * sizeof(int64_t)) {
      region.indices[slice_indices[i]].data = ranges;
      queue.check(index_kernels(queue)->resolve(queue.stream, slices[i],
                                                reinterpret_cast<int64_t*>(ranges), queue.failed));
    }
    return true;
  }

 private:
  // The length of y along the region's next dimension, of `ndim`; 1 where it is broadcast.
  int64_t given_length(int ndim) const {
    const int at = region.ndim - (ndim - y.ndim);
    return at < 0 ? 1 : y.shape[at];
  }
  bool add_dimension(int64_t length, int64_t stride, int ndim) {
    const int d = region.ndim, at = d - (ndim - y.ndim);
    const int64_t given = given_length(ndim);
    if (given != 1 && given != length) return false;
    region.shape[d] = length;
    region.base_strides[d] = stride;
    region.value_strides[d] = given == 1 ? 0 : y.strides[at];
    ++region.ndim;
    return true;
  }
  bool add_number(const IndexEntry& e, int axis, size_t* next) {
    const int64_t length = out.shape[axis], stride = out.strides[axis], at = e.start.value;
    if (e.start.kind == SlotKind::input) {
      return add_index(&region, scalars[(*next)++], 0, 0, length, stride);
    }
    if (at < -length || at >= length) return false;
    region.base += (at < 0 ? at + length : at) * stride;
    return true;
  }
  bool add_slice(const IndexEntry& e, int axis, int ndim, size_t* next) {
    const int64_t length = out.shape[axis], stride = out.strides[axis];
    const IndexSlot* slots[] = {&e.start, &e.stop, &e.step};
    const bool known =
        std::none_of(slots, slots + 3, [](auto* s) { return s->kind == SlotKind::input; });
    if (known) {
      auto value = [](const IndexSlot& s) {
        return s.kind == SlotKind::constant ? &s.value : nullptr;
      };
      const SliceRange r = resolve_slice(value(e.start), value(e.stop), value(e.step), length);
      if (r.length > 0) region.base += r.start * stride;
      return add_dimension(r.length, r.step * stride, ndim);
    }
    if (region.count == device::kMaxIndices) return false;
    const int64_t given = given_length(ndim);
    device::Slice slice{};
    slice.length = length;
    slice.expected = given == 1 ? -1 : given;
    for (int i = 0; i < 3; ++i) {
      if (slots[i]->kind == SlotKind::input) {
        const TensorView& v = scalars[(*next)++];
        slice.bounds[i] = v.data;
        slice.dtypes[i] = v.dtype;
      } else if (slots[i]->kind == SlotKind::constant) {
        slice.has_constant[i] = true;
        slice.constants[i] = slots[i]->value;
      }
    }
    slices.push_back(slice);
    slice_indices.push_back(region.count);
    device::Index& index = region.indices[region.count++];
    index.kind = device::IndexKind::slice;
    index.strides[region.ndim] = 1;
    index.step = stride;
    return add_dimension(given == 1 ? length : given, 0, ndim);
  }
};

}  // namespace

void IncSubtensor::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  own_layout(outputs[0], inputs[0].shape, inputs[0].ndim);
}

void IncSubtensor::perform(PerformContext&, std::span<const TensorView> inputs,
                           std::span<const TensorView> outputs) const {
  const TensorView& x = inputs[0];
  const TensorView& out = outputs[0];
  OwnedView region;
  int64_t offset;
  index_layout(index, out, inputs.subspan(2), &region.shape, &region.strides, &offset);
  region.data = out.data + offset;
  region.dtype = out.dtype;
  const int ndim = static_cast<int>(region.shape.size());
  if (!broadcasts_to(inputs[1], region.shape.data(), ndim)) {
    fail(ErrorKind::value, "cannot store values of shape ", shape_text(inputs[1]),
         " in a part of shape ", to_string(region.shape), " of an array of shape ", shape_text(x));
  }
  if (out.data != x.data) copy_parallel(out, x);
  const OwnedView y = broadcast_view(inputs[1], region.shape.data(), ndim);
  if (set) {
    copy_parallel(region.view(), y.view());
  } else {
    for_slices(region.view(), y.view(), add_elements);
  }
}
bool IncSubtensor::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                           std::span<const TensorView> outputs) const {
  const TensorView& x = inputs[0];
  DevicePart part(outputs[0], inputs[1], inputs.subspan(2));
  return index_kernels(queue) && part.place(decode_index(index)) && part.resolve(queue) &&
         queue_change(queue, x, outputs[0], part.region, set);
}

bool IncSubtensor::constant_region(const TensorView& out, Dims* shape, Dims* strides,
                                   int64_t* offset) const {
  if (count_index_inputs(decode_index(index)) > 0) return false;
  index_layout(index, out, {}, shape, strides, offset);
  return true;
}

// --- building -----------------------------------------------------------------------------------

namespace {

// Turns inputs that are constants into constant slots, so that equal indices are equal ops.
std::vector<Var> absorb_constants(std::vector<IndexEntry>& entries, std::vector<Var> scalars) {
  std::vector<Var> kept;
  size_t next = 0;
  for (IndexEntry& e : entries) {
    for (IndexSlot* s : {&e.start, &e.stop, &e.step}) {
      if (s->kind != SlotKind::input || next >= scalars.size()) continue;
      const Var& v = scalars[next++];
      int64_t value;
      if (v.ndim() == 0 && is_int(v.dtype()) && constant_int_value(v.get(), &value)) {
        *s = IndexSlot::of(value);
      } else {
        kept.push_back(v);
      }
    }
  }
  kept.insert(kept.end(), scalars.begin() + static_cast<std::ptrdiff_t>(next), scalars.end());
  return kept;
}

}  // namespace

Var subtensor(const Var& x, std::vector<IndexEntry> entries, std::vector<Var> scalars) {
  std::vector<Var> inputs = absorb_constants(entries, std::move(scalars));
  while (!entries.empty() && entries.back().is_full()) entries.pop_back();
  if (entries.empty()) return x;
  auto op = make_ref<Subtensor>();
  op->index = encode_index(entries);
  inputs.insert(inputs.begin(), x);
  return phintys::apply(op, std::move(inputs));
}

Var inc_subtensor(const Var& x, const Var& y, std::vector<IndexEntry> entries,
                  std::vector<Var> scalars, bool set) {
  std::vector<Var> inputs = absorb_constants(entries, std::move(scalars));
  while (!entries.empty() && entries.back().is_full()) entries.pop_back();
  auto op = make_ref<IncSubtensor>();
  op->index = encode_index(entries);
  op->set = set;
  inputs.insert(inputs.begin(), {x, cast(y, x.dtype())});
  return phintys::apply(op, std::move(inputs));
}

Var index_scalar(const Var& x, int64_t i) {
  return subtensor(x, {IndexEntry::integer(IndexSlot::of(i))});
}
Var index_scalar(const Var& x, const Var& i) {
  return subtensor(x, {IndexEntry::integer(IndexSlot::next_input())}, {i});
}

Var slice_axis(const Var& x, int axis, const Var& start, const Var& stop) {
  std::vector<IndexEntry> entries(static_cast<size_t>(axis) + 1);
  std::vector<Var> scalars;
  for (const Var* v : {&start, &stop}) {
    if (!*v) continue;
    (v == &start ? entries.back().start : entries.back().stop) = IndexSlot::next_input();
    scalars.push_back(*v);
  }
  return subtensor(x, std::move(entries), std::move(scalars));
}

}  // namespace phintys
