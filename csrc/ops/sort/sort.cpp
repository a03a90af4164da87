#include "ops/sort/sort.h"

#include <cstring>

#include "ops/build.h"
#include "ops/indexing/along_axis.h"
#include "ops/op_util.h"
#include "ops/sort/device_sort.h"
#include "ops/sort/row_sort.h"
#include "ops/sort/rows.h"

namespace phintys {

namespace {

void check_axis(const Op& op, const Type& t, int64_t axis) {
  if (axis < 0 || axis >= t.ndim()) {
    fail(ErrorKind::value, op.name(), ": axis ", axis, " is out of range for ", t.str());
  }
}

// A view of memory that is not there yet: an output of the shape of x.
struct FutureOutput {
  Dims shape, strides;
  DType dtype;
  FutureOutput(const TensorView& x, DType d) : shape(x.shape, x.shape + x.ndim), dtype(d) {
    strides = contiguous_strides(shape, item_size(d));
  }
  TensorView view() const {
    return {nullptr, dtype, static_cast<int>(shape.size()), shape.data(), strides.data()};
  }
};

size_t sort_scratch(const TensorView& x, int64_t axis) {
  const FutureOutput out(x, x.dtype);
  const TensorView view = out.view();
  return RowWork(x, axis, &view, 1, sort_row_scratch(x.dtype, x.shape[axis])).scratch_bytes();
}

size_t argsort_scratch(const TensorView& x, int64_t axis) {
  const FutureOutput out(x, DType::i64);
  const TensorView view = out.view();
  return RowWork(x, axis, &view, 1, argsort_row_scratch(x.dtype, x.shape[axis])).scratch_bytes();
}

}  // namespace

Var argsort(const Var& x, int64_t axis) {
  auto op = make_ref<ArgSort>();
  op->axis = axis;
  return apply(op, {x});
}

// --- sort -------------------------------------------------------------------------------------

std::vector<Type> Sort::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 1);
  check_axis(*this, inputs[0].type(), axis);
  return {inputs[0].type()};
}

std::vector<Var> Sort::grad(const GradArgs& args) const {
  const Var& x = args.inputs[0];
  const Var& g = args.grads[0];
  if (!g) return {Var()};
  if (is_discrete(x.dtype())) return {zero_grad_for(x)};
  // The inverse of the permutation is what sorts it.
  return {take_along_axis(g, argsort(argsort(x, axis), axis), axis)};
}

std::vector<std::vector<Var>> Sort::infer_shape(const Apply& node) const {
  return {shape_list(node.inputs()[0])};
}

void Sort::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  own_layout(outputs[0], inputs[0].shape, inputs[0].ndim);
}

size_t Sort::scratch_bytes(std::span<const TensorView> inputs) const {
  return sort_scratch(inputs[0], axis);
}

void Sort::perform(PerformContext& context, std::span<const TensorView> inputs,
                   std::span<const TensorView> outputs) const {
  const TensorView& x = inputs[0];
  const DType dtype = x.dtype;
  const int64_t n = x.shape[axis];
  if (x.size() == 0) return;
  const RowWork work(x, axis, outputs.data(), 1, sort_row_scratch(dtype, n));
  char* const scratch = static_cast<char*>(context.scratch(work.scratch_bytes()));
  for_rows(work, scratch, [&](const char* row, char* const* out, char* slot) {
    sort_row(dtype, row, out[0], n, slot);
  });
}

// --- argsort ----------------------------------------------------------------------------------

std::vector<Type> ArgSort::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 1);
  check_axis(*this, inputs[0].type(), axis);
  return {inputs[0].type().with_dtype(DType::i64)};
}

std::vector<Var> ArgSort::grad(const GradArgs& args) const {
  return {args.grads[0] ? zero_grad_for(args.inputs[0]) : Var()};
}

std::vector<std::vector<Var>> ArgSort::infer_shape(const Apply& node) const {
  return {shape_list(node.inputs()[0])};
}

void ArgSort::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  own_layout(outputs[0], inputs[0].shape, inputs[0].ndim);
}

size_t ArgSort::scratch_bytes(std::span<const TensorView> inputs) const {
  return argsort_scratch(inputs[0], axis);
}

void ArgSort::perform(PerformContext& context, std::span<const TensorView> inputs,
                      std::span<const TensorView> outputs) const {
  const TensorView& x = inputs[0];
  const DType dtype = x.dtype;
  const int64_t n = x.shape[axis];
  if (x.size() == 0) return;
  const RowWork work(x, axis, outputs.data(), 1, argsort_row_scratch(dtype, n));
  char* const scratch = static_cast<char*>(context.scratch(work.scratch_bytes()));
  for_rows(work, scratch, [&](const char* row, char* const* out, char* slot) {
    argsort_row(dtype, row, reinterpret_cast<int64_t*>(out[0]), n, slot);
  });
}

