// Strided copies, gather, scatter.
#include "plugin.h"

namespace phintys::cuda {

const device::IndexKernels* index_kernels() { return nullptr; }

}  // namespace phintys::cuda
