// The C library's functions of complex numbers, for rare lanes. A compiler of devices has others:
// it names a header with the same functions in PHINTYS_COMPLEX_LIBRARY_HEADER.
#pragma once

namespace phintys::math {

__extension__ typedef __complex__ double ComplexDouble;
using ComplexFn = ComplexDouble (*)(ComplexDouble);

[[maybe_unused]] static __attribute__((noinline)) void call_by_lane(ComplexFn f, int n,
                                                                    const bool* lanes,
                                                                    const double* x,
                                                                    const double* y, double* re,
                                                                    double* im) {
  for (int i = 0; i < n; ++i) {
    if (!lanes[i]) continue;
    ComplexDouble z;
    __real__ z = x[i];
    __imag__ z = y[i];
    const ComplexDouble r = f(z);
    re[i] = __real__ r;
    im[i] = __imag__ r;
  }
}

[[maybe_unused]] static ComplexDouble exp_by_lane(ComplexDouble z) { return __builtin_cexp(z); }
[[maybe_unused]] static ComplexDouble log1p_by_lane(ComplexDouble z) {
  __real__ z = 1.0 + __real__ z;
  return __builtin_clog(z);
}
[[maybe_unused]] static ComplexDouble sinh_by_lane(ComplexDouble z) { return __builtin_csinh(z); }
[[maybe_unused]] static ComplexDouble cosh_by_lane(ComplexDouble z) { return __builtin_ccosh(z); }
[[maybe_unused]] static ComplexDouble tanh_by_lane(ComplexDouble z) { return __builtin_ctanh(z); }
[[maybe_unused]] static ComplexDouble asin_by_lane(ComplexDouble z) { return __builtin_casin(z); }
[[maybe_unused]] static ComplexDouble acos_by_lane(ComplexDouble z) { return __builtin_cacos(z); }
[[maybe_unused]] static ComplexDouble asinh_by_lane(ComplexDouble z) { return __builtin_casinh(z); }
[[maybe_unused]] static ComplexDouble acosh_by_lane(ComplexDouble z) { return __builtin_cacosh(z); }
[[maybe_unused]] static ComplexDouble atan_by_lane(ComplexDouble z) { return __builtin_catan(z); }
[[maybe_unused]] static ComplexDouble atanh_by_lane(ComplexDouble z) { return __builtin_catanh(z); }

}  // namespace phintys::math
