// Operands on a device that kernels want contiguous.
#pragma once

#include <span>

#include "array/array.h"
#include "device/queue.h"

namespace phintys {

// Copies of those operands that are not contiguous, one after another, and more scratch memory, in
// one block.
class DeviceOperands {
 public:
  DeviceOperands(device::Queue& queue, std::span<const TensorView> operands, size_t more = 0);
  // False if the device has no kernel that copies them.
  bool there() const { return there_; }
  // Operand i, contiguous.
  const void* operator[](size_t i) const { return at_[i]; }
  // The scratch memory.
  char* rest() const { return rest_; }

 private:
  static constexpr size_t kMost = 8;
  bool there_ = false;
  const void* at_[kMost] = {};
  char* rest_ = nullptr;
};

}  // namespace phintys
