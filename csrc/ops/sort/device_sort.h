// Sorting on a device.
#pragma once

#include "array/array.h"
#include "device/order.h"
#include "device/queue.h"

namespace phintys {

// Fills in x and the scratch memory, and queues the work; false if the device cannot do it.
bool enqueue_sort(device::Queue& queue, const TensorView& x, device::SortWork work);

}  // namespace phintys
