#include "ops/advanced_subtensor.h"

#include "ops/build.h"
#include "ops/build_elementwise.h"
#include "ops/device_moves.h"
#include "ops/indexing/eye.h"
#include "ops/indexing/gather.h"
#include "ops/op_util.h"
#include "ops/subtensor.h"

namespace phintys {

namespace {

// The type of x[..., indices, ...], and checks of the operands.
Dims infer_region(const Op& op, const Type& x, std::span<const Var> indices, int64_t axis) {
  if (axis < 0 || axis > x.ndim() - static_cast<int64_t>(indices.size())) {
    fail(ErrorKind::index, "too many indices for array: ", x.str(), " has ", x.ndim(),
         " dimensions, ", indices.size(), " index arrays start at axis ", axis);
  }
  int rank = 0;
  for (const Var& v : indices) {
    if (!is_int(v.dtype())) {
      fail(ErrorKind::type, op.str(), ": index must be integers, got ", v.type().str());
    }
    rank = std::max(rank, v.ndim());
  }
  check_rank(op, x.ndim() - static_cast<int64_t>(indices.size()) + rank);
  Dims shape(x.shape().begin(), x.shape().begin() + axis);
  for (int i = 0; i < rank; ++i) {
    int64_t d = 1;
    for (const Var& v : indices) {
      const int at = i - (rank - v.ndim());
      const int64_t e = at < 0 ? 1 : v.type().dim(at);
      if (e == 1) continue;
      // An unknown length may turn out to be 1, so a known longer one decides.
      if (d == 1 || d == kUnknownDim) {
        d = e < 0 && d != 1 ? d : e;
      } else if (e >= 0 && e != d) {
        fail(ErrorKind::index, "shape mismatch: index arrays of lengths ", d, " and ", e,
             " cannot be broadcast together");
      }
    }
    shape.push_back(d);
  }
  for (int i = static_cast<int>(axis) + static_cast<int>(indices.size()); i < x.ndim(); ++i) {
    shape.push_back(x.dim(i));
  }
  return shape;
}

void infer_values(const Op& op, const Type& x, const Type& y, const Dims& region) {
  if (y.dtype() != x.dtype()) {
    fail(ErrorKind::type, op.str(), ": the new values are ", dtype_name(y.dtype()),
         ", the array is ", dtype_name(x.dtype()));
  }
  const int extra = static_cast<int>(region.size()) - y.ndim();
  if (extra < 0) {
    fail(ErrorKind::value, "Trying to increment a ", region.size(),
         "-dimensional subtensor with a ", y.ndim(), "-dimensional value.");
  }
  for (int i = 0; i < y.ndim(); ++i) {
    if (y.dim(i) != 1) merge_known(op, region[static_cast<size_t>(i + extra)], y.dim(i), i);
  }
}

std::vector<Var> region_shape(const Var& x, std::span<const Var> indices, int64_t axis,
                              const Type& out) {
  std::vector<Var> dims;
  int rank = 0;
  for (const Var& v : indices) rank = std::max(rank, v.ndim());
  for (int i = 0; i < axis; ++i) dims.push_back(shape_i(x, i));
  for (int i = 0; i < rank; ++i) {
    const int64_t known = out.dim(static_cast<int>(dims.size()));
    if (known >= 0) {
      dims.push_back(constant_int(known));
      continue;
    }
    Var d;
    for (const Var& v : indices) {
      const int at = i - (rank - v.ndim());
      if (at < 0 || v.type().dim(at) == 1) continue;
      const Var e = shape_i(v, at);
      d = d ? switch_(eq(d, constant_int(1)), e, d) : e;
    }
    dims.push_back(std::move(d));
  }
  for (int i = static_cast<int>(axis) + static_cast<int>(indices.size()); i < x.ndim(); ++i) {
    dims.push_back(shape_i(x, i));
  }
  return dims;
}

Dims region_dims(const TensorView& x, std::span<const TensorView> indices, int64_t axis) {
  Dims shape(x.shape, x.shape + axis);
  const Dims common = broadcast_indices(indices);
  shape.append(common.begin(), common.end());
  shape.append(x.shape + axis + static_cast<int64_t>(indices.size()), x.shape + x.ndim);
  return shape;
}

void gather(std::span<const TensorView> inputs, int64_t axis, const TensorView& out) {
  const TensorView& x = inputs[0];
  const auto indices = inputs.subspan(1);
  const Dims common = broadcast_indices(indices);
  const IndexedPositions positions(x, indices, axis, common);
  if (positions.size() == 0) positions.validate();
  gather_positions(AxisGroups(x, axis, static_cast<int64_t>(indices.size())), positions, out.data);
}

void scatter(PerformContext& context, std::span<const TensorView> inputs, int64_t axis, bool set,
             const TensorView& out) {
  const TensorView& x = inputs[0];
  const auto indices = inputs.subspan(2);
  const Dims common = broadcast_indices(indices);
  const Dims region = region_dims(x, indices, axis);
  if (!broadcasts_to(inputs[1], region.data(), static_cast<int>(region.size()))) {
    fail(ErrorKind::value, "shape mismatch: values of shape ", shape_text(inputs[1]),
         " cannot be broadcast to the indexed part of shape ", to_string(region));
  }
  const IndexedPositions positions(out, indices, axis, common);
  positions.validate();  // before anything is overwritten
  const OwnedView y = broadcast_view(inputs[1], region.data(), static_cast<int>(region.size()));
  const int64_t count = static_cast<int64_t>(indices.size());
  if (const size_t bytes = scatter_copying_bytes(x, out, axis, count, positions.size())) {
    scatter_copying(x, out, axis, count, positions, y.view(), set, context.scratch(bytes));
    return;
  }
  if (out.data != x.data) copy_parallel(out, x);
  scatter_positions(AxisGroups(out, axis, count), positions, y.view(), set);
}

bool gather_on_device(device::Queue& queue, std::span<const TensorView> inputs, int64_t axis,
                      const TensorView& out) {
  const TensorView& x = inputs[0];
  const auto indices = inputs.subspan(1);
  if (out.size() == 0) return queue_checks(queue, x, indices, axis);
  device::Region region;
  if (!index_kernels(queue) ||
      !indexed_region(x, indices, axis, broadcast_indices(indices), out, &region)) {
    return false;
  }
  return queue.check(index_kernels(queue)->gather(queue.stream, region, queue.failed));
}

bool scatter_on_device(device::Queue& queue, std::span<const TensorView> inputs, int64_t axis,
                       bool set, const TensorView& out) {
  const auto indices = inputs.subspan(2);
  const Dims shape = region_dims(inputs[0], indices, axis);
  device::Region region;
  if (!broadcasts_to(inputs[1], shape.data(), static_cast<int>(shape.size())) ||
      !indexed_region(out, indices, axis, broadcast_indices(indices), inputs[1], &region)) {
    return false;
  }
  if (product(shape) > 0) return queue_change(queue, inputs[0], out, region, set);
  if (!queue_checks(queue, out, indices, axis)) return false;
  return out.data == inputs[0].data || queue_copy(queue, out, inputs[0]);
}

std::vector<Var> gather_grad(const GradArgs& args, int64_t axis) {
  std::vector<Var> result(args.inputs.size());
  const Var& x = args.inputs[0];
  if (!args.grads[0]) return result;
  const Var zeros = alloc(constant(0.0, grad_dtype(*x)), shape_list(x));
  result[0] = advanced_inc_subtensor(
      zeros, args.grads[0], {args.inputs.begin() + 1, args.inputs.end()}, static_cast<int>(axis));
  return result;
}

std::vector<Var> scatter_grad(const GradArgs& args, int64_t axis, bool set) {
  std::vector<Var> result(args.inputs.size());
  const Var& g = args.grads[0];
  const Var& y = args.inputs[1];
  if (!g) return result;
  if (is_discrete(args.inputs[0].dtype())) {
    result[0] = zero_grad_for(args.inputs[0]);
    result[1] = zero_grad_for(y);
    return result;
  }
  const std::vector<Var> indices(args.inputs.begin() + 2, args.inputs.end());
  const int at = static_cast<int>(axis);
  result[0] = set ? advanced_inc_subtensor(g, constant(0.0, g.dtype()), indices, at, true) : g;
  result[1] = as_grad_of(sum_to_like(advanced_subtensor(g, indices, at), y), y);
  return result;
}

void check_vector(const Op& op, const Var& index) {
  if (index.ndim() != 1 || !is_int(index.dtype())) {
    fail(ErrorKind::type, op.str(), ": index must be a vector of integers, got ",
         index.type().str());
  }
}

}  // namespace

// --- AdvancedSubtensor1 -------------------------------------------------------------------------

std::vector<Type> AdvancedSubtensor1::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 2);
  check_vector(*this, inputs[1]);
  const Type& x = inputs[0].type();
  return {x.with_shape(infer_region(*this, x, inputs.subspan(1), 0))};
}
std::vector<Var> AdvancedSubtensor1::grad(const GradArgs& args) const {
  return gather_grad(args, 0);
}
std::vector<std::vector<Var>> AdvancedSubtensor1::infer_shape(const Apply& node) const {
  return {region_shape(node.inputs()[0], std::span(node.inputs()).subspan(1), 0,
                       node.output()->type())};
}
void AdvancedSubtensor1::layout(std::span<const TensorView> inputs,
                                std::span<Layout> outputs) const {
  const Dims shape = region_dims(inputs[0], inputs.subspan(1), 0);
  own_layout(outputs[0], shape.data(), static_cast<int>(shape.size()));
}
void AdvancedSubtensor1::perform(PerformContext&, std::span<const TensorView> inputs,
                                 std::span<const TensorView> outputs) const {
  gather(inputs, 0, outputs[0]);
}
bool AdvancedSubtensor1::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                                 std::span<const TensorView> outputs) const {
  return gather_on_device(queue, inputs, 0, outputs[0]);
}

