#include "ops/indexing/eye.h"

#include <cstring>

#include "graph/print.h"
#include "ops/build.h"
#include "ops/device_moves.h"
#include "ops/op_util.h"
#include "ops/subtensor.h"

namespace phintys {

// --- Eye ----------------------------------------------------------------------------------------

std::string Eye::str() const { return "Eye{dtype='" + std::string(dtype_name(dtype)) + "'}"; }

std::vector<Type> Eye::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 3);
  Dims shape;
  for (const Var& v : inputs) {
    check_int_scalar(*this, v, "a length or diagonal");
    int64_t known;
    if (shape.size() == 2) continue;
    if (!constant_int_value(v.get(), &known)) known = kUnknownDim;
    if (known < kUnknownDim) {
      fail(ErrorKind::value, str(), ": length ", known, " is negative");
    }
    shape.push_back(known);
  }
  return {Type::tensor(dtype, std::move(shape))};
}

std::vector<Var> Eye::grad(const GradArgs& args) const {
  if (!args.grads[0]) return {Var(), Var(), Var()};
  return {undefined_grad(*this, 0, to_string(*args.inputs[0])),
          undefined_grad(*this, 1, to_string(*args.inputs[1])),
          undefined_grad(*this, 2, to_string(*args.inputs[2]))};
}

std::vector<std::vector<Var>> Eye::infer_shape(const Apply& node) const {
  return {{cast(node.inputs()[0], DType::i64), cast(node.inputs()[1], DType::i64)}};
}

void Eye::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  Dims shape;
  for (size_t i = 0; i < 2; ++i) {
    const int64_t n = load_int(inputs[i].data, inputs[i].dtype);
    if (n < 0) fail(ErrorKind::value, str(), ": length ", n, " is negative");
    shape.push_back(n);
  }
  int64_t size;
  if (!checked_product(shape, &size)) {
    fail(ErrorKind::memory, str(), ": an array of shape ", to_string(shape), " is too large");
  }
  own_layout(outputs[0], shape.data(), 2);
}

void Eye::perform(PerformContext&, std::span<const TensorView> inputs,
                  std::span<const TensorView> outputs) const {
  const TensorView& out = outputs[0];
  const int64_t rows = out.shape[0], columns = out.shape[1];
  const size_t item = item_size(dtype);
  std::memset(out.data, 0, static_cast<size_t>(rows * columns) * item);
  const int64_t k = load_int(inputs[2].data, inputs[2].dtype);
  if (k <= -rows || k >= columns) return;
  for (int64_t i = std::max<int64_t>(0, -k); i < rows && i + k < columns; ++i) {
    store_int(out.data + i * out.strides[0] + (i + k) * out.strides[1], dtype, 1);
  }
}
bool Eye::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                  std::span<const TensorView> outputs) const {
  device::Tensor to, k;
  if (!index_kernels(queue)) return false;
  device::to_tensor_plain(outputs[0], &to);
  device::to_tensor_plain(inputs[2], &k);
  return queue.check(index_kernels(queue)->eye(queue.stream, to, k));
}

// --- SumToLike ----------------------------------------------------------------------------------

std::vector<Type> SumToLike::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 2);
  if (inputs[0].ndim() != inputs[1].ndim()) {
    fail(ErrorKind::type, str(), ": operands of ", inputs[0].ndim(), " and ", inputs[1].ndim(),
         " dimensions");
  }
  return {inputs[0].type().with_shape(inputs[1].type().shape())};
}

std::vector<Var> SumToLike::grad(const GradArgs& args) const {
  const Var& x = args.inputs[0];
  if (!args.grads[0]) return {Var(), Var()};
  return {cast(alloc(args.grads[0], shape_list(x)), grad_dtype(*x)), Var()};
}

std::vector<std::vector<Var>> SumToLike::infer_shape(const Apply& node) const {
  return {shape_list(node.inputs()[1])};
}

void SumToLike::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  const TensorView& x = inputs[0];
  const TensorView& model = inputs[1];
  bool same = true;
  for (int i = 0; i < x.ndim; ++i) {
    same = same && x.shape[i] == model.shape[i];
    if (x.shape[i] == model.shape[i] || model.shape[i] == 1) continue;
    fail(ErrorKind::value, str(), ": shape ", shape_text(x), " is no stretched ",
         shape_text(model));
  }
  if (same) {
    same_layout(outputs[0], x);
  } else {
    own_layout(outputs[0], model.shape, model.ndim);
  }
}

void SumToLike::perform(PerformContext&, std::span<const TensorView> inputs,
                        std::span<const TensorView> outputs) const {
  const TensorView& out = outputs[0];
  std::memset(out.data, 0, static_cast<size_t>(out.size()) * item_size(out.dtype));
  add_elements(broadcast_view(out, inputs[0].shape, out.ndim).view(), inputs[0]);
}
bool SumToLike::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                        std::span<const TensorView> outputs) const {
  device::Tensor to, from;
  if (!index_kernels(queue) || !device::to_tensor_plain(outputs[0], &to) ||
      !device::to_tensor_plain(inputs[0], &from)) {
    return false;
  }
  void* scratch = queue.scratch(index_kernels(queue)->sum_scratch(to, from));
  return queue.check(index_kernels(queue)->sum(queue.stream, to, from, scratch));
}

Var sum_to_like(const Var& g, const Var& model) {
  const Var reduced = unbroadcast_to(g, model);
  for (int i = 0; i < model.ndim(); ++i) {
    if (model.type().dim(i) == kUnknownDim && reduced.type().dim(i) != 1) {
      return phintys::apply(make_ref<SumToLike>(), {reduced, model});
    }
  }
  return reduced;
}

}  // namespace phintys
