// Convolution, forward and backward.
#include "plugin.h"

namespace phintys::cuda {

const device::ConvKernels* conv_kernels() { return nullptr; }

}  // namespace phintys::cuda
