#include "ops/indexing/diagonal.h"

#include "ops/build.h"
#include "ops/build_elementwise.h"
#include "ops/device_moves.h"
#include "ops/indexing/eye.h"
#include "ops/op_util.h"

namespace phintys {

namespace {

void check_axes(const char* name, int64_t offset, int64_t axis1, int64_t axis2) {
  if (axis1 < 0 || axis2 < 0 || axis1 == axis2 || axis1 >= kMaxRank || axis2 >= kMaxRank) {
    fail(ErrorKind::value, name, ": axes ", axis1, " and ", axis2, " have no diagonal");
  }
  if (offset == INT64_MIN) fail(ErrorKind::value, name, ": offset ", offset, " is out of range");
}

void check_operand(const Op& op, const Type& x, int64_t axis1, int64_t axis2) {
  if (axis1 < x.ndim() && axis2 < x.ndim()) return;
  fail(ErrorKind::value, op.str(), ": axes ", axis1, " and ", axis2, " are out of range for ",
       x.str());
}

// The length of diagonal `offset` of n1 rows and n2 columns.
int64_t diagonal_length(int64_t n1, int64_t n2, int64_t offset) {
  const int64_t rows = offset < 0 ? (-offset < n1 ? n1 + offset : 0) : n1;
  const int64_t columns = offset > 0 ? (offset < n2 ? n2 - offset : 0) : n2;
  return std::min(rows, columns);
}

Dims infer_diagonal(const Type& x, int64_t offset, int64_t axis1, int64_t axis2) {
  Dims shape;
  for (int i = 0; i < x.ndim(); ++i) {
    if (i != axis1 && i != axis2) shape.push_back(x.dim(i));
  }
  const int64_t n1 = x.dim(static_cast<int>(axis1)), n2 = x.dim(static_cast<int>(axis2));
  shape.push_back(n1 < 0 || n2 < 0 ? kUnknownDim : diagonal_length(n1, n2, offset));
  return shape;
}

// Shape and strides of the diagonal; returns the offset of its first element.
int64_t diagonal_view(const TensorView& x, int64_t offset, int64_t axis1, int64_t axis2,
                      Dims* shape, Dims* strides) {
  shape->clear();
  strides->clear();
  for (int i = 0; i < x.ndim; ++i) {
    if (i == axis1 || i == axis2) continue;
    shape->push_back(x.shape[i]);
    strides->push_back(x.strides[i]);
  }
  const int64_t n = diagonal_length(x.shape[axis1], x.shape[axis2], offset);
  shape->push_back(n);
  strides->push_back(x.strides[axis1] + x.strides[axis2]);
  if (n == 0) return 0;
  return offset < 0 ? -offset * x.strides[axis1] : offset * x.strides[axis2];
}

template <class D>
Ref<D> same_diagonal(int64_t offset, int64_t axis1, int64_t axis2) {
  auto op = make_ref<D>();
  op->offset = offset;
  op->axis1 = axis1;
  op->axis2 = axis2;
  return op;
}

}  // namespace

// --- Diagonal -----------------------------------------------------------------------------------

void Diagonal::check_attributes() const { check_axes(kName, offset, axis1, axis2); }

std::vector<Type> Diagonal::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 1);
  check_attributes();
  const Type& x = inputs[0].type();
  check_operand(*this, x, axis1, axis2);
  return {x.with_shape(infer_diagonal(x, offset, axis1, axis2))};
}

std::vector<Var> Diagonal::grad(const GradArgs& args) const {
  const Var& x = args.inputs[0];
  const Var& g = args.grads[0];
  if (!g) return {Var()};
  const DType to = grad_dtype(*x);
  const Var zeros = alloc(constant(0.0, to), shape_list(x));
  return {phintys::apply(same_diagonal<SetDiagonal>(offset, axis1, axis2), {zeros, cast(g, to)})};
}

