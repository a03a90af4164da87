// Loops that stay on the device.
#include "plugin.h"

namespace phintys::cuda {

const device::LoopKernels* loop_kernels() { return nullptr; }

}  // namespace phintys::cuda
