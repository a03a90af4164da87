// pow, cbrt.
#pragma once

#include "logarithm.h"

namespace phintys::math {

/// log x in a double word, relative error about 2^-65, for x > 0 (f64).
template <class V>
PHINTYS_INLINE DoubleWord<V> log_precise(V x) {
  const auto a = split_log(x);
  const V inv = splat<V>(1.0) / (splat<V>(2.0) + a.f);
  const auto d = two_sum(splat<V>(2.0), a.f);
  // s = f / (2 + f): the quotient's error is recovered from the exact residual.
  const V s = a.f * inv;
  const auto sd = two_prod(s, d.hi);
  const V s_lo = ((a.f - sd.hi) - sd.lo - s * d.lo) * inv;
  auto z = two_prod(s, s);
  z.lo = fma(s + s, s_lo, z.lo);
  // log = 2 s + s^3 (2/3 + s^2 P(s^2)): only the first two terms need the second word.
  auto t = fast_two_sum(splat<V>(0.66666666666666662966), z.hi * poly_log_s_tail(z.hi));
  t.lo = t.lo + splat<V>(3.7007434154171882626e-17);
  auto u = two_prod(z.hi, t.hi);
  u.lo = u.lo + fma(z.hi, t.lo, z.lo * t.hi);
  auto v = two_prod(s, u.hi);
  v.lo = v.lo + fma(s, u.lo, s_lo * u.hi);
  auto m = fast_two_sum(s + s, v.hi);
  m.lo = m.lo + (s_lo + s_lo + v.lo);
  auto r = fast_two_sum(a.k * splat<V>(6.93147180369123816490e-01), m.hi);
  r.lo = r.lo + fma(a.k, splat<V>(1.90821492927058770002e-10), m.lo);
  return fast_two_sum(r.hi, r.lo);
}

/// |x|^y without the special cases, for x > 0 (f64).
template <class V>
PHINTYS_INLINE V pow_positive(V x, V y) {
  const auto l = log_precise(x);
  auto p = two_prod(y, l.hi);
  p.lo = fma(y, l.lo, p.lo);
  const V limit = splat<V>(760.0);
  const auto inside = abs(p.hi) < limit;
  const V lo = select(inside, p.lo, splat<V>(0.0));
  const V hi = max(-limit, min(limit, p.hi));
  const auto a = reduce_exp(hi);
  return ldexp_small(exp_reduced(a.r + lo), a.n);
}

/// The same from single-precision arguments: plain double precision is exact enough.
template <class V>
PHINTYS_INLINE V pow_positive_f32(V x, V y) {
  const auto s = split_normal(x, splat<V>(0.0));
  const V l = log_sum(s.k, s.f);
  const V limit = splat<V>(110.0);
  const auto a = reduce_exp(max(-limit, min(limit, y * l)));
  return ldexp_small(exp_reduced(a.r), a.n);
}

/// x to the power y, with the special cases of C's pow. All arguments. 1 ULP f32, 2 ULP f64.
template <class V>
PHINTYS_INLINE V pow(V x, V y) {
  const V zero = splat<V>(0.0);
  const V one = splat<V>(1.0);
  const V inf = infinity<V>();
  const V ax = abs(x);
  const V ay = abs(y);
  V r;
  if constexpr (is_f32<V>) {
    r = map_wide([](auto a, auto b)
                     __attribute__((always_inline)) { return pow_positive_f32(a, b); },
                 ax, y);
  } else {
    r = pow_positive(ax, y);
  }
  // 0 and inf to a power, and any number to an infinite power: 0 or inf, by two signs.
  const auto grows = (ax > one) ^ (y < zero);
  const auto edge = (ax == zero) | (ax == inf) | (ay == inf);
  r = select(edge, select(grows, inf, zero), r);
  const V half_y = splat<V>(0.5) * y;
  const auto integral = trunc(y) == y;
  const auto odd = integral & (trunc(half_y) != half_y);
  r = flip_sign(r, select(odd, x, zero));
  r = select((x < zero) & !integral & (ax != inf), quiet_nan<V>(), r);
  r = select(isnan(x) | isnan(y), quiet_nan<V>(), r);
  return select((y == zero) | (x == one) | ((ax == one) & (ay == inf)), one, r);
}

}  // namespace phintys::math
