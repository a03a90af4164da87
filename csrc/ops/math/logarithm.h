// log, log2, log10, log1p, softplus, asinh, acosh, atanh.
#pragma once

#include "exponential.h"

namespace phintys::math {

/// x = 2^k (1 + f) with sqrt(1/2) <= 1 + f < sqrt 2, for x > 0, denormals included.
template <class V>
struct LogArgument {
  V k;
  V f;
};

/// The same for x known to be normal; `bias` is subtracted from k.
template <class V>
PHINTYS_INLINE LogArgument<V> split_normal(V x, V bias) {
  using E = elem_t<int_t<V>>;
  if constexpr (is_f32<V>) {
    const int_t<V> t = bitcast_int(x) + int_t<V>::broadcast(E{0x3f800000 - 0x3f3504f3});
    const V m = bitcast_float((t & E{0x007fffff}) + int_t<V>::broadcast(E{0x3f3504f3}));
    const V k = to_float(shr_logical(t, 23)) - (splat<V>(127.0) + bias);
    return {k, m - splat<V>(1.0)};
  } else {
    const int_t<V> t =
        bitcast_int(x) + int_t<V>::broadcast(E{0x3ff0000000000000 - 0x3fe6a09e667f3bcd});
    const V m =
        bitcast_float((t & E{0x000fffffffffffff}) + int_t<V>::broadcast(E{0x3fe6a09e667f3bcd}));
    // 2^52 + i, made by joining bits: faster than a 64-bit conversion.
    const V k = bitcast_float(shr_logical(t, 52) | E{0x4330000000000000}) -
                (splat<V>(4503599627370496.0 + 1023.0) + bias);
    return {k, m - splat<V>(1.0)};
  }
}
template <class V>
PHINTYS_INLINE LogArgument<V> split_log(V x) {
  const auto tiny = x < splat<V>(1.17549435e-38, 2.2250738585072014e-308);
  const V scaled = select(tiny, x * splat<V>(33554432.0, 18014398509481984.0), x);
  return split_normal(scaled, select(tiny, splat<V>(25.0, 54.0), splat<V>(0.0)));
}

/// k ln 2 + log(1 + f), sqrt(1/2) <= 1 + f <= sqrt 2. The sums are ordered as in fdlibm's e_log.c.
template <class V>
PHINTYS_INLINE V log_sum(V k, V f) {
  if constexpr (is_f32<V>) {
    const V z = f * f;
    V y = f * z * poly_log_f(f);
    y = fma(k, splat<V>(-2.12194440054690583e-4), y);
    y = fma(z, splat<V>(-0.5), y);
    return fma(k, splat<V>(0.693359375), f + y);
  } else {
    const V s = f / (splat<V>(2.0) + f);
    const V z = s * s;
    const V r = z * poly_log_s(z);
    const V h = splat<V>(0.5) * f * f;
    const V low = fma(s, h + r, k * splat<V>(1.90821492927058770002e-10));
    return fma(k, splat<V>(6.93147180369123816490e-01), f - (h - low));
  }
}

/// What every logarithm says outside 0 < x < inf.
template <class V>
PHINTYS_INLINE V log_specials(V x, V y) {
  const V zero = splat<V>(0.0);
  y = select(x < infinity<V>(), y, x);
  y = select(x == zero, -infinity<V>(), y);
  return select(x < zero, quiet_nan<V>(), y);
}

/// f(split x) for normal x; the few instructions for all others are skipped where no lane asks.
template <class V, class F>
PHINTYS_INLINE V log_of(V x, F f) {
  const V smallest = splat<V>(1.17549435e-38, 2.2250738585072014e-308);
  const auto normal = (x >= smallest) & (x < infinity<V>());
  if (__builtin_expect(all(normal), 1)) return f(split_normal(x, splat<V>(0.0)));
  return log_specials(x, f(split_log(x)));
}

/// Natural logarithm. All x; NaN below 0. 1 ULP.
template <class V>
PHINTYS_INLINE V log(V x) {
  return log_of(x,
                [](LogArgument<V> a) __attribute__((always_inline)) { return log_sum(a.k, a.f); });
}

/// log(1 + f) as a sum, exact enough for other bases: hi has zeros in its lower half.
template <class V>
PHINTYS_INLINE DoubleWord<V> log_split(V f) {
  using E = elem_t<int_t<V>>;
  const V h = splat<V>(0.5) * f * f;
  V rest;
  if constexpr (is_f32<V>) {
    rest = f * (f * f) * poly_log_f(f);
  } else {
    const V s = f / (splat<V>(2.0) + f);
    const V z = s * s;
    rest = s * fma(z, poly_log_s(z), h);
  }
  const V hi =
      bitcast_float(bitcast_int(f - h) & (is_f32<V> ? E(0xfffff000) : E(0xffffffff00000000)));
  return {hi, ((f - hi) - h) + rest};
}

/// log2 x. All x; exact at powers of two. 1 ULP. fdlibm's e_log2.c.
template <class V>
PHINTYS_INLINE V log2(V x) {
  const V inv_hi = splat<V>(1.4428710938e+00, 1.44269504072144627571e+00);
  const V inv_lo = splat<V>(-1.7605285393e-04, 1.67517131648865118353e-10);
  return log_of(x, [=](LogArgument<V> a) __attribute__((always_inline)) {
    const auto l = log_split(a.f);
    const V hi = l.hi * inv_hi;
    const V lo = fma(l.lo + l.hi, inv_lo, l.lo * inv_hi);
    const V w = a.k + hi;
    return w + (((a.k - w) + hi) + lo);
  });
}

/// log10 x. All x; exact at powers of ten. 2 ULP. fdlibm's e_log10.c.
template <class V>
PHINTYS_INLINE V log10(V x) {
  const V inv_hi = splat<V>(4.3432617188e-01, 4.34294481878168880939e-01);
  const V inv_lo = splat<V>(-3.1689971365e-05, 2.50829467116452752298e-11);
  const V two_hi = splat<V>(3.0102920532e-01, 3.01029995663611771306e-01);
  const V two_lo = splat<V>(7.9034151668e-07, 3.69423907715893078616e-13);
  return log_of(x, [=](LogArgument<V> a) __attribute__((always_inline)) {
    const auto l = log_split(a.f);
    const V hi = l.hi * inv_hi;
    const V y = a.k * two_hi;
    const V lo = fma(a.k, two_lo, fma(l.lo + l.hi, inv_lo, l.lo * inv_hi));
    const V w = y + hi;
    return w + (((y - w) + hi) + lo);
  });
}

/// log(u.hi + u.lo) for u.hi > 0 normal, u.lo small beside it; twice as large where `doubled`.
template <class V>
PHINTYS_INLINE V log_double_word(DoubleWord<V> u, V extra_k) {
  const auto a = split_normal(u.hi, splat<V>(0.0));
  const V f = a.f + ldexp_small(splat<V>(1.0), -a.k) * u.lo;
  return log_sum(a.k + extra_k, f);
}

/// log(1 + y.hi + y.lo) for y.hi > -1.
template <class V>
PHINTYS_INLINE V log1p_double_word(DoubleWord<V> y) {
  auto u = two_sum(splat<V>(1.0), y.hi);
  u.lo = u.lo + y.lo;
  return log_double_word(u, splat<V>(0.0));
}

/// log(1 + x). All x; NaN below -1, -0 stays -0. 1.5 ULP.
/// The rounding error of 1 + x goes back into the reduced argument.
template <class V>
PHINTYS_INLINE V log1p(V x) {
  const V y = log1p_double_word<V>({x, splat<V>(0.0)});
  const V u = splat<V>(1.0) + x;
  return copysign(log_specials(u, y), x);
}

/// log(1 + e^x), without overflow. All x. 2.1 ULP. With z = e^-|x| and s = z / (2 + z),
/// log(1 + z) = 2 atanh s = z - s (z - s^2 P(s^2)): the leading term has no error but that of z.
template <class V>
PHINTYS_INLINE V softplus(V x) {
  const V z = exp(-abs(x));
  const V s = z / (z + splat<V>(2.0));
  const V s2 = s * s;
  const V y = z - s * (z - s2 * poly_log1p_unit(s2));
  return max(splat<V>(0.0), x) + y;
}

/// asinh x. All x; -0 stays -0. 2 ULP.
/// sign(x) log1p(|x| + x^2 / (1 + sqrt(1 + x^2))), in double words; f32 in double precision.
template <class V>
PHINTYS_INLINE V asinh(V x) {
  if constexpr (is_f32<V>) {
    return map_wide(
        [](auto w) __attribute__((always_inline)) {
          using W = decltype(w);
          const W a = abs(w);
          const W z = a * a;
          const W y = log1p(a + z / (splat<W>(1.0) + sqrt(splat<W>(1.0) + z)));
          return copysign(select(a < infinity<W>(), y, a), w);
        },
        x);
  } else {
    const V one = splat<V>(1.0);
    const V ax = abs(x);
    const auto big = ax > splat<V>(268435456.0);
    const V a = select(big, one, ax);
    const auto z = two_prod(a, a);
    auto w = two_sum(one, z.hi);
    w.lo = w.lo + z.lo;
    const V root = sqrt(w.hi);
    const auto square = two_prod(root, root);
    const V root_lo = ((w.hi - square.hi) - square.lo + w.lo) / (root + root);
    auto d = two_sum(one, root);
    d.lo = d.lo + root_lo;
    const V inv = one / d.hi;
    const V q = z.hi * inv;
    const auto back = two_prod(q, d.hi);
    const V q_lo = ((z.hi - back.hi) - back.lo + z.lo - q * d.lo) * inv;
    auto y = fast_two_sum(a, q);
    y.lo = y.lo + q_lo;
    auto u = two_sum(one, y.hi);
    u.lo = u.lo + y.lo;
    // Large x: log(2 |x|), kept from overflow by counting one more power of two.
    u.hi = select(big, ax, u.hi);
    u.lo = select(big, splat<V>(0.0), u.lo);
    const V r = log_double_word(u, select(big, one, splat<V>(0.0)));
    const V small = select(ax < splat<V>(1e-9), ax, r);
    return copysign(select(ax < infinity<V>(), small, ax), x);
  }
}

/// acosh x. x >= 1, NaN below. 2 ULP.
/// log1p(t + sqrt(2 t + t^2)), t = x - 1, in double words; f32 in double precision.
template <class V>
PHINTYS_INLINE V acosh(V x) {
  if constexpr (is_f32<V>) {
    return map_wide(
        [](auto w) __attribute__((always_inline)) {
          using W = decltype(w);
          const W t = w - splat<W>(1.0);
          const W y = log1p(t + sqrt(t * (t + splat<W>(2.0))));
          return select(t < splat<W>(0.0), quiet_nan<W>(), y);
        },
        x);
  } else {
    const V one = splat<V>(1.0);
    const auto big = x > splat<V>(268435456.0);
    const V a = select(big, one, x);
    const auto t = two_sum(a, -one);
    const auto square = two_prod(t.hi, t.hi);
    auto w = two_sum(t.hi + t.hi, square.hi);
    w.lo = w.lo + square.lo + (splat<V>(2.0) + t.hi + t.hi) * t.lo;
    const V root = sqrt(w.hi);
    const auto back = two_prod(root, root);
    const V root_lo =
        select(root == splat<V>(0.0), root, ((w.hi - back.hi) - back.lo + w.lo) / (root + root));
    auto y = two_sum(t.hi, root);
    y.lo = y.lo + root_lo + t.lo;
    auto u = two_sum(one, y.hi);
    u.lo = u.lo + y.lo;
    u.hi = select(big, x, u.hi);
    u.lo = select(big, splat<V>(0.0), u.lo);
    const V r = log_double_word(u, select(big, one, splat<V>(0.0)));
    const V finite = select(x < infinity<V>(), r, x);
    return select(x < one, quiet_nan<V>(), finite);
  }
}

/// atanh x. |x| <= 1, NaN outside; -0 stays -0. 2 ULP.
/// log1p(2 x / (1 - x)) / 2 with the quotient in a double word; f32 in double precision.
template <class V>
PHINTYS_INLINE V atanh(V x) {
  if constexpr (is_f32<V>) {
    return map_wide(
        [](auto w) __attribute__((always_inline)) {
          using W = decltype(w);
          const W a = abs(w);
          const W y = log1p((a + a) / (splat<W>(1.0) - a));
          return copysign(splat<W>(0.5) * y, w);
        },
        x);
  } else {
    const V one = splat<V>(1.0);
    const V ax = abs(x);
    const auto d = two_sum(one, -ax);
    const V inv = one / d.hi;
    const V n = ax + ax;
    const V q = n * inv;
    const auto back = two_prod(q, d.hi);
    const V q_lo = ((n - back.hi) - back.lo - q * d.lo) * inv;
    const V r = splat<V>(0.5) * log1p_double_word<V>({q, q_lo});
    const V small = select(ax < splat<V>(1e-9), ax, r);
    const V edge = select(ax < one, small, infinity<V>());
    return copysign(select(ax <= one, edge, quiet_nan<V>()), x);
  }
}

}  // namespace phintys::math
