// exp, exp2, expm1, sigmoid, sinh, cosh, tanh.
#pragma once

#include "polynomials.h"

namespace phintys::math {

/// x = n ln 2 + r with |r| <= ln(2)/2 and n integral: Cody and Waite's two-part ln 2, the first
/// part short enough that n times it is exact without FMA. Needs |x| < 2^20 (2^15 for f32).
template <class V>
struct ExpArgument {
  V n;
  V r;
};
template <class V>
PHINTYS_INLINE ExpArgument<V> reduce_exp(V x) {
  const V magic = splat<V>(12582912.0, 6755399441055744.0);
  const V n = fma(x, splat<V>(1.44269504088896340736), magic) - magic;
  V r = fma(n, splat<V>(-0.693359375, -6.93147180369123816490e-01), x);
  r = fma(n, splat<V>(2.12194440054690583e-4, -1.90821492927058770002e-10), r);
  return {n, r};
}

/// The same with the rounding error of r.
template <class V>
struct ExpArgumentPrecise {
  V n;
  V r;
  V r_lo;
};
template <class V>
PHINTYS_INLINE ExpArgumentPrecise<V> reduce_exp_precise(V x) {
  const V magic = splat<V>(12582912.0, 6755399441055744.0);
  const V low = splat<V>(2.12194440054690583e-4, -1.90821492927058770002e-10);
  const V n = fma(x, splat<V>(1.44269504088896340736), magic) - magic;
  const V h = fma(n, splat<V>(-0.693359375, -6.93147180369123816490e-01), x);
  const V r = fma(n, low, h);
  return {n, r, fma(n, low, h - r)};
}

/// e^r for |r| <= ln(2)/2: 1 + (r + r^2 P(r)).
template <class V>
PHINTYS_INLINE V exp_reduced(V r) {
  return splat<V>(1.0) + fma(r * r, poly_exp(r), r);
}

/// e^x. All x; overflows to inf, underflows through the denormals. 1.5 ULP.
/// Cody-Waite reduction and a polynomial; NaN passes as the second operand of min and max.
template <class V>
PHINTYS_INLINE V exp(V x) {
  const V c = max(splat<V>(-105.0, -747.0), min(splat<V>(90.0, 711.0), x));
  const auto a = reduce_exp(c);
  return ldexp_small(exp_reduced(a.r), a.n);
}

/// 2^x. All x; exact at integers. 1.5 ULP.
template <class V>
PHINTYS_INLINE V exp2(V x) {
  const V magic = splat<V>(12582912.0, 6755399441055744.0);
  const V c = max(splat<V>(-152.0, -1077.0), min(splat<V>(130.0, 1026.0), x));
  const V n = (c + magic) - magic;
  const V r = c - n;
  return ldexp_small(fma(r, poly_exp2(r), splat<V>(1.0)), n);
}

/// e^x - 1. All x; -0 stays -0. 2 ULP. 2^n (e^r - 1) + (2^n - 1), halved against overflow.
template <class V>
PHINTYS_INLINE V expm1(V x) {
  // Overflows by the last doubling only: 2^(n-1) stays finite, so that no inf - inf arises.
  const V c = max(splat<V>(-20.0, -40.0), min(splat<V>(88.8, 709.9), x));
  const auto a = reduce_exp_precise(c);
  const V e = a.r + fma(a.r * a.r, poly_exp(a.r), a.r_lo);
  const V s = ldexp_small(splat<V>(0.5), a.n);
  const V y = fma(s, e, s - splat<V>(0.5));
  // n = 0 must not pass through the halving, which would cut a bit off the denormals.
  return copysign(select(a.n == splat<V>(0.0), e, y + y), x);
}

/// 1 / (1 + e^-x). All x; e^x to the last denormal for very negative x. 2.5 ULP.
template <class V>
PHINTYS_INLINE V sigmoid(V x) {
  const V z = exp(-abs(x));
  const V one = splat<V>(1.0);
  return select(x > splat<V>(0.0), one, z) / (one + z);
}

/// cosh r - 1 and sinh r for |r| <= ln(2)/2, the parts of e^r and e^-r.
template <class V>
struct HyperbolicPair {
  V c;
  V s;
};
template <class V>
PHINTYS_INLINE HyperbolicPair<V> hyperbolic_reduced(V r, V r_lo) {
  const V u = r * r;
  const V c = fma(u * u, poly_cosh(u), splat<V>(0.5) * u);
  const V s = r + fma(r * u, poly_sinh(u), r_lo);
  return {c, s};
}

/// 2^(n-2) and 2^(-n-2): a quarter of the factors, so that the sums overflow only at the end.
template <class V>
struct PowerPair {
  V up;
  V down;
};
template <class V>
PHINTYS_INLINE PowerPair<V> quarter_powers(V n) {
  // Past 2^-100 (2^-500) the smaller one no longer matters.
  const V m = min(n, splat<V>(100.0, 500.0));
  return {ldexp_small(splat<V>(0.25), n), ldexp_small(splat<V>(0.25), -m)};
}

/// sinh x. All x; -0 stays -0. 2 ULP.
/// sinh(n ln 2 + r) = (2^n - 2^-n)/2 cosh r + (2^n + 2^-n)/2 sinh r: no small case apart, and
/// the one large term enters the sum unrounded.
template <class V>
PHINTYS_INLINE V sinh(V x) {
  const auto a = reduce_exp_precise(min(splat<V>(89.5, 710.5), abs(x)));
  const auto h = hyperbolic_reduced(a.r, a.r_lo);
  const auto p = quarter_powers(a.n);
  const V difference = p.up - p.down;
  const V y = difference + fma(p.up + p.down, h.s, difference * h.c);
  return copysign(select(a.n == splat<V>(0.0), h.s, y + y), x);
}

/// cosh x. All x. 2 ULP.
template <class V>
PHINTYS_INLINE V cosh(V x) {
  const auto a = reduce_exp_precise(min(splat<V>(89.5, 710.5), abs(x)));
  const auto h = hyperbolic_reduced(a.r, a.r_lo);
  const auto p = quarter_powers(a.n);
  const V sum = p.up + p.down;
  const V y = sum + fma(p.up - p.down, h.s, sum * h.c);
  return y + y;
}

/// tanh x. All x; -0 stays -0. 2 ULP. Below ln(3)/2, where tanh reaches 1/2, a polynomial; above it
/// 1 - 2 / (e^(2|x|) + 1), whose rounding errors count for at most half in the result.
template <class V>
PHINTYS_INLINE V tanh(V x) {
  const V a = abs(x);
  const V y = min(splat<V>(9.5, 20.0), a);
  const auto r = reduce_exp(y + y);
  const V e = ldexp_small(exp_reduced(r.r), r.n);
  const V big = splat<V>(1.0) - splat<V>(2.0) / (e + splat<V>(1.0));
  const V x2 = a * a;
  const V small = fma(a * x2, poly_tanh(x2), a);
  return copysign(select(a < splat<V>(0.54930614433405484570), small, big), x);
}

}  // namespace phintys::math
