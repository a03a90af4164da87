// Random numbers.
#include "plugin.h"

namespace phintys::cuda {

const device::RandomKernels* random_kernels() { return nullptr; }

}  // namespace phintys::cuda
