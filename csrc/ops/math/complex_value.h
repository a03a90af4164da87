// Complex numbers over the value types: a pair of vectors, its arithmetic, and the sizes and angles
// of its elements. The functions of complex.h are built on it.
#pragma once

#include "common.h"

namespace phintys::math {

/// One complex number for each lane of V. In memory a row of them is pairs (real, imaginary).
template <class V>
struct Complex {
  static constexpr bool is_float = false;
  static constexpr bool is_bool = false;
  static constexpr int lanes = V::lanes;
  using elem = typename V::elem;
  using mask = typename V::mask;
  using part = V;
  V re;
  V im;

  static PHINTYS_INLINE Complex broadcast(elem e) { return {V::broadcast(e), V::broadcast(0)}; }

  friend PHINTYS_INLINE Complex operator+(Complex a, Complex b) {
    return {a.re + b.re, a.im + b.im};
  }
  friend PHINTYS_INLINE Complex operator-(Complex a, Complex b) {
    return {a.re - b.re, a.im - b.im};
  }
  friend PHINTYS_INLINE Complex operator-(Complex a) { return {-a.re, -a.im}; }
  /// Without fused operations, so that x * conj(x) is real on every instruction set.
  friend PHINTYS_INLINE Complex operator*(Complex a, Complex b) {
    return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
  }
  friend PHINTYS_INLINE Complex operator*(Complex a, V b) { return {a.re * b, a.im * b}; }
  /// Smith's method as NumPy has it: neither squares nor products of the divisor overflow.
  friend PHINTYS_INLINE Complex operator/(Complex a, Complex b) {
    const V zero = V::broadcast(0);
    const mask real_leads = abs(b.re) >= abs(b.im);
    const V large = select(real_leads, b.re, b.im);
    const V small = select(real_leads, b.im, b.re);
    const mask by_zero = large == zero;
    const V ratio = select(by_zero, zero, small / large);
    const V scale = V::broadcast(1) / (large + small * ratio);
    const V p = select(real_leads, a.re, a.im);
    const V q = select(real_leads, a.im, a.re);
    const V difference = q - p * ratio;
    const V re = (p + q * ratio) * scale;
    const V im = select(real_leads, difference, -difference) * scale;
    const V inverse = abs(scale);
    return {select(by_zero, a.re * inverse, re), select(by_zero, a.im * inverse, im)};
  }
  friend PHINTYS_INLINE mask operator==(Complex a, Complex b) {
    return (a.re == b.re) & (a.im == b.im);
  }
  friend PHINTYS_INLINE mask operator!=(Complex a, Complex b) {
    return (a.re != b.re) | (a.im != b.im);
  }
  friend PHINTYS_INLINE Complex select(mask m, Complex a, Complex b) {
    return {select(m, a.re, b.re), select(m, a.im, b.im)};
  }
};

template <class V>
inline constexpr bool is_complex = false;
template <class V>
inline constexpr bool is_complex<Complex<V>> = true;

template <class V>
PHINTYS_INLINE Complex<V> conj(Complex<V> z) {
  return {z.re, -z.im};
}
/// i z.
template <class V>
PHINTYS_INLINE Complex<V> times_i(Complex<V> z) {
  return {-z.im, z.re};
}
/// -i z.
template <class V>
PHINTYS_INLINE Complex<V> over_i(Complex<V> z) {
  return {z.im, -z.re};
}
template <class V>
PHINTYS_INLINE mask_t<V> isnan(Complex<V> z) {
  return (z.re != z.re) | (z.im != z.im);
}
template <class V>
PHINTYS_INLINE mask_t<V> isinf(Complex<V> z) {
  return (abs(z.re) == infinity<V>()) | (abs(z.im) == infinity<V>());
}
template <class V>
PHINTYS_INLINE mask_t<V> isfinite(Complex<V> z) {
  return (abs(z.re) < infinity<V>()) & (abs(z.im) < infinity<V>());
}

/// A power of two by which numbers are multiplied before they are squared, and its inverse and the
/// square root of that. Odd powers would have no such root.
template <class V>
struct SquareScale {
  V up;
  V back;
  V root_back;
};
template <class V>
PHINTYS_INLINE SquareScale<V> square_scale(V largest) {
  const V one = splat<V>(1.0);
  const auto big = largest > splat<V>(1e18, 1e150);
  const auto small = largest < splat<V>(1e-18, 1e-140);
  return {select(big, splat<V>(0x1p-66, 0x1p-600), select(small, splat<V>(0x1p100, 0x1p700), one)),
          select(big, splat<V>(0x1p66, 0x1p600), select(small, splat<V>(0x1p-100, 0x1p-700), one)),
          select(big, splat<V>(0x1p33, 0x1p300), select(small, splat<V>(0x1p-50, 0x1p-350), one))};
}

/// |z|. All z; infinite where a part is, whatever the other. 1.5 ULP.
template <class V>
PHINTYS_INLINE V abs(Complex<V> z) {
  const V x = abs(z.re);
  const V y = abs(z.im);
  const auto scale = square_scale(max(x, y));
  const V sx = x * scale.up;
  const V sy = y * scale.up;
  const V r = sqrt(sx * sx + sy * sy) * scale.back;
  return select(isinf(z), infinity<V>(), r);
}

/// z / |z|, 0 for 0; an infinite part wins over a finite one, two give NaN. 2 ULP.
template <class V>
PHINTYS_INLINE Complex<V> sign(Complex<V> z) {
  const V zero = splat<V>(0.0);
  const V one = splat<V>(1.0);
  const V x = abs(z.re);
  const V y = abs(z.im);
  const V inf = infinity<V>();
  const V largest = max(x, y);
  const auto scale = square_scale(largest);
  const V sx = z.re * scale.up;
  const V sy = z.im * scale.up;
  const V r = sqrt(sx * sx + sy * sy);
  // Small numbers are divided as scaled; others as they are, lest the lesser part vanish, and the
  // largest by a quarter of a size that would overflow.
  const auto small = scale.up > one;
  const V part = select(largest > splat<V>(1e37, 1e307), splat<V>(0.25), one);
  const V size = select(small, r, r * part * scale.back);
  const V divisor = select(size == zero, one, size);
  const auto re_inf = x == inf;
  const auto im_inf = y == inf;
  V re = select(small, sx, z.re * part) / divisor;
  V im = select(small, sy, z.im * part) / divisor;
  re = select(re_inf, copysign(one, z.re), select(im_inf, zero, re));
  im = select(im_inf, copysign(one, z.im), select(re_inf, zero, im));
  const auto lost = (re_inf & im_inf) | (isnan(z) & !(re_inf | im_inf));
  const auto none = size == zero;
  re = select(lost, quiet_nan<V>(), select(none, zero, re));
  im = select(lost, quiet_nan<V>(), select(none, zero, im));
  return {re, im};
}

/// 1 / z, by Smith's method. 3 ULP.
template <class V>
PHINTYS_INLINE Complex<V> inverse(Complex<V> z) {
  const V one = splat<V>(1.0);
  const mask_t<V> real_leads = abs(z.re) >= abs(z.im);
  const V large = select(real_leads, z.re, z.im);
  const V small = select(real_leads, z.im, z.re);
  const V ratio = small / large;
  const V divisor = large + small * ratio;
  const V p = one / divisor;
  const V q = ratio / divisor;
  return {select(real_leads, p, q), -select(real_leads, q, p)};
}

}  // namespace phintys::math
