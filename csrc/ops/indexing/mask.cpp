#include "ops/indexing/mask.h"

#include <cstring>
#include <numeric>

#include "kernels/parallel.h"
#include "ops/build.h"
#include "ops/build_elementwise.h"
#include "ops/device_moves.h"
#include "ops/indexing/eye.h"
#include "ops/indexing/gather.h"
#include "ops/indexing/move.h"

namespace phintys {

namespace {

constexpr int64_t kBlock = 32768;  // mask elements that one thread looks at

void check_mask(const Op& op, const Var& mask) {
  if (is_bool(mask.dtype())) return;
  fail(ErrorKind::type, op.str(), ": the mask must be of bools, got ", mask.type().str());
}

int64_t blocks_of(int64_t n) { return (n + kBlock - 1) / kBlock; }

// A mask in C order with, for each block, the number of true elements before it.
struct Scan {
  const char* mask;
  int64_t size;
  const int64_t* before;  // blocks + 1

  static size_t bytes(const TensorView& mask) {
    const size_t n = static_cast<size_t>(mask.size());
    return static_cast<size_t>(blocks_of(mask.size()) + 1) * 8 + (mask.contiguous() ? 0 : n);
  }
  Scan(const TensorView& view, void* scratch) : mask(view.data), size(view.size()) {
    const int64_t blocks = blocks_of(size);
    int64_t* counts = static_cast<int64_t*>(scratch);
    if (!view.contiguous()) {
      char* copy = reinterpret_cast<char*>(counts + blocks + 1);
      const Dims shape(view.shape, view.shape + view.ndim);
      const Dims strides = contiguous_strides(shape, 1);
      copy_parallel({copy, view.dtype, view.ndim, view.shape, strides.data()}, view);
      mask = copy;
    }
    counts[0] = 0;
    const auto count = PHINTYS_ISA_CALL(count_true);
    parallel_for(blocks, [&](int64_t b) {
      counts[b + 1] = count(mask + b * kBlock, std::min(kBlock, size - b * kBlock));
    });
    for (int64_t b = 0; b < blocks; ++b) counts[b + 1] += counts[b];
    before = counts;
  }
  int64_t blocks() const { return blocks_of(size); }
  int64_t total() const { return before[blocks()]; }
  void expect(const Op& op, int64_t count) const {
    if (total() == count) return;
    fail(ErrorKind::value, op.str(), ": ", total(), " elements of the mask are true, not ", count);
  }
  // f(begin, end, first true element, number of true elements) for blocks, on several threads
  template <class F>
  void each_block(F&& f) const {
    parallel_for(blocks(), [&](int64_t b) {
      const int64_t n = before[b + 1] - before[b];
      if (n > 0) f(b * kBlock, std::min(size, (b + 1) * kBlock), before[b], n);
    });
  }
};

// The axes of `x` that a mask spans.
TensorView masked_axes(const TensorView& x, int64_t axis, int ndim) {
  return {x.data, x.dtype, ndim, x.shape + axis, x.strides + axis};
}

void check_span(const Op& op, const TensorView& x, const TensorView& mask, int64_t axis) {
  for (int i = 0; i < mask.ndim; ++i) {
    if (mask.shape[i] == x.shape[axis + i]) continue;
    fail(ErrorKind::index, op.str(), ": boolean index did not match indexed array along axis ",
         axis + i, "; size of axis is ", x.shape[axis + i],
         " but size of corresponding boolean axis is ", mask.shape[i]);
  }
}

// Byte offsets of the true elements of `scan` in an array of the mask's shape and `v`'s strides.
void true_offsets(const Scan& scan, const TensorView& v, int64_t* offsets) {
  const auto positions = PHINTYS_ISA_CALL(true_positions);
  int64_t step;
  const bool flat = single_stride(v, &step);
  const int64_t inner = flat ? 1 : v.shape[v.ndim - 1];
  const int64_t inner_step = flat ? 0 : v.strides[v.ndim - 1];
  const TensorView outer{v.data, v.dtype, v.ndim - 1, v.shape, v.strides};
  scan.each_block([&](int64_t begin, int64_t end, int64_t first, int64_t n) {
    int64_t* out = offsets + first;
    if (flat) {
      positions(out, n, scan.mask + begin, end - begin, begin * step, step);
      return;
    }
    int64_t room = n;
    for (int64_t i = begin; i < end;) {
      const int64_t column = i % inner, count = std::min(inner - column, end - i);
      const int64_t start = offset_of(outer, i / inner) + column * inner_step;
      const int64_t found = positions(out, room, scan.mask + i, count, start, inner_step);
      out += found;
      room -= found;
      i += count;
    }
  });
}

// A block of scratch memory for a scan and for the offsets of n elements.
struct MaskScratch {
  void* scan;
  int64_t* offsets;
  MaskScratch(PerformContext& context, const TensorView& mask, int64_t n) {
    const size_t scan_bytes = (Scan::bytes(mask) + 63) / 64 * 64;
    scan = context.scratch(scan_bytes + static_cast<size_t>(n) * 8);
    offsets = reinterpret_cast<int64_t*>(static_cast<char*>(scan) + scan_bytes);
  }
};

bool one_item_apart(const TensorView& v) {
  int64_t step;
  return single_stride(v, &step) &&
         (step == static_cast<int64_t>(item_size(v.dtype)) || v.size() <= 1);
}

int64_t count_of(const Op& op, const TensorView& count, const TensorView& mask) {
  const int64_t n = load_int(count.data, count.dtype);
  if (n < 0 || n > mask.size()) {
    fail(ErrorKind::value, op.str(), ": a count of ", n, " for a mask of shape ", shape_text(mask));
  }
  return n;
}

Dims infer_part(const Op& op, const Type& x, const Var& mask, int64_t axis) {
  check_mask(op, mask);
  const int span = mask.ndim();
  if (axis < 0 || span < 1 || axis > x.ndim() - span) {
    fail(ErrorKind::index, "too many indices for array: a mask of ", span, " dimensions at axis ",
         axis, " of ", x.str());
  }
  for (int i = 0; i < span; ++i) {
    const int64_t a = x.dim(static_cast<int>(axis) + i), b = mask.type().dim(i);
    if (a < 0 || b < 0 || a == b) continue;
    fail(ErrorKind::index, "boolean index did not match indexed array along axis ", axis + i,
         "; size of axis is ", a, " but size of corresponding boolean axis is ", b);
  }
  Dims shape(x.shape().begin(), x.shape().begin() + axis);
  shape.push_back(kUnknownDim);
  shape.append(x.shape().begin() + axis + span, x.shape().end());
  return shape;
}

// The elements of x where a mask is true, of which there are `count`, as a region.
struct DeviceMask {
  const TensorView &x, &mask;
  int64_t axis, count;
  Dims part;  // the region's shape

