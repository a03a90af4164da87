// The queue of a call's context: scratch memory and tables of its kernels.
#pragma once

#include <memory>

#include "device/queue.h"

namespace phintys::device {
class Device;
}

namespace phintys::runtime {

class DeviceContext;

std::unique_ptr<device::Queue> make_queue(DeviceContext& context, device::Device& device,
                                          int* failed);

}  // namespace phintys::runtime
