#include "ops/nnet/softmax_grad.h"

#include "kernels/parallel.h"
#include "ops/nnet/norm_util.h"
#include "ops/nnet/softmax_kernels.h"

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

}  // namespace phintys