  DeviceMask(const TensorView& x, const TensorView& mask, int64_t axis, int64_t count)
      : x(x), mask(mask), axis(axis), count(count), part(x.shape, x.shape + axis) {
    part.push_back(count);
    part.append(x.shape + axis + mask.ndim, x.shape + x.ndim);
  }
  // `values` are of the region's shape. The list of offsets comes later.
  bool region(const TensorView& values, device::Region* region) const {
    Dims strides(x.strides, x.strides + axis);
    strides.push_back(0);
    strides.append(x.strides + axis + mask.ndim, x.strides + x.ndim);
    const int ndim = static_cast<int>(part.size());
    if (x.ndim > device::kMaxRank ||
        !make_region({x.data, x.dtype, ndim, part.data(), strides.data()}, values, region)) {
      return false;
    }
    device::Index& index = region->indices[region->count++];
    index.kind = device::IndexKind::offsets;
    index.dtype = DType::i64;
    index.strides[axis] = sizeof(int64_t);
    index.step = 0;
    for (int d = 0; d < mask.ndim; ++d) index.step = std::gcd(index.step, x.strides[axis + d]);
    return true;
  }
  bool queue_list(device::Queue& queue, device::Region* region) const {
    const device::IndexKernels* kernels = index_kernels(queue);
    const size_t bytes = (kernels->mask_scratch(mask.size()) + 63) / 64 * 64;
    char* scratch = static_cast<char*>(queue.scratch(bytes + static_cast<size_t>(count) * 8));
    device::TrueList list{};
    if (!device::to_tensor_plain(mask, &list.mask)) return false;
    list.count = count;
    list.lists = 1;
    list.out[0] = reinterpret_cast<int64_t*>(scratch + bytes);
    for (int d = 0; d < mask.ndim; ++d) list.weights[0][d] = x.strides[axis + d];
    region->indices[0].data = scratch + bytes;
    return queue.check(kernels->list_true(queue.stream, list, scratch, queue.failed));
  }
};

// All of x, of which elements are there where a mask is true; y has one value for all of those.
bool repeated_region(const TensorView& x, const TensorView& y, const TensorView& mask, int64_t axis,
                     device::Region* region) {
  Dims part(x.shape, x.shape + axis);
  part.push_back(1);
  part.append(x.shape + axis + mask.ndim, x.shape + x.ndim);
  const int rank = static_cast<int>(part.size());
  if (!broadcasts_to(y, part.data(), rank)) return false;
  const OwnedView values = broadcast_view(y, part.data(), rank);
  Dims strides(values.strides.begin(), values.strides.begin() + axis);
  for (int d = 0; d < mask.ndim; ++d) strides.push_back(0);
  strides.append(values.strides.begin() + axis + 1, values.strides.end());
  if (!make_region(x, {y.data, y.dtype, x.ndim, x.shape, strides.data()}, region)) return false;
  device::Index& index = region->indices[region->count++];
  index.kind = device::IndexKind::where;
  index.dtype = DType::b8;
  index.data = mask.data;
  for (int d = 0; d < mask.ndim; ++d) {
    index.strides[axis + d] = mask.shape[d] == 1 ? 0 : mask.strides[d];
  }
  return true;
}

}  // namespace

// --- CountNonzero -------------------------------------------------------------------------------

std::vector<Type> CountNonzero::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 1);
  check_mask(*this, inputs[0]);
  return {Type::scalar(DType::i64)};
}
std::vector<Var> CountNonzero::grad(const GradArgs&) const { return {Var()}; }
std::vector<std::vector<Var>> CountNonzero::infer_shape(const Apply&) const { return {{}}; }
void CountNonzero::layout(std::span<const TensorView>, std::span<Layout> outputs) const {
  own_layout(outputs[0], nullptr, 0);
}
size_t CountNonzero::scratch_bytes(std::span<const TensorView> inputs) const {
  return Scan::bytes(inputs[0]);
}
void CountNonzero::perform(PerformContext& context, std::span<const TensorView> inputs,
                           std::span<const TensorView> outputs) const {
  const Scan scan(inputs[0], context.scratch(Scan::bytes(inputs[0])));
  *outputs[0].as<int64_t>() = scan.total();
}
bool CountNonzero::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                           std::span<const TensorView> outputs) const {
  device::Tensor mask;
  if (!index_kernels(queue) || !device::to_tensor(inputs[0], &mask)) return false;
  void* scratch = queue.scratch(index_kernels(queue)->mask_scratch(inputs[0].size()));
  return queue.check(
      index_kernels(queue)->count_true(queue.stream, mask, outputs[0].as<int64_t>(), scratch));
}

