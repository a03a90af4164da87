// Products of matrices and vectors.
#include "plugin.h"

namespace phintys::cuda {

const device::ProductKernels* product_kernels() { return nullptr; }

}  // namespace phintys::cuda
