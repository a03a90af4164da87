#include <cstring>

#include "device/rows.h"
#include "kernels/parallel.h"
#include "ops/device_operands.h"
#include "ops/nnet/norm.h"
#include "ops/nnet/norm_kernels.h"
#include "ops/nnet/norm_util.h"

namespace phintys {

namespace {

// Elements that a chunk has at least, and the most chunks of a gradient: each has sums of its own.
constexpr int64_t kChunk = 16384;
constexpr int64_t kMostChunks = 16;

int64_t rows_of(const TensorView& x) {
  int64_t n = 1;
  for (int i = 0; i + 1 < x.ndim; ++i) n *= x.shape[i];
  return n;
}

// True iff y should be stored past the caches: it would not stay there, and the lines that it goes
// to need not be read first.
bool past_caches(const TensorView& y) {
  constexpr int64_t kLine = 64, kLarge = int64_t{16} << 20;
  const int64_t row = y.shape[y.ndim - 1] * static_cast<int64_t>(item_size(y.dtype));
  return rows_of(y) * row >= kLarge && row % kLine == 0 &&
         reinterpret_cast<uintptr_t>(y.data) % kLine == 0;
}

void check_rows(const Op& op, std::span<const Var> inputs) {
  check_norm_operands(op, inputs);
  if (inputs[0].ndim() < 1) {
    fail(ErrorKind::value, op.str(), ": x must have one dimension or more, got ",
         inputs[0].type().str());
  }
}
void check_vector(const Op& op, const Var& x, const Var& v) {
  if (v.ndim() != 1) {
    fail(ErrorKind::value, op.str(), ": gamma and beta must be vectors, got ", v.type().str());
  }
  merge_known(op, x.type().dim(x.ndim() - 1), v.type().dim(0), x.ndim() - 1);
}
void check_length(const Op& op, const TensorView& x, const TensorView& v) {
  if (v.shape[0] != x.shape[x.ndim - 1]) {
    fail(ErrorKind::value, op.str(), ": gamma and beta of length ", v.shape[0],
         " do not fit rows of x of shape ", shape_text(x));
  }
}

Type without_last(const Type& t) {
  Dims shape = t.shape();
  shape.pop_back();
  return t.with_shape(std::move(shape));
}
Var with_last(const Var& v) {
  std::vector<int64_t> order;
  for (int64_t i = 0; i < v.ndim(); ++i) order.push_back(i);
  order.push_back(-1);
  return dimshuffle(v, std::move(order));
}
// gamma or beta against x.
Var as_row(const Var& v, int ndim) { return pad_left(v, ndim); }
Var sum_of_rows(const Var& v) {
  std::vector<int64_t> axes;
  for (int64_t i = 0; i + 1 < v.ndim(); ++i) axes.push_back(i);
  return axes.empty() ? v : sum(v, axes);
}

int64_t gradient_chunks(int64_t rows, int64_t cols) {
  const int64_t wanted = rows * std::max<int64_t>(1, cols) / kChunk;
  // Each chunk's vectors should cost little beside its rows.
  return std::clamp<int64_t>(wanted, 1, std::clamp<int64_t>(rows / 8, 1, kMostChunks));
}
size_t partial_bytes(const TensorView& x) {
  const int64_t cols = x.shape[x.ndim - 1];
  const int64_t chunks = gradient_chunks(std::max<int64_t>(1, rows_of(x)), cols);
  return static_cast<size_t>(chunks * 2 * cols) * item_size(x.dtype);
}

// The sum of the chunks' vectors, in their order.
template <class T>
void join_partials(const T* parts, int64_t chunks, int64_t cols, T* ggamma, T* gbeta) {
  parallel_ranges(cols, 4096, [&](int64_t begin, int64_t end) {
    for (int64_t which = 0; which < 2; ++which) {
      T* const to = which ? gbeta : ggamma;
      for (int64_t i = begin; i < end; ++i) to[i] = parts[which * cols + i];
      for (int64_t c = 1; c < chunks; ++c) {
        const T* const from = parts + (2 * c + which) * cols;
        for (int64_t i = begin; i < end; ++i) to[i] += from[i];
      }
    }
  });
}

}  // namespace

// --- LayerNorm ----------------------------------------------------------------------------------

std::vector<Type> LayerNorm::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, inputs.size() == 1 ? 1 : 3);
  check_rows(*this, inputs);
  for (const Var& v : inputs.subspan(1)) check_vector(*this, inputs[0], v);
  const Type& t = inputs[0].type();
  return {t, without_last(t), without_last(t)};
}

