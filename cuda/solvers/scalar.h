// Real and complex elements, and what kernels do with them.
#pragma once

#include "gpu.h"

namespace phintys::cuda::solvers {

template <class R>
struct Complex {
  R re, im;
};

template <class T>
struct RealOf {
  using type = T;
};
template <class R>
struct RealOf<Complex<R>> {
  using type = R;
};
template <class T>
using Real = typename RealOf<T>::type;
template <class T>
inline constexpr bool kComplex = sizeof(T) != sizeof(Real<T>);

#define PHINTYS_INLINE_DEVICE __device__ __forceinline__

PHINTYS_INLINE_DEVICE float mul_add(float a, float b, float c) { return fmaf(a, b, c); }
PHINTYS_INLINE_DEVICE double mul_add(double a, double b, double c) { return fma(a, b, c); }
template <class R>
PHINTYS_INLINE_DEVICE Complex<R> mul_add(Complex<R> a, Complex<R> b, Complex<R> c) {
  return {mul_add(a.re, b.re, mul_add(-a.im, b.im, c.re)),
          mul_add(a.re, b.im, mul_add(a.im, b.re, c.im))};
}

PHINTYS_INLINE_DEVICE float negative(float a) { return -a; }
PHINTYS_INLINE_DEVICE double negative(double a) { return -a; }
template <class R>
PHINTYS_INLINE_DEVICE Complex<R> negative(Complex<R> a) {
  return {-a.re, -a.im};
}
// c - a b
template <class T>
PHINTYS_INLINE_DEVICE T mul_sub(T a, T b, T c) {
  return mul_add(negative(a), b, c);
}
PHINTYS_INLINE_DEVICE float times(float a, float b) { return a * b; }
PHINTYS_INLINE_DEVICE double times(double a, double b) { return a * b; }
template <class R>
PHINTYS_INLINE_DEVICE Complex<R> times(Complex<R> a, Complex<R> b) {
  return mul_add(a, b, Complex<R>{0, 0});
}
PHINTYS_INLINE_DEVICE float scaled(float a, float by) { return a * by; }
PHINTYS_INLINE_DEVICE double scaled(double a, double by) { return a * by; }
template <class R>
PHINTYS_INLINE_DEVICE Complex<R> scaled(Complex<R> a, R by) {
  return {a.re * by, a.im * by};
}
PHINTYS_INLINE_DEVICE float divided(float a, float b) { return a / b; }
PHINTYS_INLINE_DEVICE double divided(double a, double b) { return a / b; }
// Smith's method: no overflow where the quotient has none.
template <class R>
PHINTYS_INLINE_DEVICE Complex<R> divided(Complex<R> a, Complex<R> b) {
  if (fabs(b.re) >= fabs(b.im)) {
    const R t = b.im / b.re, d = b.re + b.im * t;
    return {(a.re + a.im * t) / d, (a.im - a.re * t) / d};
  }
  const R t = b.re / b.im, d = b.re * t + b.im;
  return {(a.re * t + a.im) / d, (a.im * t - a.re) / d};
}
PHINTYS_INLINE_DEVICE float over_real(float a, float b) { return a / b; }
PHINTYS_INLINE_DEVICE double over_real(double a, double b) { return a / b; }
template <class R>
PHINTYS_INLINE_DEVICE Complex<R> over_real(Complex<R> a, R b) {
  return {a.re / b, a.im / b};
}
PHINTYS_INLINE_DEVICE float conjugated(float a) { return a; }
PHINTYS_INLINE_DEVICE double conjugated(double a) { return a; }
template <class R>
PHINTYS_INLINE_DEVICE Complex<R> conjugated(Complex<R> a) {
  return {a.re, -a.im};
}
PHINTYS_INLINE_DEVICE float real_part(float a) { return a; }
PHINTYS_INLINE_DEVICE double real_part(double a) { return a; }
template <class R>
PHINTYS_INLINE_DEVICE R real_part(Complex<R> a) {
  return a.re;
}
// |re| + |im|, as LAPACK compares complex numbers.
PHINTYS_INLINE_DEVICE float size_of(float a) { return fabsf(a); }
PHINTYS_INLINE_DEVICE double size_of(double a) { return fabs(a); }
template <class R>
PHINTYS_INLINE_DEVICE R size_of(Complex<R> a) {
  return size_of(a.re) + size_of(a.im);
}
// The absolute value, without overflow.
PHINTYS_INLINE_DEVICE float absolute(float a) { return fabsf(a); }
PHINTYS_INLINE_DEVICE double absolute(double a) { return fabs(a); }
PHINTYS_INLINE_DEVICE float absolute(Complex<float> a) { return hypotf(a.re, a.im); }
PHINTYS_INLINE_DEVICE double absolute(Complex<double> a) { return hypot(a.re, a.im); }
// |a|^2
PHINTYS_INLINE_DEVICE float squared(float a) { return a * a; }
PHINTYS_INLINE_DEVICE double squared(double a) { return a * a; }
template <class R>
PHINTYS_INLINE_DEVICE R squared(Complex<R> a) {
  return mul_add(a.re, a.re, a.im * a.im);
}
PHINTYS_INLINE_DEVICE float root(float a) { return sqrtf(a); }
PHINTYS_INLINE_DEVICE double root(double a) { return sqrt(a); }

template <class T>
PHINTYS_INLINE_DEVICE T make(Real<T> x) {
  if constexpr (kComplex<T>) {
    return {x, 0};
  } else {
    return x;
  }
}
template <class T>
PHINTYS_INLINE_DEVICE T nan_of() {
  using R = Real<T>;
  return make<T>(static_cast<R>(__longlong_as_double(0x7ff8000000000000ll)));
}
template <class T>
PHINTYS_INLINE_DEVICE bool is_zero(T x) {
  return size_of(x) == 0;
}

// Calls f.template operator()<T>() for the type of a dtype.
template <class F>
Status dispatch(DType dtype, F&& f) {
  switch (dtype) {
    case DType::f32:
      return f.template operator()<float>();
    case DType::f64:
      return f.template operator()<double>();
    case DType::c64:
      return f.template operator()<Complex<float>>();
    case DType::c128:
      return f.template operator()<Complex<double>>();
    default:
      return kUnsupported;
  }
}

}  // namespace phintys::cuda::solvers
