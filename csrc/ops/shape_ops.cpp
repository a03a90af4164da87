#include "ops/shape_ops.h"

#include <cmath>
#include <cstring>

#include "kernels/parallel.h"
#include "ops/build.h"
#include "ops/build_elementwise.h"
#include "ops/device_moves.h"
#include "ops/indexing/eye.h"
#include "ops/op_util.h"
#include "ops/subtensor.h"

namespace phintys {

// --- ShapeI -------------------------------------------------------------------------------------

std::vector<Type> ShapeI::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 1);
  if (axis < 0 || axis >= inputs[0].ndim()) {
    fail(ErrorKind::value, "there is no axis ", axis, " in ", inputs[0].type().str());
  }
  return {Type::scalar(DType::i64)};
}

void ShapeI::layout(std::span<const TensorView>, std::span<Layout> outputs) const {
  own_layout(outputs[0], nullptr, 0);
}

void ShapeI::perform(PerformContext&, std::span<const TensorView> inputs,
                     std::span<const TensorView> outputs) const {
  *outputs[0].as<int64_t>() = inputs[0].shape[axis];
}
bool ShapeI::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                     std::span<const TensorView> outputs) const {
  const int64_t length = inputs[0].shape[axis];
  if (!index_kernels(queue)) return false;
  void* constant = queue.upload_constant(&length, sizeof length);
  return queue_copy(queue, outputs[0],
                    {static_cast<char*>(constant), DType::i64, 0, nullptr, nullptr});
}

// --- MakeVector ---------------------------------------------------------------------------------

std::string MakeVector::str() const {
  return "MakeVector{dtype='" + std::string(dtype_name(dtype)) + "'}";
}

std::vector<Type> MakeVector::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 0, true);
  for (const Var& v : inputs) {
    if (v.ndim() != 0 || v.dtype() != dtype) {
      fail(ErrorKind::type, str(), " takes scalars of dtype ", dtype_name(dtype), ", got ",
           v.type().str());
    }
  }
  return {Type::tensor(dtype, Dims{static_cast<int64_t>(inputs.size())})};
}

std::vector<Var> MakeVector::grad(const GradArgs& args) const {
  std::vector<Var> result(args.inputs.size());
  if (!args.grads[0]) return result;
  for (size_t i = 0; i < result.size(); ++i) {
    result[i] = is_discrete(dtype) ? zero_grad_for(args.inputs[i])
                                   : index_scalar(args.grads[0], static_cast<int64_t>(i));
  }
  return result;
}

std::vector<std::vector<Var>> MakeVector::infer_shape(const Apply& node) const {
  return {{constant_int(node.nin())}};
}

void MakeVector::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  const int64_t n = static_cast<int64_t>(inputs.size());
  own_layout(outputs[0], &n, 1);
}

void MakeVector::perform(PerformContext&, std::span<const TensorView> inputs,
                         std::span<const TensorView> outputs) const {
  const size_t item = item_size(dtype);
  for (size_t i = 0; i < inputs.size(); ++i) {
    std::memcpy(outputs[0].data + i * item, inputs[i].data, item);
  }
}
bool MakeVector::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                         std::span<const TensorView> outputs) const {
  device::Tensor to;
  if (!index_kernels(queue)) return false;
  device::to_tensor_plain(outputs[0], &to);
  std::vector<const void*> items;
  for (const TensorView& v : inputs) items.push_back(v.data);
  return queue.check(index_kernels(queue)->collect(queue.stream, to, items.data()));
}

// --- SpecifyShape -------------------------------------------------------------------------------

void SpecifyShape::check_attributes() const {
  check_rank(*this, static_cast<int64_t>(dims.size()));
  for (int64_t d : dims) {
    if (d < -1) fail(ErrorKind::value, "specify_shape: ", d, " is not a length");
  }
}

