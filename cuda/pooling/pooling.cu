// Pooling, forward and backward.
#include "plugin.h"

namespace phintys::cuda {

const device::PoolKernels* pool_kernels() { return nullptr; }

}  // namespace phintys::cuda
