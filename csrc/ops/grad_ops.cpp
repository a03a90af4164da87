#include "ops/grad_ops.h"

#include "graph/print.h"
#include "ops/build.h"
#include "ops/device_moves.h"
#include "ops/op_util.h"

namespace phintys {

template <class D>
std::vector<Type> ViewOp<D>::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 1);
  return {inputs[0].type()};
}
template <class D>
std::vector<std::vector<Var>> ViewOp<D>::infer_shape(const Apply& node) const {
  return {shape_list(node.inputs()[0])};
}
template <class D>
void ViewOp<D>::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  same_layout(outputs[0], inputs[0]);
}

template class ViewOp<DisconnectedGrad>;
template class ViewOp<ZeroGrad>;
template class ViewOp<UndefinedGrad>;
template class ViewOp<ConsiderConstant>;
template class ViewOp<GradClip>;
template class ViewOp<GradScale>;
template class ViewOp<Transfer>;

std::vector<Var> ZeroGrad::grad(const GradArgs& args) const {
  return {zero_grad_for(args.inputs[0])};
}
std::vector<Var> UndefinedGrad::grad(const GradArgs& args) const {
  if (!args.grads[0]) return {Var()};
  return {undefined_grad(*this, 0, to_string(*args.inputs[0]), "It was declared undefined.")};
}
std::vector<Var> ConsiderConstant::grad(const GradArgs& args) const {
  return {zero_grad_for(args.inputs[0])};
}

std::vector<Var> GradClip::grad(const GradArgs& args) const {
  const Var& g = args.grads[0];
  if (!g) return {Var()};
  return {elemwise("clip", {g, constant(low, g.dtype()), constant(high, g.dtype())})};
}

// Gradients are wanted where x was: on the host, as far as the graph says.
std::vector<Var> Transfer::grad(const GradArgs& args) const {
  const Var& g = args.grads[0];
  return {g ? apply(make_ref<Transfer>(), {g}) : Var()};
}

std::vector<Var> GradScale::grad(const GradArgs& args) const {
  const Var& g = args.grads[0];
  return {g ? g * factor : Var()};
}

// --- DeepCopy -----------------------------------------------------------------------------------

std::vector<Type> DeepCopy::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 1);
  return {inputs[0].type()};
}
std::vector<Var> DeepCopy::grad(const GradArgs& args) const { return {args.grads[0]}; }
std::vector<std::vector<Var>> DeepCopy::infer_shape(const Apply& node) const {
  return {shape_list(node.inputs()[0])};
}
void DeepCopy::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  own_layout(outputs[0], inputs[0].shape, inputs[0].ndim);
}
void DeepCopy::perform(PerformContext&, std::span<const TensorView> inputs,
                       std::span<const TensorView> outputs) const {
  copy_parallel(outputs[0], inputs[0]);
}
bool DeepCopy::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                       std::span<const TensorView> outputs) const {
  return queue_copy(queue, outputs[0], inputs[0]);
}

// --- Assert -------------------------------------------------------------------------------------

std::vector<Type> Assert::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 1, true);
  return {inputs[0].type()};
}
std::vector<Var> Assert::grad(const GradArgs& args) const {
  std::vector<Var> result(args.inputs.size());
  result[0] = args.grads[0];
  return result;
}
std::vector<std::vector<Var>> Assert::infer_shape(const Apply& node) const {
  return {shape_list(node.inputs()[0])};
}
void Assert::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  own_layout(outputs[0], inputs[0].shape, inputs[0].ndim);
}

bool all_hold(std::span<const TensorView> conditions) {
  bool hold = true;
  for (const TensorView& condition : conditions) {
    const size_t item = item_size(condition.dtype);
    for_each_row<1>(condition.ndim, condition.shape, {condition.data}, {condition.strides},
                    [&](const auto& p, int64_t n, const auto& step) {
                      for (int64_t i = 0; i < n && hold; ++i) {
                        char* at = p[0] + i * step[0];
                        const DType part = real_of(condition.dtype);
                        bool nonzero = element_as_double({at, part, 0, nullptr, nullptr}) != 0;
                        if (is_complex(condition.dtype))
                          nonzero |=
                              element_as_double({at + item / 2, part, 0, nullptr, nullptr}) != 0;
                        hold = nonzero;
                      }
                    });
  }
  return hold;
}

void Assert::perform(PerformContext&, std::span<const TensorView> inputs,
                     std::span<const TensorView> outputs) const {
  if (!all_hold(inputs.subspan(1))) {
    fail(value_error ? ErrorKind::value : ErrorKind::assertion, message);
  }
  if (outputs[0].data != inputs[0].data) copy_parallel(outputs[0], inputs[0]);
}
bool Assert::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                     std::span<const TensorView> outputs) const {
  return queue_checked_copy(queue, inputs.subspan(1), inputs[0], outputs[0]);
}

}  // namespace phintys
