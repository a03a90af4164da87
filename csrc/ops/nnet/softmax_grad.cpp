#include "ops/nnet/softmax_grad.h"

#include "device/rows.h"
#include "kernels/parallel.h"
#include "ops/advanced_subtensor.h"
#include "ops/device_operands.h"
#include "ops/nnet/norm_util.h"
#include "ops/nnet/softmax_kernels.h"
#include "ops/shape_ops.h"

namespace phintys {

std::vector<Type> SoftmaxGrad::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 2);
  check_norm_operands(*this, inputs);
  const Type &g = inputs[0].type(), &z = inputs[1].type();
  if (g.ndim() < 1 || g.ndim() != z.ndim()) {
    fail(ErrorKind::value, str(), ": operands must have one rank, 1 or more, got ", g.str(),
         " and ", z.str());
  }
  Dims shape;
  for (int i = 0; i < g.ndim(); ++i) shape.push_back(merge_known(*this, g.dim(i), z.dim(i), i));
  return {g.with_shape(std::move(shape))};
}

std::vector<Var> SoftmaxGrad::grad(const GradArgs& args) const {
  const Var& v = args.grads[0];
  if (!v) return {Var(), Var()};
  const Var &g = args.inputs[0], &z = args.inputs[1];
  const std::vector<int64_t> last = {g.ndim() - 1};
  if (log) {
    const Var p = exp(z);
    return {v - sum(v * p, last, true), neg(v * p * sum(g, last, true))};
  }
  const Var inner = sum(v * z, last, true);
  return {(v - inner) * z, v * (g - sum(g * z, last, true)) - g * inner};
}

std::vector<std::vector<Var>> SoftmaxGrad::infer_shape(const Apply& node) const {
  return {shape_list(node.inputs()[0])};
}

void SoftmaxGrad::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  const TensorView &g = inputs[0], &z = inputs[1];
  for (int i = 0; i < g.ndim; ++i) {
    if (g.shape[i] == z.shape[i]) continue;
    fail(ErrorKind::value, str(), ": operands of shapes ", shape_text(g), " and ", shape_text(z),
         " do not fit");
  }
  own_layout(outputs[0], g.shape, g.ndim);
}

size_t SoftmaxGrad::scratch_bytes(std::span<const TensorView> inputs) const {
  return ContiguousOperands::bytes(inputs);
}

void SoftmaxGrad::perform(PerformContext& context, std::span<const TensorView> inputs,
                          std::span<const TensorView> outputs) const {
  const TensorView& out = outputs[0];
  if (out.size() == 0) return;
  ContiguousOperands contiguous(static_cast<char*>(context.scratch(scratch_bytes(inputs))));
  SoftmaxGradWork work;
  work.dtype = out.dtype;
  work.log = log;
  work.cols = out.shape[out.ndim - 1];
  work.g = contiguous(inputs[0]);
  work.z = contiguous(inputs[1]);
  work.out = out.data;
  const int64_t grain = std::max<int64_t>(1, 16384 / work.cols);
  auto* const kernel = PHINTYS_ISA_CALL(softmax_grad_rows);
  parallel_ranges(out.size() / work.cols, grain,
                  [&](int64_t begin, int64_t end) { kernel(work, begin, end); });
}

// --- CrossentropySoftmaxGrad --------------------------------------------------------------------

std::vector<Type> CrossentropySoftmaxGrad::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 3);
  check_norm_operands(*this, inputs.first(2));
  const Type& y = inputs[2].type();
  if (inputs[0].ndim() != 1 || inputs[1].ndim() != 2 || y.ndim() != 1 || !is_int(y.dtype())) {
    fail(ErrorKind::type, str(), ": a vector, a matrix and an integer vector are needed, got ",
         inputs[0].type().str(), ", ", inputs[1].type().str(), " and ", y.str());
  }
  return {inputs[1].type()};
}

std::vector<Var> CrossentropySoftmaxGrad::grad(const GradArgs& args) const {
  const Var &v = args.inputs[0], &z = args.inputs[1], &y = args.inputs[2], &g = args.grads[0];
  if (!g) return std::vector<Var>(3);
  auto range = make_ref<ARange>();
  const Var rows = apply(range, {constant_int(0), shape_i(y, 0), constant_int(1)});
  const Var p = log ? exp(z) : z;
  const Var each = advanced_subtensor(g, {rows, y}) - advanced_subtensor(sum(g * p, {1}), {rows});
  const Var zeros = alloc(constant(0, z.dtype()), {shape_i(z, 0)});
  const Var full = dimshuffle(advanced_inc_subtensor(zeros, v, {rows}), {0, -1});
  return {unbroadcast_to(each, v), log ? neg(full * g * p) : neg(full * g), Var()};
}

