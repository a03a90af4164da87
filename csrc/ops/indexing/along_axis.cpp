#include "ops/indexing/along_axis.h"

#include "kernels/parallel.h"
#include "ops/build.h"
#include "ops/build_elementwise.h"
#include "ops/device_moves.h"
#include "ops/indexing/eye.h"
#include "ops/indexing/gather.h"
#include "ops/indexing/move.h"

namespace phintys {

namespace {

constexpr int64_t kPiece = 256;

// The type of the chosen elements.
Dims infer_chosen(const Op& op, const Type& x, const Type& index, int64_t axis) {
  if (!is_int(index.dtype())) {
    fail(ErrorKind::type, op.str(), ": indices must be integers, got ", index.str());
  }
  if (x.ndim() != index.ndim() || axis < 0 || axis >= x.ndim()) {
    fail(ErrorKind::value, op.str(), ": the array and the indices must have one rank above ", axis,
         ", got ", x.str(), " and ", index.str());
  }
  Dims shape;
  for (int i = 0; i < x.ndim(); ++i) {
    const int64_t a = x.dim(i), b = index.dim(i);
    if (i == axis || a == 1) {
      shape.push_back(b);
    } else if (b == 1) {
      shape.push_back(a);
    } else if (a > 1 && b > 1 && a != b) {
      fail(ErrorKind::index, op.str(), ": lengths ", a, " and ", b, " of axis ", i,
           " cannot be broadcast together");
    } else {
      // An unknown length may turn out to be 1.
      shape.push_back(a > 1 ? a : b > 1 ? b : kUnknownDim);
    }
  }
  return shape;
}

std::vector<Var> chosen_shape(const Var& x, const Var& index, int64_t axis) {
  std::vector<Var> dims;
  for (int i = 0; i < x.ndim(); ++i) {
    const int64_t a = x.type().dim(i), b = index.type().dim(i);
    const Var of_index = shape_i(index, i), of_x = shape_i(x, i);
    if (i == axis || a == 1 || b > 1) {
      dims.push_back(of_index);
    } else if (b == 1 || a > 1) {
      dims.push_back(of_x);
    } else {
      dims.push_back(switch_(eq(of_x, constant_int(1)), of_index, of_x));
    }
  }
  return dims;
}

Dims chosen_dims(const Op& op, const TensorView& x, const TensorView& index, int64_t axis) {
  Dims shape;
  for (int i = 0; i < x.ndim; ++i) {
    const int64_t a = x.shape[i], b = index.shape[i];
    if (i != axis && a != b && a != 1 && b != 1) {
      fail(ErrorKind::index, op.str(), ": an array of shape ", shape_text(x),
           " and indices of shape ", shape_text(index), " cannot be broadcast together on axis ",
           i);
    }
    shape.push_back(i == axis || a == 1 ? b : a);
  }
  return shape;
}

// Byte offsets into x of the chosen elements, in C order of their shape.
class AlongPositions {
 public:
  AlongPositions(const TensorView& x, const TensorView& index, int64_t axis, const Dims& shape)
      : axis_(axis),
        length_(x.shape[axis]),
        stride_(x.strides[axis]),
        index_(broadcast_view(index, shape.data(), index.ndim)) {
    for (int i = 0; i < x.ndim; ++i) {
      base_.push_back(i == axis || x.shape[i] == 1 ? 0 : x.strides[i]);
    }
    whole_ = single_stride(index_.view(), &step_) && step_ > 0;
  }
  void fill(int64_t begin, int64_t end, int64_t* offsets) const {
    const auto add_ramp = PHINTYS_ISA_CALL(add_ramp);
    runs(begin, end, offsets, [&](int64_t* at, int64_t n, int64_t start, int64_t step) {
      add_ramp(at, n, start, step);
    });
  }
  // A quicker way along the last axis, where items lie side by side: copies those of [begin, end)
  // to `to`. False if this is not such a case.
  bool gather(int64_t begin, int64_t end, const char* from, char* to, size_t item) const {
    const int last = static_cast<int>(base_.size()) - 1;
    if (axis_ != last || (item != 4 && item != 8) || stride_ != static_cast<int64_t>(item) ||
        index_.dtype != DType::i64 || !whole_ || step_ != 8) {
      return false;
    }
    const int64_t inner = index_.shape[static_cast<size_t>(last)];
    const TensorView outer{nullptr, index_.dtype, last, index_.shape.data(), base_.data()};
    const int64_t total = product(index_.shape), extent = length_ * stride_;
    const auto gather = PHINTYS_ISA_CALL(gather_indexed);
    for (int64_t i = begin; i < end;) {
      const int64_t row = i / inner, n = std::min(inner - i % inner, end - i);
      const char* const next =
          (row + 1) * inner < total ? from + offset_of(outer, row + 1) : nullptr;
      const char* const index = index_.data + i * 8;
      const int64_t done = gather(to + (i - begin) * stride_, from + offset_of(outer, row),
                                  reinterpret_cast<const int64_t*>(index), n, length_, item,
                                  n == inner ? Ahead(next, extent, n, item) : Ahead());
      if (done != n) fail_at(index + done * 8);
      i += n;
    }
    return true;
  }
  // Offsets along the axis, and f(offsets, n, start, step) for runs to which a ramp is to be added.
  template <class F>
  void runs(int64_t begin, int64_t end, int64_t* offsets, F&& f) const {
    const int last = static_cast<int>(base_.size()) - 1;
    const size_t at_last = static_cast<size_t>(last);
    const int64_t inner = index_.shape[at_last];
    const TensorView outer_index{index_.data, index_.dtype, last, index_.shape.data(),
                                 index_.strides.data()};
    const TensorView outer_base{nullptr, index_.dtype, last, index_.shape.data(), base_.data()};
    if (whole_) resolve(index_.data + begin * step_, step_, end - begin, offsets);
    for (int64_t i = begin; i < end;) {
      const int64_t row = i / inner, column = i % inner, n = std::min(inner - column, end - i);
      int64_t* out = offsets + (i - begin);
      if (!whole_) {
        const int64_t step = index_.strides[at_last];
        resolve(index_.data + offset_of(outer_index, row) + column * step, step, n, out);
      }
      const int64_t by = base_[at_last];
      f(out, n, offset_of(outer_base, row) + column * by, by);
      i += n;
    }
  }