// --- Nonzero ------------------------------------------------------------------------------------

std::vector<Type> Nonzero::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 2);
  check_mask(*this, inputs[0]);
  check_int_scalar(*this, inputs[1], "the count");
  if (inputs[0].ndim() == 0) {
    fail(ErrorKind::value, "Nonzero only supports non-scalar arrays.");
  }
  return std::vector<Type>(static_cast<size_t>(inputs[0].ndim()),
                           Type::tensor(DType::i64, Dims{kUnknownDim}));
}
std::vector<Var> Nonzero::grad(const GradArgs&) const { return {Var(), Var()}; }
std::vector<std::vector<Var>> Nonzero::infer_shape(const Apply& node) const {
  return std::vector<std::vector<Var>>(static_cast<size_t>(node.nout()),
                                       {cast(node.inputs()[1], DType::i64)});
}
void Nonzero::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  const int64_t n = count_of(*this, inputs[1], inputs[0]);
  for (Layout& out : outputs) own_layout(out, &n, 1);
}
void Nonzero::perform(PerformContext& context, std::span<const TensorView> inputs,
                      std::span<const TensorView> outputs) const {
  const TensorView& mask = inputs[0];
  const int last = mask.ndim - 1;
  const int64_t inner = mask.shape[last];
  const Scan scan(mask, context.scratch(Scan::bytes(mask)));
  scan.expect(*this, outputs[0].shape[0]);
  const auto positions = PHINTYS_ISA_CALL(true_positions);
  scan.each_block([&](int64_t begin, int64_t end, int64_t at, int64_t n) {
    const int64_t stop = at + n;
    for (int64_t i = begin; i < end;) {
      const int64_t column = i % inner, count = std::min(inner - column, end - i);
      const int64_t found = positions(outputs[static_cast<size_t>(last)].as<int64_t>() + at,
                                      stop - at, scan.mask + i, count, column, 1);
      int64_t row = i / inner;
      for (int d = last - 1; d >= 0 && found > 0; --d) {
        int64_t* out = outputs[static_cast<size_t>(d)].as<int64_t>() + at;
        std::fill(out, out + found, row % mask.shape[d]);
        row /= mask.shape[d];
      }
      at += found;
      i += count;
    }
  });
}
bool Nonzero::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                      std::span<const TensorView> outputs) const {
  const int ndim = inputs[0].ndim;
  device::TrueList list{};
  if (!index_kernels(queue) || !device::to_tensor_plain(inputs[0], &list.mask)) return false;
  list.count = outputs[0].shape[0];
  list.lists = ndim;
  for (int k = 0; k < ndim; ++k) {
    list.out[k] = outputs[static_cast<size_t>(k)].as<int64_t>();
    list.weights[k][k] = 1;
  }
  void* scratch = queue.scratch(index_kernels(queue)->mask_scratch(inputs[0].size()));
  return queue.check(index_kernels(queue)->list_true(queue.stream, list, scratch, queue.failed));
}

