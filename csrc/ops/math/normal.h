// The normal distribution, Owen's T function, and logarithms that would lose accuracy if written
// out: ndtr, log_ndtr, ndtri, ndtri_exp, owens_t, log1mexp, logit, xlogy, xlog1py.
#pragma once

#include "error_function.h"
#include "gamma.h"

namespace phintys::math {

/// log(u.hi + u.lo) where u.hi may be denormal.
template <class V>
PHINTYS_INLINE V log_any_double_word(DoubleWord<V> u) {
  const auto tiny = u.hi < splat<V>(1e-35, 1e-290);
  const V up = select(tiny, splat<V>(33554432.0, 18014398509481984.0), splat<V>(1.0));
  return log_double_word<V>({u.hi * up, u.lo * up},
                            select(tiny, splat<V>(-25.0, -54.0), splat<V>(0.0)));
}

/// log(1 - e^x). x <= 0, NaN above. 2 ULP.
template <class V>
PHINTYS_INLINE V log1mexp(V x) {
  const V one = splat<V>(1.0);
  const V zero = splat<V>(0.0);
  const auto near = x > splat<V>(-0.69314718055994531);
  const auto far = two_sum(one, -exp(x));
  const V hi = select(near, -expm1(x), far.hi);
  const V y = log_any_double_word<V>({hi, select(near, zero, far.lo)});
  return select(x < zero, y, select(x == zero, -infinity<V>(), quiet_nan<V>()));
}

/// log(x / (1 - x)). 0 <= x <= 1, NaN outside. 2 ULP.
template <class V>
PHINTYS_INLINE V logit(V x) {
  const V one = splat<V>(1.0);
  const V zero = splat<V>(0.0);
  const auto y = two_sum(one, -x);
  const V q = x / y.hi;
  const auto back = two_prod(q, y.hi);
  const V q_lo = ((x - back.hi) - back.lo - q * y.lo) / y.hi;
  // Below the normal numbers the residual underflows, and x itself is the quotient.
  const auto tiny = x < splat<V>(1e-30, 1e-280);
  const V z = log_any_double_word<V>({select(tiny, x, q), select(tiny, zero, q_lo)});
  const V edge = select(x == zero, -infinity<V>(), select(x == one, infinity<V>(), quiet_nan<V>()));
  return select((x > zero) & (x < one), z, edge);
}

/// x log y; 0 where x = 0, whatever y but NaN.
template <class V>
PHINTYS_INLINE V xlogy(V x, V y) {
  const V zero = splat<V>(0.0);
  return select((x == zero) & !isnan(y), zero, x * log(y));
}
/// x log(1 + y); 0 where x = 0, whatever y but NaN.
template <class V>
PHINTYS_INLINE V xlog1py(V x, V y) {
  const V zero = splat<V>(0.0);
  return select((x == zero) & !isnan(y), zero, x * log1p(y));
}

/// The upper tail of the normal distribution at ax >= 0: e^(-x^2/2) erfcx(x / sqrt 2) / 2, with x^2
/// in a double word.
template <class V>
PHINTYS_INLINE V normal_tail(V ax) {
  const V half = splat<V>(0.5);
  const V c = min(splat<V>(39.0), ax);
  const V z = c * splat<V>(0.7071067811865476);
  const auto e = gauss_factor(c, -0.5);
  const V y = quotient(two_prod(e.factor, half * erfcx_scaled(z)), two_sum(half, z));
  return ldexp_small(y, e.n - splat<V>(1.0));
}

template <class V>
PHINTYS_KERNEL V ndtr_double(V x) {
  const V half = splat<V>(0.5);
  const V ax = abs(x);
  const V tail = normal_tail(ax);
  const V z = x * splat<V>(0.7071067811865476);
  const V near = fma(half, fma(z, poly_erf(z * z), z), half);
  const V far = select(x > splat<V>(0.0), splat<V>(1.0) - tail, tail);
  return select(isnan(x), x, select(ax < splat<V>(0.7), near, far));
}

/// The distribution function of the normal distribution. All x. 3 ULP.
template <class V>
PHINTYS_INLINE V ndtr(V x) {
  return in_double([](auto w) __attribute__((always_inline)) { return ndtr_double(w); }, x);
}

template <class V>
PHINTYS_KERNEL V log_ndtr_double(V x) {
  const V zero = splat<V>(0.0);
  const V half = splat<V>(0.5);
  const V one = splat<V>(1.0);
  const V ax = abs(x);
  const auto left = x < zero;
  const V z = ax * splat<V>(0.7071067811865476);
  const V scaled = half * (half * erfcx_scaled(z)) / (half + z);
  const auto rest = two_sum(one, -normal_tail(ax));
  const V l = log_any_double_word<V>({select(left, scaled, rest.hi), select(left, zero, rest.lo)});
  const V y = select(left, fma(-half * x, x, l), l);
  return select(isnan(x), x, select(x == -infinity<V>(), x, y));
}

/// log ndtr(x). All x. 3 ULP.
template <class V>
PHINTYS_INLINE V log_ndtr(V x) {
  return in_double([](auto w) __attribute__((always_inline)) { return log_ndtr_double(w); }, x);
}

template <class V>
PHINTYS_KERNEL V ndtri_double(V p) {
  const V one = splat<V>(1.0);
  const V tail = min(p, one - p);
  return splat<V>(1.4142135623730951) * quantile_as241(p - splat<V>(0.5), tail + tail);
}

/// The inverse of ndtr. 0 <= p <= 1, NaN outside. 6 ULP.
template <class V>
PHINTYS_INLINE V ndtri(V p) {
  return in_double([](auto w) __attribute__((always_inline)) { return ndtri_double(w); }, p);
}

template <class V>
PHINTYS_KERNEL V ndtri_exp_double(V y) {
  const V zero = splat<V>(0.0);
  const auto right = y > splat<V>(-0.69314718055994531);
  const V tail = select(right, -expm1(y), exp(y));
  const V near = ndtri_double(tail);
  V x = select(right, -near, near);
  const auto far = (y < splat<V>(-700.0)) & (y > -infinity<V>());
  if (any(far)) {
    const V yc = select(far, y, splat<V>(-800.0));
    const V l = log(splat<V>(-12.566370614359172) * max(splat<V>(-1e300), yc));
    V u = splat<V>(-1.4142135623730951) * sqrt(fma(splat<V>(-0.5), l, -yc));
    for (int k = 0; k < 4; ++k) {
      const V slope = splat<V>(0.7978845608028654) / erfcx(u * splat<V>(-0.7071067811865476));
      u = u - (log_ndtr_double(u) - yc) / slope;
    }
    x = select(far, u, x);
  }
  x = select(y == -infinity<V>(), y, x);
  return select(y > zero, quiet_nan<V>(), x);
}

/// The x whose log_ndtr is y <= 0. 1e-14.
template <class V>
PHINTYS_INLINE V ndtri_exp(V y) {
  return in_double([](auto w) __attribute__((always_inline)) { return ndtri_exp_double(w); }, y);
}

/// For |a| <= 1 by Gauss and Legendre's rule over the defining integral, cut where nothing is left
/// of it; other a by T(h, a) = (Q(h) + Q(a h)) / 2 - Q(h) Q(a h) - T(a h, 1/a).
template <class V>
PHINTYS_KERNEL V owens_t_double(V h, V a) {
  const V one = splat<V>(1.0);
  const V half = splat<V>(0.5);
  const V ah = abs(h);
  const V aa = abs(a);
  const auto swap = aa > one;
  const V product = select(ah == splat<V>(0.0), ah, ah * aa);
  const V hc = min(select(swap, product, ah), splat<V>(1e10));
  const V ac = select(swap, one / aa, aa);
  const V width = min(ac, splat<V>(9.0) / max(hc, splat<V>(1e-10)));
  const V scale = splat<V>(-0.5) * hc * hc;
  V sum = splat<V>(0.0);
  for (int k = 0; k < 40; ++k) {
    const V t = width * splat<V>(kLegendreNodes[k]);
    const V t2 = t * t;
    sum = fma(exp(scale * t2), splat<V>(kLegendreWeights[k]) / (one + t2), sum);
  }
  const auto e = gauss_factor(min(hc, splat<V>(39.0)), -0.5);
  const V inner = splat<V>(0.15915494309189535) * width * sum * ldexp_small(e.factor, e.n);
  const V q = ndtr_double(-ah);
  const V qa = ndtr_double(-product);
  const V outer = half * (q + qa) - q * qa - inner;
  const V y = copysign(select(swap, outer, inner), a);
  return select(isnan(h) | isnan(a), quiet_nan<V>(), y);
}

/// Owen's T function. All h, a. Relative error 1e-14; for |a| > 1 absolute, against T(h, inf).
template <class V>
PHINTYS_INLINE V owens_t(V h, V a) {
  return in_double(
      [](auto s, auto t) __attribute__((always_inline)) { return owens_t_double(s, t); }, h, a);
}

}  // namespace phintys::math
