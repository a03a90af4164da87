// cuSOLVER, where it is installed: eigenvalues and singular values of matrices that are large for
// Jacobi's methods. It does part of its work on the processor, so that nothing of it can be
// recorded: while work is recorded, what needs it is unsupported.
#pragma once

#include "solvers/solvers.h"

namespace phintys::cuda::solvers::cusolver {

// Always false in the emulated plug-in.
bool installed();

// Bytes of scratch, or 0 if it cannot be done now.
size_t hermitian_scratch(Stream* stream, const device::HermitianWork& work);
Status hermitian(Stream* stream, const device::HermitianWork& work);
size_t singular_scratch(Stream* stream, const device::SingularWork& work);
Status singular(Stream* stream, const device::SingularWork& work);

}  // namespace phintys::cuda::solvers::cusolver