// --- MaskSubtensor ------------------------------------------------------------------------------

std::vector<Type> MaskSubtensor::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 3);
  check_int_scalar(*this, inputs[2], "the count");
  const Type& x = inputs[0].type();
  return {x.with_shape(infer_part(*this, x, inputs[1], axis))};
}
std::vector<Var> MaskSubtensor::grad(const GradArgs& args) const {
  const Var& x = args.inputs[0];
  const Var& g = args.grads[0];
  if (!g) return {Var(), Var(), Var()};
  const Var zeros = alloc(constant(0.0, grad_dtype(*x)), shape_list(x));
  return {mask_inc_subtensor(zeros, g, args.inputs[1], args.inputs[2], axis, true), Var(), Var()};
}
std::vector<std::vector<Var>> MaskSubtensor::infer_shape(const Apply& node) const {
  const Var& x = node.inputs()[0];
  const int span = node.inputs()[1].ndim();
  std::vector<Var> dims;
  for (int i = 0; i < x.ndim(); ++i) {
    if (i == axis) dims.push_back(cast(node.inputs()[2], DType::i64));
    if (i < axis || i >= axis + span) dims.push_back(shape_i(x, i));
  }
  return {dims};
}
void MaskSubtensor::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  const TensorView& x = inputs[0];
  check_span(*this, x, inputs[1], axis);
  Dims shape(x.shape, x.shape + axis);
  shape.push_back(count_of(*this, inputs[2], inputs[1]));
  shape.append(x.shape + axis + inputs[1].ndim, x.shape + x.ndim);
  own_layout(outputs[0], shape.data(), static_cast<int>(shape.size()));
}
void MaskSubtensor::perform(PerformContext& context, std::span<const TensorView> inputs,
                            std::span<const TensorView> outputs) const {
  const TensorView& x = inputs[0];
  const TensorView& mask = inputs[1];
  const TensorView& out = outputs[0];
  const int64_t n = out.shape[axis];
  const TensorView spanned = masked_axes(x, axis, mask.ndim);
  const AxisGroups groups(x, axis, mask.ndim);
  const size_t item = item_size(x.dtype);
  if (groups.after.size() == 1 && one_item_apart(spanned)) {
    const Scan scan(mask, context.scratch(Scan::bytes(mask)));
    scan.expect(*this, n);
    const auto compress = PHINTYS_ISA_CALL(compress_items);
    const int64_t size = static_cast<int64_t>(item);
    const int64_t rows = groups.before.size();
    scan.each_block([&](int64_t begin, int64_t end, int64_t first, int64_t count) {
      for (int64_t row = 0; row < rows; ++row) {
        compress(out.data + (row * n + first) * size, count,
                 x.data + offset_of(groups.before, row) + begin * size, scan.mask + begin,
                 end - begin, item);
      }
    });
    return;
  }
  const MaskScratch scratch(context, mask, n);
  const Scan scan(mask, scratch.scan);
  scan.expect(*this, n);
  true_offsets(scan, spanned, scratch.offsets);
  gather_positions(groups, ListedPositions(scratch.offsets, n), out.data);
}
bool MaskSubtensor::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                            std::span<const TensorView> outputs) const {
  const DeviceMask mask(inputs[0], inputs[1], axis, outputs[0].shape[axis]);
  device::Region region;
  return mask.region(outputs[0], &region) && mask.queue_list(queue, &region) &&
         queue.check(index_kernels(queue)->gather(queue.stream, region, queue.failed));
}

