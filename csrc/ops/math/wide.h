// Functions that float32 arguments go through in double precision, and double-word sums.
#pragma once

#include "power.h"
#include "trigonometric.h"

namespace phintys::math {

/// c0 + c1 x + c2 x^2 + ... in two or four chains of Horner's rule: long kernels wait for their
/// results rather than for a free unit.
template <class V, class... C>
PHINTYS_INLINE V in_chains(V x, C... coefficients) {
  constexpr int kCount = sizeof...(C);
  constexpr int kChains = kCount >= 12 ? 4 : 2;
  const double c[kCount] = {coefficients...};
  const V x2 = x * x;
  const V step = kChains == 4 ? x2 * x2 : x2;
  V part[kChains];
  for (int i = 0; i < kChains; ++i) {
    const int top = kCount - 1 - (kCount - 1 - i) % kChains;
    part[i] = splat<V>(c[top]);
    for (int k = top - kChains; k >= 0; k -= kChains) part[i] = fma(part[i], step, splat<V>(c[k]));
  }
  if constexpr (kChains == 4) {
    return fma(fma(part[3], x, part[2]), x2, fma(part[1], x, part[0]));
  } else {
    return fma(part[1], x, part[0]);
  }
}

/// f of double-precision values, whatever the element type of the arguments.
template <class F, class V>
PHINTYS_INLINE V in_double(F f, V x) {
  if constexpr (is_f32<V>) {
    return map_wide(f, x);
  } else {
    return f(x);
  }
}
template <class F, class V>
PHINTYS_INLINE V in_double(F f, V x, V y) {
  if constexpr (is_f32<V>) {
    return map_wide(f, x, y);
  } else {
    return f(x, y);
  }
}
template <class F, class V>
PHINTYS_INLINE V in_double(F f, V x, V y, V z) {
  if constexpr (!is_f32<V>) {
    return f(x, y, z);
  } else if constexpr (V::lanes == 1) {
    // One lane: z is captured, as map_wide knows up to two operands.
    const auto wide_z = static_cast<double>(get_lane(z, 0));
    return map_wide(
        [=](auto a, auto b)
            __attribute__((always_inline)) { return f(a, b, decltype(a)::broadcast(wide_z)); },
        x, y);
  } else {
    return narrow(f(widen_low(x), widen_low(y), widen_low(z)),
                  f(widen_high(x), widen_high(y), widen_high(z)));
  }
}

template <class V>
PHINTYS_INLINE DoubleWord<V> operator-(DoubleWord<V> a) {
  return {-a.hi, -a.lo};
}
template <class V>
PHINTYS_INLINE DoubleWord<V> operator+(DoubleWord<V> a, DoubleWord<V> b) {
  const auto s = two_sum(a.hi, b.hi);
  return fast_two_sum(s.hi, s.lo + (a.lo + b.lo));
}
template <class V>
PHINTYS_INLINE DoubleWord<V> operator+(DoubleWord<V> a, V b) {
  const auto s = two_sum(a.hi, b);
  return fast_two_sum(s.hi, s.lo + a.lo);
}
template <class V>
PHINTYS_INLINE DoubleWord<V> operator*(DoubleWord<V> a, V b) {
  const auto p = two_prod(a.hi, b);
  return fast_two_sum(p.hi, fma(a.lo, b, p.lo));
}
/// n / d in a double word.
template <class V>
PHINTYS_INLINE DoubleWord<V> divide(DoubleWord<V> n, V d) {
  const V q = n.hi / d;
  const auto back = two_prod(q, d);
  return {q, (((n.hi - back.hi) - back.lo) + n.lo) / d};
}
template <class V>
PHINTYS_INLINE DoubleWord<V> select(mask_t<V> m, DoubleWord<V> a, DoubleWord<V> b) {
  return {select(m, a.hi, b.hi), select(m, a.lo, b.lo)};
}
/// log of a double word above 0.
template <class V>
PHINTYS_INLINE DoubleWord<V> log_precise(DoubleWord<V> x) {
  auto l = log_precise(x.hi);
  l.lo = l.lo + x.lo / x.hi;
  return l;
}

/// e^(hi + lo) as a factor near 1 and a power of two.
template <class V>
struct Scaled {
  V factor;
  V n;
};
template <class V>
PHINTYS_INLINE Scaled<V> exp_scaled(DoubleWord<V> x) {
  const V limit = splat<V>(1050.0);
  const auto inside = abs(x.hi) < limit;
  const auto a = reduce_exp(max(-limit, min(limit, x.hi)));
  return {exp_reduced(a.r + select(inside, x.lo, splat<V>(0.0))), a.n};
}
template <class V>
PHINTYS_INLINE V exp(DoubleWord<V> x) {
  const auto e = exp_scaled(x);
  return select(isnan(x.hi), x.hi, ldexp_small(e.factor, e.n));
}

/// True where the integral value x is odd.
template <class V>
PHINTYS_INLINE mask_t<V> is_odd(V x) {
  const V half = splat<V>(0.5) * x;
  return trunc(half) != half;
}

}  // namespace phintys::math