std::string SpecifyShape::str() const {
  std::string text = rebroadcast ? "Rebroadcast{" : "SpecifyShape{";
  for (size_t i = 0; i < dims.size(); ++i) {
    text += (i ? "," : "") + (dims[i] < 0 ? std::string("?") : std::to_string(dims[i]));
  }
  return text + "}";
}

std::vector<Type> SpecifyShape::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 1);
  const Type& t = inputs[0].type();
  if (static_cast<size_t>(t.ndim()) != dims.size()) {
    fail(ErrorKind::value, str(), ": ", dims.size(), " lengths for ", t.str());
  }
  Dims shape(dims.begin(), dims.end());
  for (int i = 0; i < t.ndim(); ++i) {
    if (dims[static_cast<size_t>(i)] >= 0) {
      merge_known(*this, t.dim(i), dims[static_cast<size_t>(i)], i);
    }
  }
  return {t.with_shape(std::move(shape))};
}

std::vector<Var> SpecifyShape::grad(const GradArgs& args) const {
  const Var& x = args.inputs[0];
  if (!args.grads[0]) return {Var()};
  return {cast(specify_shape(args.grads[0], x.type().shape()), grad_dtype(*x))};
}

std::vector<std::vector<Var>> SpecifyShape::infer_shape(const Apply& node) const {
  std::vector<Var> result;
  for (size_t i = 0; i < dims.size(); ++i) {
    result.push_back(dims[i] >= 0 ? constant_int(dims[i])
                                  : shape_i(node.inputs()[0], static_cast<int>(i)));
  }
  return {result};
}

void SpecifyShape::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  const TensorView& x = inputs[0];
  for (int i = 0; i < x.ndim; ++i) {
    const int64_t d = dims[static_cast<size_t>(i)];
    if (d < 0 || d == x.shape[i]) continue;
    if (rebroadcast) {
      fail(ErrorKind::value, "Dimension ", i, " in Rebroadcast's input was supposed to be ", d,
           " (got ", x.shape[i], " instead)");
    }
    fail(ErrorKind::assertion, "SpecifyShape: got shape ", shape_text(x), ", expected ", d,
         " on axis ", i);
  }
  same_layout(outputs[0], x);
}

// --- Alloc --------------------------------------------------------------------------------------

std::vector<Type> Alloc::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 1, true);
  const Type& value = inputs[0].type();
  const int ndim = static_cast<int>(inputs.size()) - 1;
  check_rank(*this, ndim);
  if (value.ndim() > ndim) {
    fail(ErrorKind::type, "alloc: the value has ", value.ndim(), " dimensions, the new shape only ",
         ndim);
  }
  Dims shape;
  for (int i = 0; i < ndim; ++i) {
    const Var& d = inputs[static_cast<size_t>(i) + 1];
    check_int_scalar(*this, d, "a length");
    int64_t length = kUnknownDim;
    if (constant_int_value(d.get(), &length) && length < 0) {
      fail(ErrorKind::value, "alloc: length ", length, " of axis ", i, " is negative");
    }
    const int of_value = i - (ndim - value.ndim());
    if (of_value >= 0 && value.dim(of_value) > 1) {
      length = merge_known(*this, length, value.dim(of_value), i);
    }
    shape.push_back(length);
  }
  return {value.with_shape(std::move(shape))};
}

std::vector<Var> Alloc::grad(const GradArgs& args) const {
  std::vector<Var> result(args.inputs.size());
  const Var& value = args.inputs[0];
  if (args.grads[0]) {
    result[0] = cast(sum_to_like(args.grads[0], value), grad_dtype(*value));
  }
  return result;
}

std::vector<std::vector<Var>> Alloc::infer_shape(const Apply& node) const {
  std::vector<Var> dims;
  const Type& t = node.output()->type();
  for (int i = 1; i < node.nin(); ++i) {
    const int64_t d = t.dim(i - 1);
    dims.push_back(d >= 0 ? constant_int(d)
                          : cast(node.inputs()[static_cast<size_t>(i)], DType::i64));
  }
  return {dims};
}

