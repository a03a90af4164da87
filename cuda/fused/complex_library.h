// Functions of complex numbers for rare arguments, as ops/math/complex_library.h on the host.
#pragma once

#include <thrust/complex.h>

namespace phintys::math {

using ComplexDouble = thrust::complex<double>;
using ComplexFn = ComplexDouble (*)(ComplexDouble);

__device__ __forceinline__ void call_by_lane(ComplexFn f, int, const bool*, const double* x,
                                             const double* y, double* re, double* im) {
  const ComplexDouble r = f(ComplexDouble(x[0], y[0]));
  re[0] = r.real();
  im[0] = r.imag();
}

#define PHINTYS_BY_LANE(name) \
  PHINTYS_KERNEL ComplexDouble name##_by_lane(ComplexDouble z) { return thrust::name(z); }
PHINTYS_BY_LANE(exp)
PHINTYS_BY_LANE(sinh)
PHINTYS_BY_LANE(cosh)
PHINTYS_BY_LANE(tanh)
PHINTYS_BY_LANE(asin)
PHINTYS_BY_LANE(acos)
PHINTYS_BY_LANE(asinh)
PHINTYS_BY_LANE(acosh)
PHINTYS_BY_LANE(atan)
PHINTYS_BY_LANE(atanh)
#undef PHINTYS_BY_LANE
PHINTYS_KERNEL ComplexDouble log1p_by_lane(ComplexDouble z) { return thrust::log(z + 1.0); }

}  // namespace phintys::math
