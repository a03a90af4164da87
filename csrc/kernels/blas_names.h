// Names and the integer type of the BLAS and LAPACK library in use. The build sets the prefix and
// suffix: the private OpenBLAS has symbols of its own (phintys_cblas_dgemm64_, phintys_dpotrf_64_,
// phintys_LAPACKE_dpotrf64_) so that another OpenBLAS in the process can never stand in for it;
// a system BLAS has plain names and 32-bit integers.
#pragma once

#include <cstdint>

#ifdef PHINTYS_BLAS_SYSTEM
#define PHINTYS_CBLAS(name) cblas_##name
#define PHINTYS_LAPACK(name) name##_
#define PHINTYS_LAPACKE(name) LAPACKE_##name
#else
#ifdef PHINTYS_BLAS_PRIVATE
#define PHINTYS_BLAS_NAME(name) phintys_##name##64_
#define PHINTYS_LAPACK(name) phintys_##name##_64_
#else
// The names in the scipy-openblas64 wheel as it comes.
#define PHINTYS_BLAS_NAME(name) scipy_##name##64_
#define PHINTYS_LAPACK(name) scipy_##name##_64_
#endif
#define PHINTYS_CBLAS(name) PHINTYS_BLAS_NAME(cblas_##name)
#define PHINTYS_LAPACKE(name) PHINTYS_BLAS_NAME(LAPACKE_##name)
#endif

namespace phintys {

#ifdef PHINTYS_BLAS_SYSTEM
using blas_int = std::int32_t;
#else
using blas_int = std::int64_t;
#endif

}  // namespace phintys
