// Decompositions and linear systems.
#include "plugin.h"

namespace phintys::cuda {

const device::SolverKernels* solver_kernels() { return nullptr; }

}  // namespace phintys::cuda
