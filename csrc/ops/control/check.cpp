#include "ops/control/check.h"

#include <algorithm>

#include <atomic>

#include "ops/build.h"
#include "ops/device_moves.h"
#include "ops/grad_ops.h"
#include "ops/op_util.h"

namespace phintys {

namespace {

std::atomic<RaiseHook> g_hook{nullptr};

constexpr ErrorKind kKinds[] = {
    ErrorKind::value,    ErrorKind::type,   ErrorKind::index,         ErrorKind::key,
    ErrorKind::runtime,  ErrorKind::memory, ErrorKind::assertion,     ErrorKind::io,
    ErrorKind::overflow, ErrorKind::linalg, ErrorKind::zero_division, ErrorKind::not_implemented};

const ErrorKind* find_kind(const std::string& name) {
  for (const ErrorKind& kind : kKinds) {
    if (name == to_string(kind)) return &kind;
  }
  return nullptr;
}

}  // namespace

void set_raise_hook(RaiseHook hook) { g_hook = hook; }

void CheckAndRaise::check_attributes() const {
  if (!find_kind(kind)) fail(ErrorKind::value, "check_and_raise: no kind of error \"", kind, "\"");
}

std::string CheckAndRaise::str() const {
  std::string name = exception.empty() ? kind : exception.substr(exception.find(':') + 1);
  return "CheckAndRaise{" + name + "(" + message + ")}";
}

std::vector<Type> CheckAndRaise::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 1, true);
  return {inputs[0].type()};
}

std::vector<Var> CheckAndRaise::grad(const GradArgs& args) const {
  std::vector<Var> result(args.inputs.size());
  result[0] = args.grads[0];
  return result;
}

std::vector<std::vector<Var>> CheckAndRaise::infer_shape(const Apply& node) const {
  return {shape_list(node.inputs()[0])};
}

void CheckAndRaise::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  own_layout(outputs[0], inputs[0].shape, inputs[0].ndim);
}

void CheckAndRaise::perform(PerformContext&, std::span<const TensorView> inputs,
                            std::span<const TensorView> outputs) const {
  if (!all_hold(inputs.subspan(1))) {
    const RaiseHook hook = g_hook;
    if (hook && !exception.empty()) hook(exception, message);
    fail(*find_kind(kind), message);
  }
  if (outputs[0].data != inputs[0].data) copy_parallel(outputs[0], inputs[0]);
}
bool CheckAndRaise::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                            std::span<const TensorView> outputs) const {
  return queue_checked_copy(queue, inputs.subspan(1), inputs[0], outputs[0]);
}

void EnoughSteps::check_attributes() const {
  if (index >= 0 || rows < INT32_MIN || rows > INT32_MAX)
    fail(ErrorKind::value, "enough_steps: row ", index, " of ", rows, " and more");
}

std::string EnoughSteps::str() const {
  return "EnoughSteps{" + std::to_string(-index - rows) + "}";
}

std::vector<Type> EnoughSteps::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 2);
  check_int_scalar(*this, inputs[1], "the number of steps");
  return {inputs[0].type()};
}

std::vector<Var> EnoughSteps::grad(const GradArgs& args) const { return {args.grads[0], Var()}; }

std::vector<std::vector<Var>> EnoughSteps::infer_shape(const Apply& node) const {
  return {shape_list(node.inputs()[0])};
}

void EnoughSteps::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  const int64_t steps = element_as_int(inputs[1]);
  if (steps < -index - rows) {
    fail(ErrorKind::index, "index ", index, " is out of bounds for axis 0 with size ",
         std::max<int64_t>(steps + rows, 0), ": ", loop, " ran for ", steps, " steps");
  }
  same_layout(outputs[0], inputs[0]);
}

}  // namespace phintys