std::vector<Var> LayerNorm::grad(const GradArgs& args) const {
  const Var& x = args.inputs[0];
  const Var &mean = args.outputs[1], &inv_std = args.outputs[2];
  std::vector<Var> grads(args.inputs.size());
  if (args.grads[0]) {
    std::vector<Var> operands = {x, args.grads[0], mean, inv_std};
    if (args.inputs.size() == 3) operands.push_back(args.inputs[1]);
    grads = apply_multi(make_ref<LayerNormGrad>(), operands);
  }
  if (args.grads[1] || args.grads[2]) {
    const Normalized n(x, with_last(mean), with_last(inv_std), {x.ndim() - 1});
    if (args.grads[1]) grads[0] = plus(grads[0], n.from_mean(with_last(args.grads[1])));
    if (args.grads[2]) grads[0] = plus(grads[0], n.from_inv_std(with_last(args.grads[2])));
  }
  return grads;
}

std::vector<std::vector<Var>> LayerNorm::infer_shape(const Apply& node) const {
  const std::vector<Var> shape = shape_list(node.inputs()[0]);
  const std::vector<Var> rows(shape.begin(), shape.end() - 1);
  return {shape, rows, rows};
}

void LayerNorm::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  const TensorView& x = inputs[0];
  for (const TensorView& v : inputs.subspan(1)) check_length(*this, x, v);
  own_layout(outputs[0], x.shape, x.ndim);
  own_layout(outputs[1], x.shape, x.ndim - 1);
  own_layout(outputs[2], x.shape, x.ndim - 1);
}

size_t LayerNorm::scratch_bytes(std::span<const TensorView> inputs) const {
  return ContiguousOperands::bytes(inputs);
}

void LayerNorm::perform(PerformContext& context, std::span<const TensorView> inputs,
                        std::span<const TensorView> outputs) const {
  ContiguousOperands contiguous(static_cast<char*>(context.scratch(scratch_bytes(inputs))));
  LayerNormWork work;
  work.dtype = outputs[0].dtype;
  work.cols = outputs[0].shape[outputs[0].ndim - 1];
  work.eps = eps;
  work.x = contiguous(inputs[0]);
  if (inputs.size() == 3) {
    work.gamma = contiguous(inputs[1]);
    work.beta = contiguous(inputs[2]);
  }
  work.y = outputs[0].data;
  work.past_caches = past_caches(outputs[0]);
  work.mean = outputs[1].data;
  work.inv_std = outputs[2].data;
  const int64_t grain = std::max<int64_t>(1, kChunk / std::max<int64_t>(1, work.cols));
  auto* const kernel = PHINTYS_ISA_CALL(layer_norm_rows);
  parallel_ranges(rows_of(outputs[0]), grain,
                  [&](int64_t begin, int64_t end) { kernel(work, begin, end); });
}

// --- LayerNormGrad ------------------------------------------------------------------------------

std::vector<Type> LayerNormGrad::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, inputs.size() == 4 ? 4 : 5);
  check_rows(*this, inputs);
  const Var& x = inputs[0];
  if (inputs[1].ndim() != x.ndim() || inputs[2].ndim() != x.ndim() - 1 ||
      inputs[3].ndim() != x.ndim() - 1) {
    fail(ErrorKind::value, str(), ": the operands' ranks do not fit x of ", x.type().str());
  }
  if (inputs.size() == 4) return {x.type()};
  check_vector(*this, x, inputs[4]);
  const Type row = x.type().with_shape({x.type().dim(x.ndim() - 1)});
  return {x.type(), row, row};
}

std::vector<Var> LayerNormGrad::grad(const GradArgs& args) const {
  const Var &x = args.inputs[0], &gy = args.inputs[1];
  const bool scaled = args.inputs.size() == 5;
  const Normalized n(x, with_last(args.inputs[2]), with_last(args.inputs[3]), {x.ndim() - 1});
  const Var gamma = scaled ? as_row(args.inputs[4], x.ndim()) : Var();
  std::vector<Var> grads(args.inputs.size());
  if (const Var& v = args.grads[0]) {
    const Var h = scaled ? gy * gamma : gy;
    const Var back = n.back(v);
    grads[0] = n.back_of_back(v, h);
    grads[1] = scaled ? back * gamma : back;
    if (scaled) grads[4] = sum_of_rows(back * gy);
  }
  if (!scaled) return grads;
  if (const Var& v = args.grads[1]) {
    const Var row = as_row(v, x.ndim());
    grads[0] = plus(grads[0], n.back(row * gy));
    grads[1] = plus(grads[1], row * n.z());
  }
  if (const Var& v = args.grads[2]) {
    grads[1] = plus(grads[1], as_row(v, x.ndim()) + zeros_like(gy));
  }
  return grads;
}

std::vector<std::vector<Var>> LayerNormGrad::infer_shape(const Apply& node) const {
  const std::vector<Var> shape = shape_list(node.inputs()[0]);
  if (node.nin() == 4) return {shape};
  return {shape, {shape.back()}, {shape.back()}};
}