// --- lexsort_rows -----------------------------------------------------------------------------

std::vector<Type> LexSortRows::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 1);
  const Type& t = inputs[0].type();
  if (t.ndim() != 2) fail(ErrorKind::type, kName, " takes a matrix, got ", t.str());
  return {Type::tensor(DType::i64, Dims{t.dim(0)})};
}

std::vector<Var> LexSortRows::grad(const GradArgs& args) const {
  return {args.grads[0] ? zero_grad_for(args.inputs[0]) : Var()};
}

std::vector<std::vector<Var>> LexSortRows::infer_shape(const Apply& node) const {
  return {{shape_i(node.inputs()[0], 0)}};
}

void LexSortRows::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  own_layout(outputs[0], inputs[0].shape, 1);
}

size_t LexSortRows::scratch_bytes(std::span<const TensorView> inputs) const {
  const size_t rows = static_cast<size_t>(inputs[0].shape[0]);
  const DType dtype = inputs[0].dtype;
  return rows * (item_size(dtype) + sizeof(int64_t)) + 64 +
         argsort_row_scratch(dtype, inputs[0].shape[0]);
}

void LexSortRows::perform(PerformContext& context, std::span<const TensorView> inputs,
                          std::span<const TensorView> outputs) const {
  const TensorView& x = inputs[0];
  const int64_t rows = x.shape[0];
  const size_t item = item_size(x.dtype);
  int64_t* const order = outputs[0].as<int64_t>();
  for (int64_t i = 0; i < rows; ++i) order[i] = i;
  if (rows == 0) return;
  // From the last column to the first, each time stably.
  char* const scratch = static_cast<char*>(context.scratch(scratch_bytes(inputs)));
  int64_t* const next = reinterpret_cast<int64_t*>(scratch);
  char* const column = scratch + static_cast<size_t>(rows) * sizeof(int64_t);
  char* const rest = column + (static_cast<size_t>(rows) * item + 63) / 64 * 64;
  for (int64_t c = x.shape[1] - 1; c >= 0; --c) {
    const char* const from = x.data + c * x.strides[1];
    for (int64_t i = 0; i < rows; ++i) {
      std::memcpy(column + static_cast<size_t>(i) * item, from + order[i] * x.strides[0], item);
    }
    argsort_row(x.dtype, column, next, rows, rest);
    for (int64_t i = 0; i < rows; ++i) next[i] = order[next[i]];
    std::memcpy(order, next, static_cast<size_t>(rows) * sizeof(int64_t));
  }
}

// --- On a device --------------------------------------------------------------------------------

bool enqueue_sort(device::Queue& queue, const TensorView& x, device::SortWork work) {
  if (!queue.table.order || !device::to_tensor_plain(x, &work.x)) return false;
  if (x.size() == 0) return true;
  const size_t bytes = queue.table.order->sort_scratch(queue.stream, work);
  if (bytes > 0) work.scratch = queue.scratch(bytes);
  return queue.check(queue.table.order->sort(queue.stream, work));
}

bool Sort::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                   std::span<const TensorView> outputs) const {
  device::SortWork work{};
  work.axis = static_cast<int32_t>(axis);
  work.count = inputs[0].shape[axis];
  work.values = outputs[0].data;
  work.by_value = work.sorted = true;
  return enqueue_sort(queue, inputs[0], work);
}

bool ArgSort::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                      std::span<const TensorView> outputs) const {
  device::SortWork work{};
  work.axis = static_cast<int32_t>(axis);
  work.count = inputs[0].shape[axis];
  work.indices = outputs[0].data;
  work.index_dtype = DType::i64;
  work.sorted = true;
  return enqueue_sort(queue, inputs[0], work);
}

bool LexSortRows::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                          std::span<const TensorView> outputs) const {
  device::LexSortWork work{};
  if (!queue.table.order || !device::to_tensor_plain(inputs[0], &work.x)) return false;
  work.order = outputs[0].as<int64_t>();
  const size_t bytes = queue.table.order->lex_sort_scratch(queue.stream, work);
  if (bytes > 0) work.scratch = queue.scratch(bytes);
  return queue.check(queue.table.order->lex_sort(queue.stream, work));
}

}  // namespace phintys
