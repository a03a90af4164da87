#include "device/queue.h"

#include "base/error.h"

namespace phintys::device {

bool Queue::check(Status status) const {
  if (status == kOk) return true;
  if (status == kUnsupported) return false;
  fail(status == kOutOfMemory ? ErrorKind::memory : ErrorKind::runtime, table.kind, ":", device,
       ": ", table.error_text(status));
}

bool to_tensor_plain(const TensorView& view, Tensor* tensor) {
  if (view.ndim > kMaxRank) return false;
  *tensor = {view.data, view.dtype, view.ndim, {}, {}};
  for (int d = 0; d < view.ndim; ++d) {
    tensor->shape[d] = view.shape[d];
    tensor->strides[d] = view.strides[d];
  }
  return true;
}

bool to_tensor(const TensorView& view, Tensor* tensor) {
  *tensor = {view.data, view.dtype, 0, {}, {}};
  int& n = tensor->ndim;
  for (int d = 0; d < view.ndim; ++d) {
    if (view.shape[d] == 1) continue;
    if (n > 0 && tensor->strides[n - 1] == view.strides[d] * view.shape[d]) {
      tensor->shape[n - 1] *= view.shape[d];
      tensor->strides[n - 1] = view.strides[d];
      continue;
    }
    if (n == kMaxRank) return false;
    tensor->shape[n] = view.shape[d];
    tensor->strides[n++] = view.strides[d];
  }
  return true;
}

}  // namespace phintys::device