std::vector<std::vector<Var>> CrossentropySoftmaxGrad::infer_shape(const Apply& node) const {
  return {shape_list(node.inputs()[1])};
}

void CrossentropySoftmaxGrad::layout(std::span<const TensorView> inputs,
                                     std::span<Layout> outputs) const {
  const TensorView &v = inputs[0], &z = inputs[1], &y = inputs[2];
  if (v.shape[0] != y.shape[0] && v.shape[0] != 1) {
    fail(ErrorKind::value, str(), ": ", v.shape[0], " values for ", y.shape[0], " rows");
  }
  if (y.shape[0] > z.shape[0]) {
    fail(ErrorKind::index, str(), ": index ", z.shape[0], " is out of bounds for axis 0 with size ",
         z.shape[0], ": there are ", y.shape[0], " indices");
  }
  own_layout(outputs[0], z.shape, 2);
}

void CrossentropySoftmaxGrad::perform(PerformContext& context, std::span<const TensorView> inputs,
                                      std::span<const TensorView> outputs) const {
  const TensorView &v = inputs[0], &y = inputs[2], &out = outputs[0];
  ContiguousOperands contiguous(
      static_cast<char*>(context.scratch(ContiguousOperands::bytes_of(inputs[1]))));
  SoftmaxGradWork work;
  work.dtype = out.dtype;
  work.log = log;
  work.cols = out.shape[1];
  work.z = contiguous(inputs[1]);
  work.out = out.data;
  const int64_t known = y.shape[0];
  auto* const kernel = PHINTYS_ISA_CALL(crossentropy_softmax_grad_row);
  const int64_t grain = std::max<int64_t>(1, 16384 / std::max<int64_t>(1, work.cols));
  parallel_ranges(work.cols > 0 ? out.shape[0] : known, grain, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      if (r >= known) {
        kernel(work, r, -1, 0);
        continue;
      }
      int64_t at = load_int(y.data + r * y.strides[0], y.dtype);
      if (at < -work.cols || at >= work.cols) {
        fail(ErrorKind::index, "index ", at, " is out of bounds for axis 1 with size ", work.cols);
      }
      if (at < 0) at += work.cols;
      const int64_t from = v.shape[0] == 1 ? 0 : r * v.strides[0];
      kernel(work, r, at, element_as_double({v.data + from, v.dtype, 0, nullptr, nullptr}));
    }
  });
}

// --- On a device --------------------------------------------------------------------------------

bool SoftmaxGrad::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                          std::span<const TensorView> outputs) const {
  const TensorView& out = outputs[0];
  if (!queue.table.rows) return false;
  if (out.size() == 0) return true;
  const DeviceOperands operands(queue, inputs);
  if (!operands.there()) return false;
  const int64_t cols = out.shape[out.ndim - 1];
  const device::SoftmaxRows work{out.dtype,   log,         out.size() / cols, cols,
                                 operands[0], operands[1], out.data};
  return queue.check(queue.table.rows->softmax_grad(queue.stream, work));
}

bool CrossentropySoftmaxGrad::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                                      std::span<const TensorView> outputs) const {
  const TensorView &v = inputs[0], &y = inputs[2], &out = outputs[0];
  if (!queue.table.rows) return false;
  const DeviceOperands operands(queue, inputs.subspan(1, 1));
  if (!operands.there()) return false;
  device::CrossentropyRows work{};
  work.dtype = out.dtype;
  work.log = log;
  work.rows = out.shape[0];
  work.cols = out.shape[1];
  work.known = y.shape[0];
  work.z = operands[0];
  work.out = out.data;
  device::to_tensor_plain(v, &work.v);
  device::to_tensor_plain(y, &work.y);
  if (v.shape[0] == 1) work.v.strides[0] = 0;
  work.failed = queue.failed;
  return queue.check(queue.table.rows->crossentropy_softmax_grad(queue.stream, work));
}

}  // namespace phintys