 private:
  [[noreturn]] void fail_at(const char* at) const {
    fail(ErrorKind::index, "index ", load_int(at, index_.dtype), " is out of bounds for axis ",
         axis_, " with size ", length_);
  }
  void resolve(const char* at, int64_t step, int64_t n, int64_t* offsets) const {
    const DType dtype = index_.dtype;
    if (dtype == DType::i64 && step == 8 &&
        PHINTYS_ISA_CALL(resolve_i64)(offsets, reinterpret_cast<const int64_t*>(at), n, length_,
                                      stride_, false)) {
      return;
    }
    for (int64_t i = 0; i < n; ++i) {
      const int64_t index = load_int(at + i * step, dtype);
      if (index < -length_ || index >= length_) fail_at(at + i * step);
      offsets[i] = (index < 0 ? index + length_ : index) * stride_;
    }
  }

  int64_t axis_, length_, stride_;
  OwnedView index_;
  Dims base_;
  bool whole_;
  int64_t step_ = 0;
};

// The chosen elements of x as a region of `shape`.
bool along_region(const TensorView& x, const TensorView& index, int64_t axis,
                  const TensorView& values, const int64_t* shape, device::Region* region) {
  Dims strides;
  uint32_t repeats = 0;
  for (int i = 0; i < x.ndim; ++i) {
    const bool fixed = i == axis || x.shape[i] == 1;
    strides.push_back(fixed ? 0 : x.strides[i]);
    if (fixed && i < device::kMaxRank) repeats |= 1u << i;
  }
  if (!make_region({x.data, x.dtype, x.ndim, shape, strides.data()}, values, region)) return false;
  region->repeats = repeats;
  return add_index(region, index, 0, x.ndim, x.shape[axis], x.strides[axis]);
}

}  // namespace

// --- TakeAlongAxis ------------------------------------------------------------------------------

std::vector<Type> TakeAlongAxis::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 2);
  const Type& x = inputs[0].type();
  return {x.with_shape(infer_chosen(*this, x, inputs[1].type(), axis))};
}
std::vector<Var> TakeAlongAxis::grad(const GradArgs& args) const {
  const Var& x = args.inputs[0];
  const Var& g = args.grads[0];
  if (!g) return {Var(), Var()};
  const Var zeros = alloc(constant(0.0, grad_dtype(*x)), shape_list(x));
  return {put_along_axis(zeros, g, args.inputs[1], axis, false), Var()};
}
std::vector<std::vector<Var>> TakeAlongAxis::infer_shape(const Apply& node) const {
  return {chosen_shape(node.inputs()[0], node.inputs()[1], axis)};
}
void TakeAlongAxis::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  const Dims shape = chosen_dims(*this, inputs[0], inputs[1], axis);
  own_layout(outputs[0], shape.data(), static_cast<int>(shape.size()));
}
void TakeAlongAxis::perform(PerformContext&, std::span<const TensorView> inputs,
                            std::span<const TensorView> outputs) const {
  const TensorView& x = inputs[0];
  const TensorView& out = outputs[0];
  const Dims shape(out.shape, out.shape + out.ndim);
  const AlongPositions positions(x, inputs[1], axis, shape);
  const size_t item = item_size(x.dtype);
  const auto gather = PHINTYS_ISA_CALL(gather_items);
  const auto add_ramp = PHINTYS_ISA_CALL(add_ramp);
  parallel_ranges(out.size(), 64 * kPiece, [&](int64_t begin, int64_t end) {
    char* const start = out.data + begin * static_cast<int64_t>(item);
    if (positions.gather(begin, end, x.data, start, item)) return;
    int64_t offsets[kPiece];
    for (int64_t i = begin; i < end; i += kPiece) {
      const int64_t n = std::min(end - i, kPiece);
      char* to = out.data + i * static_cast<int64_t>(item);
      positions.runs(i, i + n, offsets, [&](int64_t* at, int64_t m, int64_t start, int64_t step) {
        if (step) add_ramp(at, m, 0, step);
        gather(to + (at - offsets) * static_cast<int64_t>(item), x.data + start, at, m, item);
      });
    }
  });
}
bool TakeAlongAxis::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                            std::span<const TensorView> outputs) const {
  if (outputs[0].size() == 0) return true;
  device::Region region;
  if (!index_kernels(queue) ||
      !along_region(inputs[0], inputs[1], axis, outputs[0], outputs[0].shape, &region)) {
    return false;
  }
  return queue.check(index_kernels(queue)->gather(queue.stream, region, queue.failed));
}