// --- AdvancedIncSubtensor1 ----------------------------------------------------------------------

std::string AdvancedIncSubtensor1::str() const {
  return set ? "AdvancedIncSubtensor1{no_inplace,set}" : "AdvancedIncSubtensor1{no_inplace,inc}";
}
std::vector<Type> AdvancedIncSubtensor1::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 3);
  check_vector(*this, inputs[2]);
  const Type& x = inputs[0].type();
  infer_values(*this, x, inputs[1].type(), infer_region(*this, x, inputs.subspan(2), 0));
  return {x};
}
std::vector<Var> AdvancedIncSubtensor1::grad(const GradArgs& args) const {
  return scatter_grad(args, 0, set);
}
std::vector<std::vector<Var>> AdvancedIncSubtensor1::infer_shape(const Apply& node) const {
  return {shape_list(node.inputs()[0])};
}
void AdvancedIncSubtensor1::layout(std::span<const TensorView> inputs,
                                   std::span<Layout> outputs) const {
  own_layout(outputs[0], inputs[0].shape, inputs[0].ndim);
}
void AdvancedIncSubtensor1::perform(PerformContext& context, std::span<const TensorView> inputs,
                                    std::span<const TensorView> outputs) const {
  scatter(context, inputs, 0, set, outputs[0]);
}
bool AdvancedIncSubtensor1::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                                    std::span<const TensorView> outputs) const {
  return scatter_on_device(queue, inputs, 0, set, outputs[0]);
}

