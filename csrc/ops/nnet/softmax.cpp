#include "ops/nnet/softmax.h"

#include <cmath>

#include "device/rows.h"
#include "kernels/parallel.h"
#include "ops/build.h"
#include "ops/build_elementwise.h"
#include "ops/device_operands.h"
#include "ops/op_util.h"
#include "ops/row_kernels.h"

namespace phintys {

namespace {

template <class T>
T row_max(const T* x, int64_t n) {
  T top = x[0];
  for (int64_t i = 1; i < n; ++i) top = x[i] > top ? x[i] : top;
  return top;
}

template <class T>
void plain_softmax(const T* x, T* y, int64_t rows, int64_t cols) {
  for (int64_t r = 0; r < rows; ++r, x += cols, y += cols) {
    const T top = row_max(x, cols);
    T sum = 0;
    for (int64_t i = 0; i < cols; ++i) sum += y[i] = std::exp(x[i] - top);
    for (int64_t i = 0; i < cols; ++i) y[i] /= sum;
  }
}

template <class T>
void plain_log_softmax(const T* x, T* y, int64_t rows, int64_t cols) {
  for (int64_t r = 0; r < rows; ++r, x += cols, y += cols) {
    const T top = row_max(x, cols);
    T sum = 0;
    for (int64_t i = 0; i < cols; ++i) sum += std::exp(x[i] - top);
    const T log_sum = std::log(sum);
    for (int64_t i = 0; i < cols; ++i) y[i] = (x[i] - top) - log_sum;
  }
}

// float16 rows go through float32, a stretch of them at a time.
void half_rows(PerformContext& context, const TensorView& out, int64_t rows, int64_t cols,
               void (*kernel)(const float*, float*, int64_t, int64_t)) {
  float* row = static_cast<float*>(context.scratch(static_cast<size_t>(cols) * sizeof(float)));
  for (int64_t r = 0; r < rows; ++r) {
    Half* at = out.as<Half>() + r * cols;
    for (int64_t i = 0; i < cols; ++i) row[i] = half_to_float(at[i]);
    kernel(row, row, 1, cols);
    for (int64_t i = 0; i < cols; ++i) at[i] = float_to_half(row[i]);
  }
}

void run_rows(PerformContext& context, const TensorView& x, const TensorView& out,
              void (*f32)(const float*, float*, int64_t, int64_t),
              void (*f64)(const double*, double*, int64_t, int64_t)) {
  const int64_t cols = out.shape[out.ndim - 1];
  const int64_t size = out.size();
  if (size == 0) return;
  const int64_t rows = size / cols;
  const char* from = x.data;
  if (!x.contiguous() || out.dtype == DType::f16) {
    if (x.data != out.data) copy_parallel(out, x);
    from = out.data;
  }
  if (out.dtype == DType::f16) return half_rows(context, out, rows, cols, f32);
  const int64_t grain = std::max<int64_t>(1, 8192 / cols);
  parallel_ranges(rows, grain, [&](int64_t begin, int64_t end) {
    const int64_t at = begin * cols;
    if (out.dtype == DType::f32) {
      f32(reinterpret_cast<const float*>(from) + at, out.as<float>() + at, end - begin, cols);
    } else {
      f64(reinterpret_cast<const double*>(from) + at, out.as<double>() + at, end - begin, cols);
    }
  });
}

size_t rows_scratch(const TensorView& x) {
  return x.dtype == DType::f16 ? static_cast<size_t>(x.shape[x.ndim - 1]) * sizeof(float) : 0;
}

std::vector<Type> infer_rows(const Op& op, std::span<const Var> inputs) {
  check_inputs(op, inputs, 1);
  const Type& t = inputs[0].type();
  if (t.ndim() < 1 || !is_float(t.dtype())) {
    fail(ErrorKind::value, op.str(),
         ": x must be a tensor of floats with one dimension or more. Got ", t.str());
  }
  return {t};
}

}  // namespace

RowKernels& row_kernels() {
  static RowKernels kernels{plain_softmax<float>, plain_softmax<double>, plain_log_softmax<float>,
                            plain_log_softmax<double>};
  return kernels;
}

// --- Softmax ------------------------------------------------------------------------------------

std::vector<Type> Softmax::infer(std::span<const Var> inputs) const {
  return infer_rows(*this, inputs);
}
std::vector<Var> Softmax::grad(const GradArgs& args) const {
  const Var& g = args.grads[0];
  const Var& z = args.outputs[0];
  if (!g) return {Var()};
  return {(g - sum(g * z, {z.ndim() - 1}, true)) * z};
}
std::vector<std::vector<Var>> Softmax::infer_shape(const Apply& node) const {
  return {shape_list(node.inputs()[0])};
}
void Softmax::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  own_layout(outputs[0], inputs[0].shape, inputs[0].ndim);
}
void Softmax::perform(PerformContext& context, std::span<const TensorView> inputs,
                      std::span<const TensorView> outputs) const {
  const RowKernels& k = row_kernels();
  run_rows(context, inputs[0], outputs[0], k.softmax_f32, k.softmax_f64);
}

// --- LogSoftmax ---------------------------------------------------------------------------------

std::vector<Type> LogSoftmax::infer(std::span<const Var> inputs) const {
  return infer_rows(*this, inputs);
}
std::vector<Var> LogSoftmax::grad(const GradArgs& args) const {
  const Var& g = args.grads[0];
  const Var& z = args.outputs[0];
  if (!g) return {Var()};
  return {g - exp(z) * sum(g, {z.ndim() - 1}, true)};
}
std::vector<std::vector<Var>> LogSoftmax::infer_shape(const Apply& node) const {
  return {shape_list(node.inputs()[0])};
}
void LogSoftmax::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  own_layout(outputs[0], inputs[0].shape, inputs[0].ndim);
}
void LogSoftmax::perform(PerformContext& context, std::span<const TensorView> inputs,
                         std::span<const TensorView> outputs) const {
  const RowKernels& k = row_kernels();
  run_rows(context, inputs[0], outputs[0], k.log_softmax_f32, k.log_softmax_f64);
}

size_t Softmax::scratch_bytes(std::span<const TensorView> inputs) const {
  return rows_scratch(inputs[0]);
}

size_t LogSoftmax::scratch_bytes(std::span<const TensorView> inputs) const {
  return rows_scratch(inputs[0]);
}

// --- On a device --------------------------------------------------------------------------------

namespace {

bool enqueue_rows(device::Queue& queue, const TensorView& x, const TensorView& out, bool log) {
  if (!queue.table.rows) return false;
  if (out.size() == 0) return true;
  const DeviceOperands operands(queue, {&x, 1});
  if (!operands.there()) return false;
  const int64_t cols = out.shape[out.ndim - 1];
  const device::SoftmaxRows work{out.dtype, log,         out.size() / cols, cols,
                                 nullptr,   operands[0], out.data};
  return queue.check(queue.table.rows->softmax(queue.stream, work));
}

}  // namespace

bool Softmax::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                      std::span<const TensorView> outputs) const {
  return enqueue_rows(queue, inputs[0], outputs[0], false);
}

bool LogSoftmax::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                         std::span<const TensorView> outputs) const {
  return enqueue_rows(queue, inputs[0], outputs[0], true);
}

}  // namespace phintys