// --- MaskIncSubtensor ---------------------------------------------------------------------------

std::vector<Type> MaskIncSubtensor::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 4);
  check_int_scalar(*this, inputs[3], "the count");
  const Type& x = inputs[0].type();
  const Type& y = inputs[1].type();
  const Dims part = infer_part(*this, x, inputs[2], axis);
  if (y.dtype() != x.dtype()) {
    fail(ErrorKind::type, str(), ": the new values are ", dtype_name(y.dtype()), ", the array is ",
         dtype_name(x.dtype()));
  }
  const int extra = static_cast<int>(part.size()) - y.ndim();
  if (extra < 0) {
    fail(ErrorKind::value, "Trying to increment a ", part.size(), "-dimensional subtensor with a ",
         y.ndim(), "-dimensional value.");
  }
  for (int i = 0; i < y.ndim(); ++i) {
    if (y.dim(i) != 1) merge_known(*this, part[static_cast<size_t>(i + extra)], y.dim(i), i);
  }
  return {x};
}
std::vector<Var> MaskIncSubtensor::grad(const GradArgs& args) const {
  std::vector<Var> result(4);
  const Var& g = args.grads[0];
  const Var& y = args.inputs[1];
  const Var& mask = args.inputs[2];
  const Var& count = args.inputs[3];
  if (!g) return result;
  if (is_discrete(args.inputs[0].dtype())) {
    result[0] = zero_grad_for(args.inputs[0]);
    result[1] = zero_grad_for(y);
    return result;
  }
  result[0] = set ? mask_inc_subtensor(g, constant(0.0, g.dtype()), mask, count, axis, true) : g;
  result[1] = cast(sum_to_like(mask_subtensor(g, mask, count, axis), y), grad_dtype(*y));
  return result;
}
std::vector<std::vector<Var>> MaskIncSubtensor::infer_shape(const Apply& node) const {
  return {shape_list(node.inputs()[0])};
}
void MaskIncSubtensor::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  check_span(*this, inputs[0], inputs[2], axis);
  own_layout(outputs[0], inputs[0].shape, inputs[0].ndim);
}
void MaskIncSubtensor::perform(PerformContext& context, std::span<const TensorView> inputs,
                               std::span<const TensorView> outputs) const {
  const TensorView& x = inputs[0];
  const TensorView& mask = inputs[2];
  const TensorView& out = outputs[0];
  const int64_t n = count_of(*this, inputs[3], mask);
  Dims part(x.shape, x.shape + axis);
  part.push_back(n);
  part.append(x.shape + axis + mask.ndim, x.shape + x.ndim);
  const int rank = static_cast<int>(part.size());
  if (!broadcasts_to(inputs[1], part.data(), rank)) {
    fail(ErrorKind::value, "shape mismatch: values of shape ", shape_text(inputs[1]),
         " cannot be broadcast to the ", n, " elements where the mask is true, of shape ",
         to_string(part));
  }
  const OwnedView values = broadcast_view(inputs[1], part.data(), rank);
  const TensorView y = values.view();
  const TensorView spanned = masked_axes(out, axis, mask.ndim);
  const AxisGroups groups(out, axis, mask.ndim);
  const size_t item = item_size(x.dtype);
  const int64_t size = static_cast<int64_t>(item);
  const bool expands = set && groups.after.size() == 1 && one_item_apart(spanned) &&
                       (n <= 1 || y.strides[axis] == size);
  if (expands) {
    const Scan scan(mask, context.scratch(Scan::bytes(mask)));
    scan.expect(*this, n);
    if (out.data != x.data) copy_parallel(out, x);
    const TensorView y_rows{y.data, y.dtype, static_cast<int>(axis), y.shape, y.strides};
    const auto expand = PHINTYS_ISA_CALL(expand_items);
    const int64_t rows = groups.before.size();
    scan.each_block([&](int64_t begin, int64_t end, int64_t first, int64_t count) {
      for (int64_t row = 0; row < rows; ++row) {
        expand(out.data + offset_of(groups.before, row) + begin * size,
               y.data + offset_of(y_rows, row) + first * size, count, scan.mask + begin,
               end - begin, item);
      }
    });
    return;
  }
  const MaskScratch scratch(context, mask, n);
  const Scan scan(mask, scratch.scan);
  scan.expect(*this, n);
  if (out.data != x.data) copy_parallel(out, x);
  true_offsets(scan, spanned, scratch.offsets);
  scatter_positions(groups, ListedPositions(scratch.offsets, n), y, set);
}
bool MaskIncSubtensor::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                               std::span<const TensorView> outputs) const {
  const TensorView &x = inputs[0], &y = inputs[1], &mask = inputs[2], &out = outputs[0];
  const int rank = x.ndim - mask.ndim + 1, at = static_cast<int>(axis) - (rank - y.ndim);
  if (!index_kernels(queue) || y.ndim > rank || x.ndim > device::kMaxRank) return false;
  const bool copies = out.data != x.data;
  // How many elements there are only the device knows. Where y has one for all of them, each is
  // looked at; else there are as many as y has, or the call fails.
  device::Region region;
  if (at < 0 || y.shape[at] == 1) {
    return repeated_region(out, y, mask, axis, &region) && queue_change(queue, x, out, region, set);
  }
  const DeviceMask list(out, mask, axis, y.shape[at]);
  if (y.shape[at] > mask.size() || !broadcasts_to(y, list.part.data(), rank)) return false;
  if (!list.region(broadcast_view(y, list.part.data(), rank).view(), &region) ||
      index_kernels(queue)->scatter_scratch(region) > 0 || (copies && !queue_copy(queue, out, x)) ||
      !list.queue_list(queue, &region)) {
    return false;
  }
  return queue.check(
      index_kernels(queue)->scatter(queue.stream, region, !set, nullptr, queue.failed));
}

