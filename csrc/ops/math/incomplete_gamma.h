// gammainc, gammaincc, their derivatives by the first parameter, and their inverses.
#pragma once

#include "error_function.h"
#include "gamma.h"

namespace phintys::math {

/// log gamma(1 + a) for a > 0 in a double word, also relative to it near 0.
template <class V>
PHINTYS_INLINE DoubleWord<V> lgamma1p_double_word(V a) {
  const V zero = splat<V>(0.0);
  const V one = splat<V>(1.0);
  const auto small = a < splat<V>(0.5);
  // gamma(1 + a) = gamma(2 + a) / (1 + a) = a gamma(a); a - 1 and a are exact arguments.
  const auto middle = a < splat<V>(1.5);
  const V t = select(small, a, select(middle, a - one, zero));
  const auto near = two_prod(t, poly_lgamma2(t));
  const auto l = log_precise(two_sum(one, select(small, a, zero)));
  const auto below = near + (-l);
  const V c = select(middle, splat<V>(2.0), a);
  const auto above = lgamma_double_word(c) + log_precise(c);
  return select(small, below, select(middle, near, above));
}

/// 2 atanh s - 2 s for |s| <= 0.53, divided by s: makes mu - log(1 + mu) = s (mu - tail) with
/// s = mu / (2 + mu) free of cancellation.
template <class V>
PHINTYS_INLINE V minus_log1p(V mu) {
  const V s = mu / (mu + splat<V>(2.0));
  const V u = s * s;
  return s * (mu - u * poly_atanh_wide(u));
}

/// What all methods for P(a, x) and Q(a, x) share.
template <class V>
struct GammaRatio {
  V lower;  // P
  V upper;  // Q
};

/// Temme's uniform expansion (DLMF 8.12) for a >= 12 and |eta| < 1. With S = sum b_n eta^n, the
/// differential equation eta S - S'/a = f/Gamma* - 1, f = eta / (lambda - 1) = sum d_n eta^n,
/// gives the b_n by a recurrence from the last one, up to the factor Gamma* = 1 + b_1 / a.
template <class V>
PHINTYS_KERNEL GammaRatio<V> gamma_ratio_temme(V a, V x) {
  constexpr int kTerms = 26;
  const V zero = splat<V>(0.0);
  const V half = splat<V>(0.5);
  const V inv = splat<V>(1.0) / a;
  const V mu = (x - a) * inv;
  const V phi = max(zero, minus_log1p(mu));
  const V eta = copysign(sqrt(phi + phi), mu);
  V above = zero;
  V sum = zero;
  V two_above = zero;
  V first = zero;
  for (int n = kTerms - 1; n >= 0; --n) {
    // b_n = d_(n+1) + (n + 2)/a b_(n+2).
    const V next =
        fma(splat<V>(static_cast<double>(n + 2)) * inv, two_above, splat<V>(kTemme[n + 1]));
    sum = fma(sum, eta, next);
    two_above = above;
    above = next;
    if (n == 1) first = next;
  }
  const V s = sum / fma(first, inv, splat<V>(1.0));
  const V z2 = a * phi;
  const V z = sqrt(z2);
  const V r = s * splat<V>(0.3989422804014327) * sqrt(inv);
  const V scaled = half * (half * erfcx_scaled(z) / (half + z));
  const V e = exp(-z2);
  const auto right = mu >= zero;
  const V tail = e * select(right, scaled + r, scaled - r);
  const V rest = splat<V>(1.0) - tail;
  return {select(right, rest, tail), select(right, tail, rest)};
}

/// The power series: 1 + x/(a+1) + x^2/((a+1)(a+2)) + ...
template <class V>
PHINTYS_INLINE V gamma_series(V a, V x, mask_t<V> active) {
  const V one = splat<V>(1.0);
  const V xc = select(active, x, splat<V>(0.0));
  V term = one;
  V sum = one;
  V d = select(active, a, one);
  for (int k = 0; k < 400; ++k) {
    d = d + one;
    term = term * (xc / d);
    sum = sum + term;
    if (!any(term > splat<V>(1e-17) * sum)) break;
  }
  return sum;
}

/// Legendre's continued fraction for x^-a e^x Gamma(a, x) by forward recurrence. Lanes that have
/// converged keep their values, so that none depends on its neighbours.
template <class V>
PHINTYS_INLINE V gamma_fraction(V a, V x, mask_t<V> active) {
  const V one = splat<V>(1.0);
  const V large = splat<V>(1e150);
  const V scale = splat<V>(1e-150);
  const V ac = select(active, a, one);
  const V xc = select(active, x, splat<V>(2.0));
  V p0 = splat<V>(0.0);
  V q0 = one;
  V p1 = one;
  V q1 = xc + one - ac;
  V b = q1;
  auto running = active;
  for (int k = 1; k < 2000; ++k) {
    const V n = splat<V>(static_cast<double>(k));
    const V c = n * (ac - n);
    b = b + splat<V>(2.0);
    V p2 = fma(b, p1, c * p0);
    V q2 = fma(b, q1, c * q0);
    const auto over = (abs(q2) > large) | (abs(p2) > large);
    const V f = select(over, scale, one);
    p2 = p2 * f;
    q2 = q2 * f;
    const V p1s = p1 * f;
    const V q1s = q1 * f;
    // |p2/q2 - p1/q1| against |p2/q2|, cross-multiplied; the scaled values keep clear of overflow.
    const V one_side = (p2 * scale) * q1s;
    const V other_side = (p1s * scale) * q2;
    p0 = select(running, p1s, p0);
    q0 = select(running, q1s, q0);
    p1 = select(running, p2, p1);
    q1 = select(running, q2, q1);
    running = running & (abs(one_side - other_side) > splat<V>(1e-16) * abs(one_side));
    if (!any(running)) break;
  }
  return p1 / q1;
}

/// Q(a, x) for a < 1 and small x, where 1 - P would cancel:
/// -expm1(a log x - log gamma(1 + a)) - x^a / gamma(1 + a) sum_(n>0) (-x)^n a / (n! (a + n)).
template <class V>
PHINTYS_INLINE V gamma_small(V a, V x, DoubleWord<V> l) {
  const V one = splat<V>(1.0);
  const V u = log(x) * a - (l.hi + l.lo);
  V term = one;
  V sum = splat<V>(0.0);
  for (int n = 1; n <= 20; ++n) {
    const V k = splat<V>(static_cast<double>(n));
    term = term * x * splat<V>(-1.0 / n);
    sum = fma(term, a / (a + k), sum);
  }
  return -expm1(u) - exp(u) * sum;
}

/// P(a, x) and Q(a, x) for finite a, x > 0.
template <class V>
PHINTYS_KERNEL GammaRatio<V> gamma_ratio(V a, V x) {
  const V zero = splat<V>(0.0);
  const V one = splat<V>(1.0);
  GammaRatio<V> y{zero, one};
  const auto uniform = (a >= splat<V>(12.0)) & (x > splat<V>(0.31) * a) & (x < splat<V>(2.3) * a);
  if (any(uniform)) {
    const auto t =
        gamma_ratio_temme(select(uniform, a, splat<V>(20.0)), select(uniform, x, splat<V>(20.0)));
    y = {select(uniform, t.lower, y.lower), select(uniform, t.upper, y.upper)};
  }
  if (all(uniform)) return y;
  // x^a e^-x / gamma(a + 1); beyond these limits nothing is left of it.
  const auto low = x <= max(a, splat<V>(1.1));
  const V ac = select(uniform | (a > splat<V>(1e17)), one, a);
  const V xc = select(uniform | (x > splat<V>(1e17)), one, x);
  const auto l = lgamma1p_double_word(ac);
  const auto lx = log_precise(xc);
  // The scaling for denormals is split_log's, within log_precise.
  const auto d = exp(lx * ac + (-l) + (-xc));
  const auto gone = ~uniform & ((x > splat<V>(1e17)) | (a > splat<V>(1e17)));
  const auto series = ~uniform & low & !gone;
  if (any(series)) {
    const V p = d * gamma_series(a, x, series);
    V q = one - p;
    const auto small = series & (a < splat<V>(0.9)) & (x <= splat<V>(1.1));
    if (any(small)) {
      const V as = select(small, a, splat<V>(0.5));
      const V xs = select(small, x, one);
      q = select(small, gamma_small(as, xs, select(small, l, lgamma1p_double_word(as))), q);
    }
    y = {select(series, p, y.lower), select(series, q, y.upper)};
  }
  const auto fraction = ~uniform & ~low & !gone;
  if (any(fraction)) {
    const V q = d * ac * gamma_fraction(a, x, fraction);
    y = {select(fraction, one - q, y.lower), select(fraction, q, y.upper)};
  }
  const auto right = gone & (x > a);
  const auto left = gone & !(x > a);
  return {select(right, one, select(left, zero, y.lower)),
          select(right, zero, select(left, one, y.upper))};
}

/// With SciPy's values on the borders.
template <bool Upper, class V>
PHINTYS_KERNEL V gammainc_double(V a, V x) {
  const V zero = splat<V>(0.0);
  const V one = splat<V>(1.0);
  const V inf = infinity<V>();
  const auto inside = (a > zero) & (x > zero) & (a < inf) & (x < inf);
  const auto r = gamma_ratio(select(inside, a, one), select(inside, x, one));
  const auto bad =
      ~(a >= zero) | ~(x >= zero) | ((a == zero) & (x == zero)) | ((a == inf) & (x == inf));
  const auto lower_one = (a == zero) | (x == inf);
  const V p = Upper ? r.upper : r.lower;
  const V edge = Upper ? select(lower_one, zero, one) : select(lower_one, one, zero);
  return select(bad, quiet_nan<V>(), select(inside, p, edge));
}

/// The regularised lower incomplete gamma function P(a, x), a >= 0, x >= 0. Relative error 2e-14,
/// for results below 1e-10 up to 2e-13.
template <class V>
PHINTYS_INLINE V gammainc(V a, V x) {
  return in_double([](auto s, auto t)
                       __attribute__((always_inline)) { return gammainc_double<false>(s, t); },
                   a, x);
}
/// The regularised upper one, Q = 1 - P, with the same errors.
template <class V>
PHINTYS_INLINE V gammaincc(V a, V x) {
  return in_double([](auto s, auto t)
                       __attribute__((always_inline)) { return gammainc_double<true>(s, t); },
                   a, x);
}

/// dP/da by quadrature over t = x e^-u (left of the middle) or x e^u (right of it), where the
/// integrand (log t - digamma(a)) t^a e^-t / gamma(a) keeps one sign; u = c exp(s - e^-s) spreads
/// the nodes over all scales.
template <class V>
PHINTYS_KERNEL V gammainc_grad_double(V a, V x) {
  const V zero = splat<V>(0.0);
  const V one = splat<V>(1.0);
  const auto inside = (a > zero) & (x > zero) & (a < infinity<V>()) & (x < infinity<V>());
  const V ac = select(inside, min(max(a, splat<V>(1e-100)), splat<V>(1e15)), one);
  const V xc = select(inside, min(max(x, splat<V>(1e-300)), splat<V>(1e15)), one);
  const auto l = lgamma1p_double_word(ac);
  const auto lx = log_precise(xc);
  const V density = ac * exp(lx * ac + (-l) + (-xc));  // x^a e^-x / gamma(a)
  const auto left = xc <= max(ac, splat<V>(1.0));
  const V level = lx.hi - digamma_double(ac);
  const V sign = select(left, -one, one);
  // The scale on which the exponent -a u + x (1 - e^-u), or its mirror image, falls by about one.
  const V slope = abs(ac - xc);
  const V c = splat<V>(2.0) / (slope + sqrt(fma(slope, slope, ac + xc)) + min(ac, one));
  constexpr int kNodes = 96;
  constexpr double kLow = -3.6;
  constexpr double kHigh = 4.6;
  constexpr double kStep = (kHigh - kLow) / kNodes;
  V sum = zero;
  for (int k = 0; k <= kNodes; ++k) {
    const V s = splat<V>(kLow + kStep * k);
    const V es = exp(-s);
    const V u = c * exp(s - es);
    const V weight = u * (one + es);
    const V d = sign * u;
    // a d - x (e^d - 1)
    const V e = expm1(min(d, splat<V>(700.0)));
    const V exponent = (ac - xc) * d - xc * (e - d);
    sum = fma(weight * (level + d), exp(exponent), sum);
  }
  V y = select(left, one, -one) * density * sum * splat<V>(kStep);
  // Small parameters have two scales too far apart: there the derivative of the power series.
  const auto small = (ac < one) & (xc <= one);
  if (any(small)) {
    const V xs = select(small, xc, one);
    V term = density / ac;
    V psi = digamma_double(ac + one);
    V k = ac + one;
    V series = zero;
    for (int n = 0; n < 24; ++n) {
      series = fma(term, lx.hi - psi, series);
      const V inv = one / k;
      term = term * xs * inv;
      psi = psi + inv;
      k = k + one;
    }
    y = select(small, series, y);
  }
  const auto bad = ~(a >= zero) | !(x >= zero);
  return select(bad, quiet_nan<V>(), select(inside, y, zero));
}

/// The derivative of gammainc(a, x) by a. Relative error about 1e-12.
template <class V>
PHINTYS_INLINE V gammainc_grad(V a, V x) {
  return in_double([](auto s, auto t)
                       __attribute__((always_inline)) { return gammainc_grad_double(s, t); },
                   a, x);
}

}  // namespace phintys::math