// --- AdvancedSubtensor --------------------------------------------------------------------------

std::string AdvancedSubtensor::str() const {
  return axis == 0 ? "AdvancedSubtensor" : "AdvancedSubtensor{axis=" + std::to_string(axis) + "}";
}
std::vector<Type> AdvancedSubtensor::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 2, true);
  const Type& x = inputs[0].type();
  return {x.with_shape(infer_region(*this, x, inputs.subspan(1), axis))};
}
std::vector<Var> AdvancedSubtensor::grad(const GradArgs& args) const {
  return gather_grad(args, axis);
}
std::vector<std::vector<Var>> AdvancedSubtensor::infer_shape(const Apply& node) const {
  return {region_shape(node.inputs()[0], std::span(node.inputs()).subspan(1), axis,
                       node.output()->type())};
}
void AdvancedSubtensor::layout(std::span<const TensorView> inputs,
                               std::span<Layout> outputs) const {
  const Dims shape = region_dims(inputs[0], inputs.subspan(1), axis);
  own_layout(outputs[0], shape.data(), static_cast<int>(shape.size()));
}
void AdvancedSubtensor::perform(PerformContext&, std::span<const TensorView> inputs,
                                std::span<const TensorView> outputs) const {
  gather(inputs, axis, outputs[0]);
}
bool AdvancedSubtensor::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                                std::span<const TensorView> outputs) const {
  return gather_on_device(queue, inputs, axis, outputs[0]);
}

