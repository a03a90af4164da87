#include "ops/linalg/device_util.h"

#include "ops/op_util.h"

namespace phintys::linalg {

bool DeviceWork::possible(std::initializer_list<const TensorView*> views) const {
  if (!solvers || !indexing) return false;
  for (const TensorView* v : views) {
    device::Tensor tensor;
    if (!device::to_tensor(*v, &tensor)) return false;
  }
  return true;
}

void DeviceWork::copy(void* to, const TensorView& from) const {
  const size_t item = item_size(from.dtype);
  const int64_t size = from.size();
  if (size == 0) return;
  if (from.contiguous()) {
    check(queue.table.copy(queue.stream, to, from.data, static_cast<size_t>(size) * item, nullptr));
    return;
  }
  Dims strides(static_cast<size_t>(from.ndim));
  contiguous_strides(from.shape, from.ndim, item, strides.data());
  device::Tensor source, target;
  device::to_tensor(from, &source);
  device::to_tensor({static_cast<char*>(to), from.dtype, from.ndim, from.shape, strides.data()},
                    &target);
  check(indexing->copy(queue.stream, target, source, nullptr));
}

void DeviceWork::copy_columns(void* to, const TensorView& from) const {
  OwnedView flipped(from);
  const auto last = static_cast<size_t>(from.ndim) - 1;
  std::swap(flipped.shape[last], flipped.shape[last - 1]);
  std::swap(flipped.strides[last], flipped.strides[last - 1]);
  copy(to, flipped.view());
}

bool DeviceWork::needs_room(const TensorView& v) {
  const auto item = static_cast<int64_t>(item_size(v.dtype));
  const Stack stack(v, 2);
  int64_t step;
  return !stack.uniform(&step) || step % item != 0 || stack.row_stride() % item != 0 ||
         stack.col_stride() % item != 0;
}

device::Matrices DeviceWork::stack(const TensorView& v, void* room) const {
  const auto item = static_cast<int64_t>(item_size(v.dtype));
  const Stack stack(v, 2);
  if (needs_room(v)) {
    copy(room, v);
    return row_major(room, stack.rows(), stack.cols());
  }
  int64_t step = 0;
  stack.uniform(&step);
  return {v.data, stack.row_stride() / item, stack.col_stride() / item, step / item};
}

}  // namespace phintys::linalg
