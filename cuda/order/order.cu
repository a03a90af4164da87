// Sorting, cumulative sums, unique values.
#include "plugin.h"

namespace phintys::cuda {

const device::OrderKernels* order_kernels() { return nullptr; }

}  // namespace phintys::cuda