// --- building -----------------------------------------------------------------------------------

Var count_nonzero(const Var& mask) { return phintys::apply(make_ref<CountNonzero>(), {mask}); }

Var mask_subtensor(const Var& x, const Var& mask, const Var& count, int64_t axis) {
  auto op = make_ref<MaskSubtensor>();
  op->axis = axis;
  return phintys::apply(op, {x, mask, count});
}

Var mask_inc_subtensor(const Var& x, const Var& y, const Var& mask, const Var& count, int64_t axis,
                       bool set) {
  if (y.ndim() == 0 && set) {
    // A single value is a choice, which fuses with its neighbours. It must not broadcast the mask.
    bool spans = true;
    std::vector<int64_t> order(static_cast<size_t>(x.ndim()), -1);
    for (int i = 0; i < mask.ndim(); ++i) {
      const int at = static_cast<int>(axis) + i;
      spans = spans && (mask.type().dim(i) != 1 || x.type().dim(at) == 1);
      order[static_cast<size_t>(at)] = i;
    }
    if (spans) return switch_(dimshuffle(mask, std::move(order)), cast(y, x.dtype()), x);
  }
  auto op = make_ref<MaskIncSubtensor>();
  op->axis = axis;
  op->set = set;
  return phintys::apply(op, {x, cast(y, x.dtype()), mask, count});
}

}  // namespace phintys