void Alloc::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  Dims shape;
  for (size_t i = 1; i < inputs.size(); ++i) {
    const int64_t d = load_int(inputs[i].data, inputs[i].dtype);
    if (d < 0) fail(ErrorKind::value, "alloc: length ", d, " of axis ", i - 1, " is negative");
    shape.push_back(d);
  }
  int64_t size;
  if (!checked_product(shape, &size)) {
    fail(ErrorKind::memory, "alloc: an array of shape ", to_string(shape), " is too large");
  }
  if (!broadcasts_to(inputs[0], shape.data(), static_cast<int>(shape.size()))) {
    fail(ErrorKind::value, "alloc: a value of shape ", shape_text(inputs[0]),
         " cannot be broadcast to shape ", to_string(shape));
  }
  own_layout(outputs[0], shape.data(), static_cast<int>(shape.size()));
}

void Alloc::perform(PerformContext&, std::span<const TensorView> inputs,
                    std::span<const TensorView> outputs) const {
  const TensorView& out = outputs[0];
  copy_parallel(out, broadcast_view(inputs[0], out.shape, out.ndim).view());
}
bool Alloc::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                    std::span<const TensorView> outputs) const {
  const TensorView& out = outputs[0];
  return queue_copy(queue, out, broadcast_view(inputs[0], out.shape, out.ndim).view());
}

// --- ARange -------------------------------------------------------------------------------------

namespace {

// ceil((stop - start) / step) without overflow.
int64_t int_steps(int64_t start, int64_t stop, int64_t step) {
  const bool up = step > 0;
  if (up ? start >= stop : start <= stop) return 0;
  const uint64_t span = up ? static_cast<uint64_t>(stop) - static_cast<uint64_t>(start)
                           : static_cast<uint64_t>(start) - static_cast<uint64_t>(stop);
  const uint64_t stride =
      up ? static_cast<uint64_t>(step) : uint64_t{0} - static_cast<uint64_t>(step);
  return static_cast<int64_t>((span - 1) / stride + 1);
}

}  // namespace

std::string ARange::str() const { return "ARange{dtype='" + std::string(dtype_name(dtype)) + "'}"; }

std::vector<Type> ARange::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 3);
  if (is_complex(dtype) || is_bool(dtype)) {
    fail(ErrorKind::type, "arange of dtype ", dtype_name(dtype), " is not supported");
  }
  for (const Var& v : inputs) {
    if (v.ndim() != 0 || is_complex(v.dtype())) {
      fail(ErrorKind::type, "arange takes real scalars, got ", v.type().str());
    }
  }
  int64_t start, stop, step, n = kUnknownDim;
  const bool discrete = is_discrete(inputs[0].dtype()) && is_discrete(inputs[1].dtype()) &&
                        is_discrete(inputs[2].dtype());
  if (constant_int_value(inputs[2].get(), &step) && step == 0) {
    fail(ErrorKind::value, "arange: the step is zero");
  }
  if (discrete && constant_int_value(inputs[0].get(), &start) &&
      constant_int_value(inputs[1].get(), &stop) && constant_int_value(inputs[2].get(), &step)) {
    n = int_steps(start, stop, step);
  }
  return {Type::tensor(dtype, Dims{n})};
}

std::vector<Var> ARange::grad(const GradArgs& args) const {
  const Var& g = args.grads[0];
  if (!g) return {Var(), Var(), Var()};
  if (is_discrete(dtype))
    return {zero_grad_for(args.inputs[0]), Var(), zero_grad_for(args.inputs[2])};
  auto op = make_ref<ARange>();
  op->dtype = dtype;
  const Var count = phintys::apply(op, {constant_int(0), shape_i(g, 0), constant_int(1)});
  return {cast(sum_all(g), grad_dtype(*args.inputs[0])), Var(),
          cast(sum_all(g * count), grad_dtype(*args.inputs[2]))};
}

