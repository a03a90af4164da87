// Memory of a device that belongs to others: arrays of other libraries, pointers of callers.
#pragma once

#include "device/device.h"

namespace phintys::device {

struct Foreign {
  void* data = nullptr;
  DType dtype = DType::f64;
  Dims shape, strides;  // bytes
  // Called once, with `owner`, when no work that was queued uses the memory any more; may be null.
  void (*release)(void* owner) = nullptr;
  void* owner = nullptr;
};

// The array: on the very memory where its elements lie in C order and are aligned, else a copy, and
// the memory is released. Whoever wrote the elements must have finished, or be waited for (order).
// Releases the memory if it throws.
Array adopt(Device& device, Foreign foreign);
// Work queued on the device from now on waits until what the stream (a native handle) has queued so
// far is done.
void order_after(Device& device, void* native_stream);
// The array on `device` (null: the host): itself if it is there already, else a copy.
Array moved(const Array& array, Device* device);

}  // namespace phintys::device
