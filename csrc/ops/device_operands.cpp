#include "ops/device_operands.h"

#include "base/error.h"
#include "device/rows.h"

namespace phintys {

namespace {

size_t copy_bytes(const TensorView& v) {
  if (v.contiguous()) return 0;
  return (static_cast<size_t>(v.size()) * item_size(v.dtype) + 255) / 256 * 256;
}

}  // namespace

DeviceOperands::DeviceOperands(device::Queue& queue, std::span<const TensorView> operands,
                               size_t more) {
  PHINTYS_CHECK(operands.size() <= kMost);
  size_t bytes = 0;
  device::Tensor tensors[kMost];
  for (size_t i = 0; i < operands.size(); ++i) {
    at_[i] = operands[i].data;
    if (copy_bytes(operands[i]) == 0) continue;
    bytes += copy_bytes(operands[i]);
    if (!queue.table.rows || !device::to_tensor(operands[i], &tensors[i])) return;
  }
  there_ = true;
  if (bytes + more == 0) return;
  rest_ = static_cast<char*>(queue.scratch(bytes + more));
  for (size_t i = 0; i < operands.size(); ++i) {
    if (copy_bytes(operands[i]) == 0) continue;
    at_[i] = rest_;
    there_ = there_ && queue.check(queue.table.rows->pack(queue.stream, tensors[i], rest_));
    rest_ += copy_bytes(operands[i]);
  }
}

}  // namespace phintys