std::vector<std::vector<Var>> ARange::infer_shape(const Apply& node) const {
  const int64_t known = node.output()->type().dim(0);
  if (known >= 0) return {{constant_int(known)}};
  const Var& start = node.inputs()[0];
  const Var& stop = node.inputs()[1];
  const Var& step = node.inputs()[2];
  const Var zero = constant_int(0);
  double unit, from;
  const bool by_one = uniform_constant(step.get(), &unit) && unit == 1.0;
  const bool from_zero = uniform_constant(start.get(), &from) && from == 0.0;
  const bool discrete =
      is_discrete(start.dtype()) && is_discrete(stop.dtype()) && is_discrete(step.dtype());
  if (discrete) {
    const Var a = cast(start, DType::i64), b = cast(stop, DType::i64), s = cast(step, DType::i64);
    if (by_one && from_zero && never_negative(stop.get())) return {{b}};
    const Var span = from_zero ? b : b - a;
    if (by_one) return {{maximum(span, zero)}};
    return {{maximum(-int_div(-span, s), zero)}};
  }
  const Var a = cast(start, DType::f64), b = cast(stop, DType::f64), s = cast(step, DType::f64);
  const Var steps = -floor((a - b) / s);
  return {{cast(maximum(steps, constant(0.0, DType::f64)), DType::i64)}};
}

void ARange::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  bool discrete = true;
  for (const TensorView& v : inputs) discrete = discrete && is_discrete(v.dtype);
  int64_t n;
  if (discrete) {
    const int64_t step = element_as_int(inputs[2]);
    if (step == 0) fail(ErrorKind::value, "arange: the step is zero");
    n = int_steps(element_as_int(inputs[0]), element_as_int(inputs[1]), step);
  } else {
    const double start = element_as_double(inputs[0]), stop = element_as_double(inputs[1]);
    const double step = element_as_double(inputs[2]);
    if (step == 0) fail(ErrorKind::value, "arange: the step is zero");
    const double steps = std::ceil((stop - start) / step);
    if (!(steps < 9e15)) {
      fail(ErrorKind::value, "arange: Maximum allowed size exceeded (from ", start, " to ", stop,
           " by ", step, ")");
    }
    n = steps > 0 ? static_cast<int64_t>(steps) : 0;
  }
  own_layout(outputs[0], &n, 1);
}

void ARange::perform(PerformContext&, std::span<const TensorView> inputs,
                     std::span<const TensorView> outputs) const {
  const TensorView& out = outputs[0];
  const int64_t n = out.shape[0];
  const int64_t item = static_cast<int64_t>(item_size(dtype));
  if (is_discrete(dtype)) {
    const uint64_t start = static_cast<uint64_t>(element_as_int(inputs[0]));
    const uint64_t step = static_cast<uint64_t>(element_as_int(inputs[2]));
    if (dtype == DType::i64) {
      int64_t* p = out.as<int64_t>();
      for (int64_t i = 0; i < n; ++i) {
        p[i] = static_cast<int64_t>(start + static_cast<uint64_t>(i) * step);
      }
      return;
    }
    for (int64_t i = 0; i < n; ++i) {
      store_int(out.data + i * item, dtype,
                static_cast<int64_t>(start + static_cast<uint64_t>(i) * step));
    }
    return;
  }
  const double start = element_as_double(inputs[0]), step = element_as_double(inputs[2]);
  for (int64_t i = 0; i < n; ++i) {
    store_double(out.data + i * item, dtype, start + static_cast<double>(i) * step);
  }
}
bool ARange::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                     std::span<const TensorView> outputs) const {
  device::Tensor to, start, step;
  if (!index_kernels(queue)) return false;
  device::to_tensor_plain(outputs[0], &to);
  device::to_tensor_plain(inputs[0], &start);
  device::to_tensor_plain(inputs[2], &step);
  return queue.check(index_kernels(queue)->arange(queue.stream, to, start, step));
}

}  // namespace phintys
