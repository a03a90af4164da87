// gammaln, gamma, digamma, trigamma, polygamma, zeta, sinc.
#pragma once

#include "special_polynomials.h"
#include "wide.h"

namespace phintys::math {

/// sin(pi r), |r| <= 1/2.
template <class V>
PHINTYS_INLINE V sinpi_reduced(V r) {
  const V u = r * r;
  return fma(r, splat<V>(3.141592653589793),
             r * fma(u, poly_sinpi(u), splat<V>(1.224646799147353177e-16)));
}
/// cos(pi r), |r| <= 1/2.
template <class V>
PHINTYS_INLINE V cospi_reduced(V r) {
  return sinpi_reduced(splat<V>(0.5) - abs(r));
}

/// sin(pi x).
template <class V>
PHINTYS_INLINE V sinpi(V x) {
  const V whole = round_even(x);
  const V s = sinpi_reduced(x - whole);
  return select(is_odd(whole), -s, s);
}

/// log gamma(x) for x > 0 in a double word, absolute error about 1e-17 below 2.5 and 2^-64 of its
/// largest term above. Stirling's formula from 2.5 on; below, log gamma(x + n) near 2 less the
/// logarithm of the factors between, all of whose arguments are exact.
template <class V>
PHINTYS_INLINE DoubleWord<V> lgamma_double_word(V x) {
  const V zero = splat<V>(0.0);
  const V half = splat<V>(0.5);
  const V one = splat<V>(1.0);
  const auto big = x >= splat<V>(2.5);
  const auto by_two = x < half;
  const auto by_one = x < splat<V>(1.5);
  const V t = select(by_two, x, x - select(by_one, one, splat<V>(2.0)));
  const V small = select(by_two, x, zero);
  const auto square = two_prod(small, small);
  const auto product = fast_two_sum(x, square.hi);
  DoubleWord<V> factors;
  factors.hi = select(big, x, select(by_two, product.hi, select(by_one, x, one)));
  factors.lo = select(by_two, product.lo + square.lo, zero);
  const V inv = one / max(splat<V>(1e-290), factors.hi);
  auto l = log_precise(factors.hi);
  l.lo = fma(factors.lo, inv, l.lo);
  const V tc = select(big, zero, t);
  const auto near = two_prod(tc, poly_lgamma2(tc)) + (-l);
  // (x - 1/2) log x - x + log(2 pi)/2 and the rest.
  const V c = select(big, x, splat<V>(3.0));
  auto far = l * (c - half) + (-c);
  far = far + DoubleWord<V>{splat<V>(0.9189385332046728), splat<V>(-3.878294158067241582e-17)};
  const V u = select(big, inv, one);
  far = far + u * poly_stirling(u * u);
  return select(big, far, near);
}

template <class V>
PHINTYS_KERNEL V gammaln_double(V x) {
  const V zero = splat<V>(0.0);
  const V ax = abs(x);
  const auto huge = ax > splat<V>(1e17);
  const auto d = lgamma_double_word(select(huge, splat<V>(1e17), ax));
  V y = d.hi + d.lo;
  if (any(huge)) {
    const V far = select(ax < infinity<V>(), ax, splat<V>(1.0));
    const V value = far * (log(far) - splat<V>(1.0));
    y = select(huge, select(ax < infinity<V>(), value, infinity<V>()), y);
  }
  const auto negative = x < zero;
  if (any(negative)) {
    // log gamma(-y) = log(pi / (y sin(pi y))) - log gamma(y).
    const V r = ax - round_even(ax);
    const V s = abs(sinpi_reduced(r));
    const auto inside = negative & (ax > splat<V>(1e-17)) & (s > zero);
    const V c = select(inside, ax, splat<V>(1.0));
    const auto p = two_prod(c, select(inside, s, splat<V>(1.0)));
    auto l = log_precise(p) +
             DoubleWord<V>{splat<V>(-1.1447298858494002), splat<V>(-1.026595116270782624e-17)};
    l = l + select(inside, d, DoubleWord<V>{zero, zero});
    const V reflected = select(huge, infinity<V>(), -(l.hi + l.lo));
    y = select(inside, reflected, select(negative & (s == zero), infinity<V>(), y));
    y = select(x == -infinity<V>(), x, y);
  }
  y = select(x == zero, infinity<V>(), y);
  return select(isnan(x), x, y);
}

/// log |gamma(x)|. All x; inf at the poles. 2 ULP for x > 0; for x < 0 the larger of 4 ULP and
/// 4 units of 2^-53 in the larger of 1 and log gamma(-x).
template <class V>
PHINTYS_INLINE V gammaln(V x) {
  return in_double([](auto w) __attribute__((always_inline)) { return gammaln_double(w); }, x);
}

/// gamma(x) for x > 0 as a factor and a power of two. Above 185 as at 185.
template <class V>
PHINTYS_INLINE Scaled<V> gamma_scaled(V x) {
  const V zero = splat<V>(0.0);
  const V one = splat<V>(1.0);
  const auto big = x >= splat<V>(2.5);
  const V c = select(big, min(splat<V>(185.0), x), splat<V>(3.0));
  const auto far = exp_scaled(lgamma_double_word(c));
  const auto by_two = x < splat<V>(0.5);
  const auto by_one = x < splat<V>(1.5);
  const V t = select(by_two, x, x - select(by_one, one, splat<V>(2.0)));
  const V g = fma(t, poly_gamma2(t), one);
  const V small = select(by_two, x, zero);
  const auto square = two_prod(small, small);
  const auto product = fast_two_sum(x, square.hi);
  const V d = select(by_two, product.hi, select(by_one, x, one));
  const V d_lo = select(by_two, product.lo + square.lo, zero);
  const V q = g / d;
  const V near = fma(-q, d_lo / d, q);
  return {select(big, far.factor, select(near < infinity<V>(), near, infinity<V>())),
          select(big, far.n, zero)};
}

template <class V>
PHINTYS_KERNEL V gamma_double(V x) {
  const V zero = splat<V>(0.0);
  const V one = splat<V>(1.0);
  const V ax = abs(x);
  const auto tiny = ax < splat<V>(1e-17);
  const auto g = gamma_scaled(select(tiny, one, ax));
  V y = ldexp_small(g.factor, g.n);
  const auto negative = x < zero;
  if (any(negative)) {
    // gamma(-y) = -pi / (y sin(pi y) gamma(y)).
    const V whole = round_even(ax);
    const V s = sinpi_reduced(ax - whole);
    const V c = min(ax, splat<V>(185.0));
    const V q = splat<V>(-3.141592653589793) / (c * g.factor * s);
    const V signed_q = select(is_odd(whole), -q, q);
    V z = ldexp_small(signed_q, -g.n);
    z = select(ax > splat<V>(184.5), copysign(zero, signed_q), z);
    z = select(s == zero, quiet_nan<V>(), z);
    y = select(negative, z, y);
  }
  y = select(tiny, one / x, y);
  y = select(x == infinity<V>(), x, y);
  return select((x == -infinity<V>()) | isnan(x), quiet_nan<V>(), y);
}

/// gamma(x). All x; NaN at the negative integers. 2 ULP for x > 0, 4 ULP below.
template <class V>
PHINTYS_INLINE V gamma(V x) {
  return in_double([](auto w) __attribute__((always_inline)) { return gamma_double(w); }, x);
}

template <class V>
PHINTYS_KERNEL V digamma_double(V x) {
  const V zero = splat<V>(0.0);
  const V one = splat<V>(1.0);
  const V ax = abs(x);
  const auto below_one = ax < one;
  const auto big = ax >= splat<V>(2.0);
  const V inv = one / ax;
  // Between 1 and 2, the root divided out; from 2 on the asymptotic series, fitted.
  const V t = select(big, zero, ax - select(below_one, splat<V>(0.5), splat<V>(1.5)));
  const V root = (t + splat<V>(0.03836785503163766)) + splat<V>(1.644560355044220135e-18);
  const V near = root * poly_digamma(t);
  const V c = select(big & (ax < infinity<V>()), ax, splat<V>(2.0));
  const auto l = log_precise(c);
  const V w = (one / c) * (one / c);
  const V far = l.hi + (l.lo - splat<V>(0.5) * (one / c) - w * poly_digamma_tail(w));
  const V base = select(big, far, near);
  V y = select(below_one, base - inv, base);
  const auto negative = x < zero;
  if (any(negative)) {
    // digamma(-y) = digamma(y) + 1/y + pi cot(pi y).
    const V r = ax - round_even(ax);
    const V s = sinpi_reduced(r);
    const V cot = splat<V>(3.141592653589793) * cospi_reduced(r) / s;
    const V z = select(below_one, base, base + inv) + cot;
    y = select(negative, select(s == zero, quiet_nan<V>(), z), y);
  }
  y = select(ax == infinity<V>(), x, y);
  y = select(x == zero, -one / x, y);
  return select(isnan(x) | (x == -infinity<V>()), quiet_nan<V>(), y);
}

/// The derivative of log gamma. All x; NaN at the negative integers. 2 ULP for x > 0; for x < 0
/// units of 2^-53 in the largest term, as there is a root between any two poles.
template <class V>
PHINTYS_INLINE V digamma(V x) {
  return in_double([](auto w) __attribute__((always_inline)) { return digamma_double(w); }, x);
}

template <class V>
PHINTYS_KERNEL V trigamma_double(V x) {
  const V zero = splat<V>(0.0);
  const V one = splat<V>(1.0);
  const V ax = abs(x);
  const auto below_one = ax < one;
  const auto big = ax >= splat<V>(2.0);
  const V inv = one / ax;
  const V t = select(big, zero, ax - select(below_one, splat<V>(0.5), splat<V>(1.5)));
  const V u = select(big, inv, splat<V>(0.5));
  const V w = u * u;
  const V far = fma(w, fma(u, poly_trigamma_tail(w), splat<V>(0.5)), u);
  const V base = select(big, far, poly_trigamma(t));
  V y = select(below_one, fma(inv, inv, base), base);
  const auto negative = x < zero;
  if (any(negative)) {
    // trigamma(-y) = pi^2 / sin^2(pi y) - trigamma(y) + 1/y^2.
    const V s = sinpi_reduced(ax - round_even(ax));
    const V q = splat<V>(3.141592653589793) / s;
    const V z = fma(q, q, select(below_one, -base, inv * inv - base));
    y = select(negative, select(s == zero, infinity<V>(), z), y);
  }
  return select(isnan(x), x, select(x == -infinity<V>(), infinity<V>(), y));
}

/// The second derivative of log gamma. All x; inf at the poles. 2 ULP for x > 0, 3 ULP below.
template <class V>
PHINTYS_INLINE V trigamma(V x) {
  return in_double([](auto w) __attribute__((always_inline)) { return trigamma_double(w); }, x);
}

/// Hurwitz's zeta, the sum of (q + k)^-s over k >= 0, for s > 1 and q > 0: ten terms, then Euler
/// and Maclaurin's formula.
template <class V>
PHINTYS_KERNEL V zeta_positive(V s, V q) {
  const V zero = splat<V>(0.0);
  const V one = splat<V>(1.0);
  const V ten = splat<V>(10.0);
  // Farther out for large s, whose series begins to converge later.
  const auto near = q < fma(splat<V>(2.0), s, ten);
  V sum = zero;
  V far = q;
  if (any(near)) {
    // Smallest terms first.
    for (int k = 9; k >= 0; --k) {
      sum = sum + pow_positive(q + splat<V>(static_cast<double>(k)), -s);
    }
    sum = select(near, sum, zero);
    far = select(near, q + ten, q);
  }
  const V p = pow_positive(far, one - s);
  // B_2j / (2j)! s (s + 1) ... (s + 2j - 2) far^(1 - 2j), by the ratio of consecutive terms.
  constexpr double kRatio[] = {1.0 / 12,
                               -1.0 / 720,
                               1.0 / 30240,
                               -1.0 / 1209600,
                               1.0 / 47900160,
                               -691.0 / 1307674368000.0,
                               1.0 / 74724249600.0,
                               -3617.0 / 10670622842880000.0,
                               43867.0 / 5109094217170944000.0,
                               -174611.0 / 802857662698291200000.0};
  const V inv = one / far;
  V product = s * inv;
  V tail = zero;
  V rising = s;
  for (const double c : kRatio) {
    tail = fma(product, splat<V>(c), tail);
    product = product * ((rising + one) * inv) * ((rising + splat<V>(2.0)) * inv);
    rising = rising + splat<V>(2.0);
  }
  const V rest = p * (one / (s - one) + (splat<V>(0.5) + tail) * inv);
  return sum + rest;
}

/// The same for all q but the poles at 0, -1, ..., where s is an integer:
/// over both directions the sums from a fraction f and from 1 - f, less the terms not wanted.
template <class V>
PHINTYS_INLINE V zeta_integer(V s, V q) {
  const V zero = splat<V>(0.0);
  const V one = splat<V>(1.0);
  const auto positive = q > zero;
  V y = zeta_positive(s, select(positive, q, one));
  if (any(q < zero)) {
    const V f = select(positive, splat<V>(0.5), q - floor(q));
    const V c = select(positive, one, one - q);
    const V other =
        zeta_positive(s, select(f == zero, splat<V>(0.5), one - f)) - zeta_positive(s, c);
    const V both =
        zeta_positive(s, select(f == zero, splat<V>(0.5), f)) + select(is_odd(s), -other, other);
    y = select(positive, y, both);
  }
  return y;
}

template <class V>
PHINTYS_KERNEL V polygamma_double(V n, V x) {
  const V zero = splat<V>(0.0);
  const V one = splat<V>(1.0);
  const auto valid = (n >= one) & (trunc(n) == n);
  const V s = select(valid, min(n, splat<V>(1e6)), one) + one;
  const V whole = floor(x);
  const auto pole = (x <= zero) & (whole == x);
  const auto finite = (x < infinity<V>()) & (x > -infinity<V>()) & !pole;
  const V value = zeta_integer(s, select(finite, x, one));
  V y = gamma_double(s) * value;
  y = select(pole | (x == -infinity<V>()), infinity<V>(), y);
  y = select(x == infinity<V>(), zero, y);
  y = select(is_odd(s), -y, y);
  y = select(valid, y, quiet_nan<V>());
  y = select(isnan(x), x, y);
  if (any(n == zero)) y = select(n == zero, digamma_double(x), y);
  return y;
}

/// The nth derivative of digamma, for integers n >= 0; NaN for other n. 1e-14 relative to it or,
/// for x < 0, to its largest term.
template <class V>
PHINTYS_INLINE V polygamma(V n, V x) {
  return in_double(
      [](auto a, auto b) __attribute__((always_inline)) { return polygamma_double(a, b); }, n, x);
}

/// sin(pi x) / (pi x), 1 at 0. All x. 3 ULP.
template <class V>
PHINTYS_INLINE V sinc(V x) {
  return in_double(
      [](auto w) __attribute__((always_inline)) {
        using W = decltype(w);
        const W whole = round_even(w);
        const W s = sinpi_reduced(w - whole);
        const W y = select(is_odd(whole), -s, s) / (splat<W>(3.141592653589793) * w);
        const W finite = select(abs(w) < infinity<W>(), y, splat<W>(0.0));
        return select(isnan(w), w, select(abs(w) < splat<W>(1e-100), splat<W>(1.0), finite));
      },
      x);
}

}  // namespace phintys::math
