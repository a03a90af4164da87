// asin, acos, atan, atan2.
#pragma once

#include "polynomials.h"

namespace phintys::math {

/// pi/2 in two words.
template <class V>
PHINTYS_INLINE V half_pi() {
  return splat<V>(1.5707963705062866, 1.5707963267948966);
}
template <class V>
PHINTYS_INLINE V half_pi_low() {
  return splat<V>(-4.37113900019e-8, 6.1232339957367658861e-17);
}

/// asin x. |x| <= 1, NaN outside; -0 stays -0. 2 ULP.
/// Above 1/2 by asin x = pi/2 - 2 asin sqrt((1 - x)/2).
template <class V>
PHINTYS_INLINE V asin(V x) {
  const V one = splat<V>(1.0);
  const V ax = abs(x);
  const auto big = ax > splat<V>(0.5);
  const V z = splat<V>(0.5) * (one - ax);
  const V u = select(big, z, ax * ax);
  const V s = select(big, sqrt(z), ax);
  const V t = s * u * poly_asin(u);
  // pi/2 - 2 s is exact or nearly so: only then the small terms.
  const V two = splat<V>(2.0);
  const V far = (half_pi<V>() - two * s) - (two * t - half_pi_low<V>());
  return copysign(select(big, far, s + t), x);
}

/// acos x. |x| <= 1, NaN outside. 2 ULP.
template <class V>
PHINTYS_INLINE V acos(V x) {
  const V one = splat<V>(1.0);
  const V two = splat<V>(2.0);
  const V ax = abs(x);
  const auto big = ax > splat<V>(0.5);
  const V z = splat<V>(0.5) * (one - ax);
  const V u = select(big, z, x * x);
  const V s = select(big, sqrt(z), x);
  const V t = s * u * poly_asin(u);
  const V middle = half_pi<V>() - (s - (half_pi_low<V>() - t));
  const V near = two * (s + t);
  const V far = two * (half_pi<V>() - ((s + t) - half_pi_low<V>()));
  return select(big, select(x < splat<V>(0.0), far, near), middle);
}

/// atan(n / d) for n, d >= 0, not both 0 and not both inf: by the angle's third of the quarter
/// circle, so that the polynomial's argument stays within sqrt 2 - 1.
template <class V>
PHINTYS_INLINE DoubleWord<V> atan_quotient(V n, V d) {
  const auto high = n > d * splat<V>(2.41421356237309504880);
  const auto low = n <= d * splat<V>(0.41421356237309504880);
  const V top = select(low, n, select(high, -d, n - d));
  const V bottom = select(low, d, select(high, n, n + d));
  const V zero = splat<V>(0.0);
  const V t = top / bottom;
  const V u = t * t;
  const V base = select(low, zero, select(high, half_pi<V>(), splat<V>(0.5) * half_pi<V>()));
  const V base_low =
      select(low, zero, select(high, half_pi_low<V>(), splat<V>(0.5) * half_pi_low<V>()));
  return {base, t + fma(t * u, poly_atan(u), base_low)};
}

/// atan x. All x; -0 stays -0. 2 ULP.
template <class V>
PHINTYS_INLINE V atan(V x) {
  const auto a = atan_quotient(abs(x), splat<V>(1.0));
  return copysign(a.hi + a.lo, x);
}

/// The angle of the point (x, y), from -pi to pi. All arguments, with C's signed zeros and
/// infinities. 2 ULP.
template <class V>
PHINTYS_INLINE V atan2(V y, V x) {
  const V zero = splat<V>(0.0);
  const V one = splat<V>(1.0);
  const V inf = infinity<V>();
  V n = abs(y);
  V d = abs(x);
  // The quotient of two infinities is taken as 1, that of two zeros as 0.
  const auto both_inf = (n == inf) & (d == inf);
  n = select(both_inf, one, n);
  d = select(both_inf | ((n == zero) & (d == zero)), one, d);
  // n + d and 2.4 d must not overflow, and denormals must compare well with parts of each other.
  const V larger = max(n, d);
  const V up = select(larger < splat<V>(1e-30, 1e-290), splat<V>(1048576.0), one);
  const V scale = select(larger > splat<V>(1e37, 1e307), splat<V>(0.125), up);
  const auto a = atan_quotient(n * scale, d * scale);
  const V right = a.hi + a.lo;
  // pi - (hi + lo), the constant's low word included.
  const V two = splat<V>(2.0);
  const V left = (two * half_pi<V>() - a.hi) + (two * half_pi_low<V>() - a.lo);
  return copysign(select(bitcast_int(x) < 0, left, right), y);
}

}  // namespace phintys::math