// --- PutAlongAxis -------------------------------------------------------------------------------

std::vector<Type> PutAlongAxis::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 3);
  const Type& x = inputs[0].type();
  const Type& y = inputs[1].type();
  const Dims part = infer_chosen(*this, x, inputs[2].type(), axis);
  if (y.dtype() != x.dtype()) {
    fail(ErrorKind::type, str(), ": the new values are ", dtype_name(y.dtype()), ", the array is ",
         dtype_name(x.dtype()));
  }
  const int extra = static_cast<int>(part.size()) - y.ndim();
  if (extra < 0) {
    fail(ErrorKind::value, str(), ": values of ", y.ndim(), " dimensions for elements of ",
         part.size());
  }
  for (int i = 0; i < y.ndim(); ++i) {
    if (y.dim(i) != 1) merge_known(*this, part[static_cast<size_t>(i + extra)], y.dim(i), i);
  }
  return {x};
}
std::vector<Var> PutAlongAxis::grad(const GradArgs& args) const {
  const Var& x = args.inputs[0];
  const Var& y = args.inputs[1];
  const Var& index = args.inputs[2];
  const Var& g = args.grads[0];
  if (!g) return {Var(), Var(), Var()};
  if (is_discrete(x.dtype())) return {zero_grad_for(x), zero_grad_for(y), Var()};
  const Var kept = set ? put_along_axis(g, constant(0.0, g.dtype()), index, axis, true) : g;
  const Var of_y = sum_to_like(take_along_axis(g, index, axis), y);
  return {kept, cast(of_y, grad_dtype(*y)), Var()};
}
std::vector<std::vector<Var>> PutAlongAxis::infer_shape(const Apply& node) const {
  return {shape_list(node.inputs()[0])};
}
void PutAlongAxis::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  const Dims shape = chosen_dims(*this, inputs[0], inputs[2], axis);
  if (!broadcasts_to(inputs[1], shape.data(), static_cast<int>(shape.size()))) {
    fail(ErrorKind::value, str(), ": values of shape ", shape_text(inputs[1]),
         " cannot be broadcast to the chosen elements of shape ", to_string(shape));
  }
  own_layout(outputs[0], inputs[0].shape, inputs[0].ndim);
}
void PutAlongAxis::perform(PerformContext&, std::span<const TensorView> inputs,
                           std::span<const TensorView> outputs) const {
  const TensorView& x = inputs[0];
  const TensorView& out = outputs[0];
  const Dims shape = chosen_dims(*this, x, inputs[2], axis);
  const int64_t size = product(shape);
  const AlongPositions positions(out, inputs[2], axis, shape);
  // Before anything is overwritten.
  parallel_ranges(size, 64 * kPiece, [&](int64_t begin, int64_t end) {
    int64_t offsets[kPiece];
    for (int64_t i = begin; i < end; i += kPiece) {
      positions.fill(i, std::min(end, i + kPiece), offsets);
    }
  });
  if (out.data != x.data) copy_parallel(out, x);
  if (size == 0) return;
  const OwnedView values = broadcast_view(inputs[1], shape.data(), static_cast<int>(shape.size()));
  const TensorView y = values.view();
  // Slices of the first axis share no element, unless it is the indexed one or is broadcast.
  const bool separate = axis != 0 && x.shape[0] == shape[0];
  const int64_t slice = separate ? size / shape[0] : size;
  const int64_t grain = std::max<int64_t>(1, 64 * kPiece / slice);
  parallel_ranges(size / slice, grain, [&](int64_t first, int64_t last) {
    int64_t offsets[kPiece];
    for (int64_t i = first * slice; i < last * slice;) {
      const int64_t n = std::min(last * slice - i, kPiece);
      positions.fill(i, i + n, offsets);
      scatter_values(out.data, offsets, y, i, n, set);
      i += n;
    }
  });
}
bool PutAlongAxis::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                           std::span<const TensorView> outputs) const {
  const Dims shape = chosen_dims(*this, inputs[0], inputs[2], axis);
  const OwnedView y = broadcast_view(inputs[1], shape.data(), static_cast<int>(shape.size()));
  device::Region region;
  return along_region(outputs[0], inputs[2], axis, y.view(), shape.data(), &region) &&
         queue_change(queue, inputs[0], outputs[0], region, set);
}

// --- building -----------------------------------------------------------------------------------

Var take_along_axis(const Var& x, const Var& index, int64_t axis) {
  auto op = make_ref<TakeAlongAxis>();
  op->axis = axis;
  return phintys::apply(op, {x, index});
}

Var put_along_axis(const Var& x, const Var& y, const Var& index, int64_t axis, bool set) {
  auto op = make_ref<PutAlongAxis>();
  op->axis = axis;
  op->set = set;
  return phintys::apply(op, {x, cast(y, x.dtype()), index});
}

}  // namespace phintys