// --- AdvancedIncSubtensor -----------------------------------------------------------------------

std::string AdvancedIncSubtensor::str() const {
  std::string text = std::string("AdvancedIncSubtensor{") + (set ? "set" : "inc");
  return text + (axis == 0 ? "}" : ",axis=" + std::to_string(axis) + "}");
}
std::vector<Type> AdvancedIncSubtensor::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 3, true);
  const Type& x = inputs[0].type();
  infer_values(*this, x, inputs[1].type(), infer_region(*this, x, inputs.subspan(2), axis));
  return {x};
}
std::vector<Var> AdvancedIncSubtensor::grad(const GradArgs& args) const {
  return scatter_grad(args, axis, set);
}
std::vector<std::vector<Var>> AdvancedIncSubtensor::infer_shape(const Apply& node) const {
  return {shape_list(node.inputs()[0])};
}
void AdvancedIncSubtensor::layout(std::span<const TensorView> inputs,
                                  std::span<Layout> outputs) const {
  own_layout(outputs[0], inputs[0].shape, inputs[0].ndim);
}
void AdvancedIncSubtensor::perform(PerformContext& context, std::span<const TensorView> inputs,
                                   std::span<const TensorView> outputs) const {
  scatter(context, inputs, axis, set, outputs[0]);
}
bool AdvancedIncSubtensor::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                                   std::span<const TensorView> outputs) const {
  return scatter_on_device(queue, inputs, axis, set, outputs[0]);
}

// --- building -----------------------------------------------------------------------------------

Var advanced_subtensor(const Var& x, std::vector<Var> indices, int axis) {
  std::vector<Var> inputs = {x};
  inputs.insert(inputs.end(), indices.begin(), indices.end());
  if (axis == 0 && indices.size() == 1 && indices[0].ndim() == 1) {
    return phintys::apply(make_ref<AdvancedSubtensor1>(), std::move(inputs));
  }
  auto op = make_ref<AdvancedSubtensor>();
  op->axis = axis;
  return phintys::apply(op, std::move(inputs));
}

Var advanced_inc_subtensor(const Var& x, const Var& y, std::vector<Var> indices, int axis,
                           bool set) {
  std::vector<Var> inputs = {x, cast(y, x.dtype())};
  inputs.insert(inputs.end(), indices.begin(), indices.end());
  if (axis == 0 && indices.size() == 1 && indices[0].ndim() == 1) {
    auto op = make_ref<AdvancedIncSubtensor1>();
    op->set = set;
    return phintys::apply(op, std::move(inputs));
  }
  auto op = make_ref<AdvancedIncSubtensor>();
  op->axis = axis;
  op->set = set;
  return phintys::apply(op, std::move(inputs));
}

}  // namespace phintys
