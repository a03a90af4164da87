// Functions of complex numbers for rare arguments, as ops/math/complex_library.h on the host.
#pragma once

#ifdef PHINTYS_FUSED_COMPLEX
#include <thrust/complex.h>
#endif

namespace phintys::math {

#ifdef PHINTYS_FUSED_COMPLEX
using ComplexDouble = thrust::complex<double>;
#define PHINTYS_BY_LANE(name, value) \
  PHINTYS_KERNEL ComplexDouble name##_by_lane(ComplexDouble z) { return value; }
#else
struct ComplexDouble {
  double x, y;
  __device__ ComplexDouble(double re, double im) : x(re), y(im) {}
  __device__ double real() const { return x; }
  __device__ double imag() const { return y; }
};
#define PHINTYS_BY_LANE(name, value) __device__ ComplexDouble name##_by_lane(ComplexDouble z);
#endif
using ComplexFn = ComplexDouble (*)(ComplexDouble);

__device__ __forceinline__ void call_by_lane(ComplexFn f, int, const bool*, const double* x,
                                             const double* y, double* re, double* im) {
  const ComplexDouble r = f(ComplexDouble(x[0], y[0]));
  re[0] = r.real();
  im[0] = r.imag();
}

PHINTYS_BY_LANE(exp, thrust::exp(z))
PHINTYS_BY_LANE(sinh, thrust::sinh(z))
PHINTYS_BY_LANE(cosh, thrust::cosh(z))
PHINTYS_BY_LANE(tanh, thrust::tanh(z))
PHINTYS_BY_LANE(asin, thrust::asin(z))
PHINTYS_BY_LANE(acos, thrust::acos(z))
PHINTYS_BY_LANE(asinh, thrust::asinh(z))
PHINTYS_BY_LANE(acosh, thrust::acosh(z))
PHINTYS_BY_LANE(atan, thrust::atan(z))
PHINTYS_BY_LANE(atanh, thrust::atanh(z))
PHINTYS_BY_LANE(log1p, thrust::log(z + 1.0))
#undef PHINTYS_BY_LANE

}  // namespace phintys::math
