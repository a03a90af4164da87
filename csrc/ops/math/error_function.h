// erf, erfc, erfcx, erfinv, erfcinv.
#pragma once

#include "logarithm.h"

namespace phintys::math {

/// erf x. All x; -0 stays -0. 2 ULP.
/// x + x P(x^2) below 1; above, 1 - e^Q(x) (f32) or 1 - e^(-x^2) Q(1/(x + 2)) (f64).
template <class V>
PHINTYS_INLINE V erf(V x) {
  const V one = splat<V>(1.0);
  const V ax = abs(x);
  const V near = fma(ax, poly_erf(ax * ax), ax);
  const V c = max(one, min(splat<V>(4.0, 6.0), ax));
  V tail;
  if constexpr (is_f32<V>) {
    tail = exp(poly_log_erfc(c));
  } else {
    const auto a = reduce_exp(-(c * c));
    tail = ldexp_small(exp_reduced(a.r), a.n) * poly_erf_tail(one / (c + splat<V>(2.0)));
  }
  const V y = select(ax < one, near, one - tail);
  return copysign(select(isnan(x), x, y), x);
}

/// (1 + 2 x) e^(x^2) erfc(x) for x >= 0, a curve between 1 and 1.24.
template <class V>
PHINTYS_INLINE V erfcx_scaled(V ax) {
  const V centre = splat<V>(3.5);
  const V c = min(splat<V>(1e9, 1e17), ax);
  return poly_erfcx((c - centre) / (c + centre));
}

/// e^(s x^2) as a factor and a power of two, s = 1 or -1: x^2 in a double word.
template <class V>
struct GaussFactor {
  V factor;
  V n;
};
template <class V>
PHINTYS_INLINE GaussFactor<V> gauss_factor(V x, double s) {
  const auto z = two_prod(x, x);
  const auto a = reduce_exp(splat<V>(s) * z.hi);
  return {exp_reduced(fma(splat<V>(s), z.lo, a.r)), a.n};
}

/// erfc x = 1 - erf x. All x, through the denormals at the far right. 3 ULP f32, 2.5 f64.
/// Shepherd and Laframboise: (1 + 2 x) e^(x^2) erfc(x) in (x - c) / (x + c); 1 - erf x near 0.
template <class V>
PHINTYS_INLINE V erfc(V x) {
  const V one = splat<V>(1.0);
  const V ax = min(splat<V>(11.0, 28.0), abs(x));
  const auto e = gauss_factor(ax, -1.0);
  const V half = splat<V>(0.5);
  const V y = quotient(two_prod(e.factor, half * erfcx_scaled(ax)), two_sum(half, ax));
  const V right = ldexp_small(y, e.n);
  const V far = select(x < splat<V>(0.0), splat<V>(2.0) - right, right);
  const V near = one - fma(x, poly_erf(x * x), x);
  return select(abs(x) < half, near, far);
}

/// e^(x^2) erfc(x). All x; overflows to inf at the left. 3 ULP.
template <class V>
PHINTYS_INLINE V erfcx(V x) {
  const V ax = abs(x);
  // Both halved, so that the denominator 1 + 2 x cannot overflow.
  const V half = splat<V>(0.5);
  const V right = half * erfcx_scaled(ax) / (half + ax);
  const auto e = gauss_factor(min(splat<V>(10.0, 27.0), ax), 1.0);
  const V left = ldexp_small(e.factor, e.n + splat<V>(1.0)) - right;
  const V far = select(x < splat<V>(0.0), left, right);
  const V near = ldexp_small(e.factor, e.n) * (splat<V>(1.0) - fma(x, poly_erf(x * x), x));
  return select(ax < half, near, far);
}

/// The normal quantile of Wichura's AS 241 (PPND16), scaled to the inverse of erfc:
/// `q` is half of erf's value, `tails` twice the smaller of the two tail probabilities.
template <class V>
PHINTYS_INLINE V quantile_as241(V q, V tails) {
  const V zero = splat<V>(0.0);
  const V aq = abs(q);
  const V r = fma(-q, q, splat<V>(0.180625));
  const V centre_n =
      horner(r, 3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3,
             1.3731693765509461125e4, 4.5921953931549871457e4, 6.7265770927008700853e4,
             3.3430575583588128105e4, 2.5090809287301226727e3);
  const V centre_d =
      horner(r, 1.0, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3,
             2.1213794301586595867e4, 3.9307895800092710610e4, 2.8729085735721942674e4,
             5.2264952788528545610e3);
  const V s = sqrt(splat<V>(0.69314718055994530942) - log(tails));
  const V t = s - splat<V>(1.6);
  const V mid_n =
      horner(t, 1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0,
             3.64784832476320460504e0, 1.27045825245236838258e0, 2.41780725177450611770e-1,
             2.27238449892691845833e-2, 7.74545014278341407640e-4);
  const V mid_d =
      horner(t, 1.0, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1,
             1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4,
             1.05075007164441684324e-9);
  const V w = s - splat<V>(5.0);
  const V far_n =
      horner(w, 6.65790464350110377720e0, 5.46378491116411436990e0, 1.78482653991729133580e0,
             2.96560571828504891230e-1, 2.65321895265761230930e-2, 1.24266094738807843860e-3,
             2.71155556874348757815e-5, 2.01033439929228813265e-7);
  const V far_d =
      horner(w, 1.0, 5.99832206555887937690e-1, 1.36929880922735805310e-1,
             1.48753612908506148525e-2, 7.86869131145613259100e-4, 1.84631831751005468180e-5,
             1.42151175831644588870e-7, 2.04426310338993978564e-15);
  const auto far = s > splat<V>(5.0);
  const auto centre = aq <= splat<V>(0.425);
  const V n = select(centre, centre_n * aq, select(far, far_n, mid_n));
  const V d = select(centre, centre_d, select(far, far_d, mid_d));
  const V y = splat<V>(0.70710678118654752440) * (n / d);
  return flip_sign(select(tails == zero, infinity<V>(), y), q);
}

/// The inverse of erf. |x| <= 1, NaN outside; -0 stays -0. 1 ULP f32, 5 ULP f64.
template <class V>
PHINTYS_INLINE V erfinv(V x) {
  if constexpr (is_f32<V>) {
    return map_wide([](auto w) __attribute__((always_inline)) { return erfinv(w); }, x);
  } else {
    const V half = splat<V>(0.5);
    const V y = quantile_as241(half * x, splat<V>(1.0) - abs(x));
    // Below 2^-500 half of x may have lost bits; the slope at 0 is sqrt(pi) / 2.
    return select(abs(x) < splat<V>(1e-150), x * splat<V>(0.88622692545275801365), y);
  }
}

/// The inverse of erfc. 0 <= x <= 2, NaN outside. 1 ULP f32, 5 ULP f64.
template <class V>
PHINTYS_INLINE V erfcinv(V x) {
  if constexpr (is_f32<V>) {
    return map_wide([](auto w) __attribute__((always_inline)) { return erfcinv(w); }, x);
  } else {
    const V half = splat<V>(0.5);
    const V q = half * (splat<V>(1.0) - x);
    return quantile_as241(q, min(x, splat<V>(2.0) - x));
  }
}

}  // namespace phintys::math
