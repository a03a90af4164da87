// Regions of elementwise steps and reductions.
#include "plugin.h"

namespace phintys::cuda {

const device::FusedKernels* fused_kernels() { return nullptr; }

}  // namespace phintys::cuda