void LayerNormGrad::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  const TensorView& x = inputs[0];
  bool fits = true;
  for (int i = 0; i < x.ndim; ++i) fits &= inputs[1].shape[i] == x.shape[i];
  for (int i = 0; i + 1 < x.ndim; ++i) {
    fits &= inputs[2].shape[i] == x.shape[i] && inputs[3].shape[i] == x.shape[i];
  }
  if (!fits) {
    fail(ErrorKind::value, str(), ": operands of shapes ", shape_text(inputs[1]), ", ",
         shape_text(inputs[2]), " and ", shape_text(inputs[3]), " do not fit x of shape ",
         shape_text(x));
  }
  own_layout(outputs[0], x.shape, x.ndim);
  if (inputs.size() == 4) return;
  check_length(*this, x, inputs[4]);
  own_layout(outputs[1], x.shape + x.ndim - 1, 1);
  own_layout(outputs[2], x.shape + x.ndim - 1, 1);
}

size_t LayerNormGrad::scratch_bytes(std::span<const TensorView> inputs) const {
  return ContiguousOperands::bytes(inputs) + (inputs.size() == 5 ? partial_bytes(inputs[0]) : 0);
}

void LayerNormGrad::perform(PerformContext& context, std::span<const TensorView> inputs,
                            std::span<const TensorView> outputs) const {
  ContiguousOperands contiguous(static_cast<char*>(context.scratch(scratch_bytes(inputs))));
  const bool scaled = inputs.size() == 5;
  LayerNormWork work;
  work.dtype = outputs[0].dtype;
  work.cols = outputs[0].shape[outputs[0].ndim - 1];
  work.x = contiguous(inputs[0]);
  work.gy = contiguous(inputs[1]);
  work.mean = contiguous(inputs[2]);
  work.inv_std = contiguous(inputs[3]);
  if (scaled) work.gamma = contiguous(inputs[4]);
  work.gx = outputs[0].data;
  char* const parts = contiguous.rest();
  const int64_t rows = rows_of(outputs[0]);
  const int64_t chunks = rows ? gradient_chunks(rows, work.cols) : 1;
  const int64_t bytes = work.cols * static_cast<int64_t>(item_size(work.dtype));
  auto* const kernel = PHINTYS_ISA_CALL(layer_norm_grad_rows);
  parallel_for(chunks, [&](int64_t c) {
    char* const part = parts + 2 * c * bytes;
    if (scaled) std::memset(part, 0, static_cast<size_t>(2 * bytes));
    kernel(work, rows * c / chunks, rows * (c + 1) / chunks, part, part + bytes);
  });
  if (!scaled) return;
  if (work.dtype == DType::f32) {
    join_partials(reinterpret_cast<const float*>(parts), chunks, work.cols, outputs[1].as<float>(),
                  outputs[2].as<float>());
  } else {
    join_partials(reinterpret_cast<const double*>(parts), chunks, work.cols,
                  outputs[1].as<double>(), outputs[2].as<double>());
  }
}

// --- On a device --------------------------------------------------------------------------------

bool LayerNorm::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                        std::span<const TensorView> outputs) const {
  const TensorView& y = outputs[0];
  if (!queue.table.rows) return false;
  const DeviceOperands operands(queue, inputs);
  if (!operands.there()) return false;
  const device::LayerNormRows work{y.dtype,         rows_of(y),     y.shape[y.ndim - 1], eps,
                                   operands[0],     operands[1],    operands[2],         y.data,
                                   outputs[1].data, outputs[2].data};
  return queue.check(queue.table.rows->layer_norm(queue.stream, work));
}

bool LayerNormGrad::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                            std::span<const TensorView> outputs) const {
  const TensorView& gx = outputs[0];
  if (!queue.table.rows) return false;
  const bool scaled = inputs.size() == 5;
  device::LayerNormGradRows work{};
  work.dtype = gx.dtype;
  work.rows = rows_of(gx);
  work.cols = gx.shape[gx.ndim - 1];
  work.gamma = scaled ? inputs[4].data : nullptr;
  const DeviceOperands operands(queue, inputs, queue.table.rows->layer_norm_grad_scratch(work));
  if (!operands.there()) return false;
  work.x = operands[0];
  work.gy = operands[1];
  work.mean = operands[2];
  work.inv_std = operands[3];
  work.gx = gx.data;
  if (scaled) {
    work.gamma = operands[4];
    work.ggamma = outputs[1].data;
    work.gbeta = outputs[2].data;
  }
  work.scratch = operands.rest();
  return queue.check(queue.table.rows->layer_norm_grad(queue.stream, work));
}

}  // namespace phintys