std::vector<std::vector<Var>> Diagonal::infer_shape(const Apply& node) const {
  const Var& x = node.inputs()[0];
  std::vector<Var> dims;
  for (int i = 0; i < x.ndim(); ++i) {
    if (i != axis1 && i != axis2) dims.push_back(shape_i(x, i));
  }
  const int64_t known = node.output()->type().dim(x.ndim() - 2);
  if (known >= 0) {
    dims.push_back(constant_int(known));
    return {dims};
  }
  Var rows = shape_i(x, static_cast<int>(axis1)), columns = shape_i(x, static_cast<int>(axis2));
  if (offset < 0) rows = maximum(rows + constant_int(offset), constant_int(0));
  if (offset > 0) columns = maximum(columns - constant_int(offset), constant_int(0));
  dims.push_back(minimum(rows, columns));
  return {dims};
}

void Diagonal::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  Layout& out = outputs[0];
  out.alias = 0;
  out.offset = diagonal_view(inputs[0], offset, axis1, axis2, &out.shape, &out.strides);
}

// --- SetDiagonal --------------------------------------------------------------------------------

void SetDiagonal::check_attributes() const { check_axes(kName, offset, axis1, axis2); }

std::vector<Type> SetDiagonal::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 2);
  check_attributes();
  const Type& x = inputs[0].type();
  const Type& y = inputs[1].type();
  check_operand(*this, x, axis1, axis2);
  if (y.dtype() != x.dtype()) {
    fail(ErrorKind::type, str(), ": the new values are ", dtype_name(y.dtype()), ", the array is ",
         dtype_name(x.dtype()));
  }
  const Dims part = infer_diagonal(x, offset, axis1, axis2);
  const int extra = static_cast<int>(part.size()) - y.ndim();
  if (extra < 0) {
    fail(ErrorKind::value, str(), ": values of ", y.ndim(), " dimensions for a diagonal of ",
         part.size());
  }
  for (int i = 0; i < y.ndim(); ++i) {
    if (y.dim(i) != 1) merge_known(*this, part[static_cast<size_t>(i + extra)], y.dim(i), i);
  }
  return {x};
}

std::vector<Var> SetDiagonal::grad(const GradArgs& args) const {
  const Var& g = args.grads[0];
  const Var& x = args.inputs[0];
  const Var& y = args.inputs[1];
  if (!g) return {Var(), Var()};
  if (is_discrete(x.dtype())) return {zero_grad_for(x), zero_grad_for(y)};
  const Var part = phintys::apply(same_diagonal<Diagonal>(offset, axis1, axis2), {g});
  return {phintys::apply(Ref<const Op>(this), {g, constant(0.0, g.dtype())}),
          cast(sum_to_like(part, y), grad_dtype(*y))};
}

std::vector<std::vector<Var>> SetDiagonal::infer_shape(const Apply& node) const {
  return {shape_list(node.inputs()[0])};
}

void SetDiagonal::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  const TensorView& x = inputs[0];
  Dims shape, strides;
  diagonal_view(x, offset, axis1, axis2, &shape, &strides);
  if (!broadcasts_to(inputs[1], shape.data(), static_cast<int>(shape.size()))) {
    fail(ErrorKind::value, str(), ": values of shape ", shape_text(inputs[1]),
         " do not fit the diagonal of shape ", to_string(shape), " of an array of shape ",
         shape_text(x));
  }
  own_layout(outputs[0], x.shape, x.ndim);
}

void SetDiagonal::perform(PerformContext&, std::span<const TensorView> inputs,
                          std::span<const TensorView> outputs) const {
  const TensorView& out = outputs[0];
  if (out.data != inputs[0].data) copy_parallel(out, inputs[0]);
  OwnedView part;
  part.data = out.data + diagonal_view(out, offset, axis1, axis2, &part.shape, &part.strides);
  part.dtype = out.dtype;
  const int ndim = static_cast<int>(part.shape.size());
  copy_elements(part.view(), broadcast_view(inputs[1], part.shape.data(), ndim).view());
}
bool SetDiagonal::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                          std::span<const TensorView> outputs) const {
  const TensorView& out = outputs[0];
  OwnedView part;
  part.data = out.data + diagonal_view(out, offset, axis1, axis2, &part.shape, &part.strides);
  part.dtype = out.dtype;
  if (out.ndim > device::kMaxRank) return false;
  if (out.data != inputs[0].data && !queue_copy(queue, out, inputs[0])) return false;
  const int ndim = static_cast<int>(part.shape.size());
  return queue_copy(queue, part.view(), broadcast_view(inputs[1], part.shape.data(), ndim).view());
}

}  // namespace phintys
