// Densities of the gamma and beta distributions, and their quantiles: gammaincinv, gammainccinv,
// betaincinv.
//
// Quantiles by Newton's method on the logarithm of the smaller tail probability over log x (or
// logit x): both densities are log-concave in it, hence so are the tails, and every start
// converges.
#pragma once

#include "incomplete_beta.h"
#include "incomplete_gamma.h"
#include "normal.h"

namespace phintys::math {

/// x^a e^-x / gamma(a) for a, x > 0.
template <class V>
PHINTYS_KERNEL V gamma_mass(V a, V x) {
  const V one = splat<V>(1.0);
  const auto uniform = (a >= splat<V>(12.0)) & (x > splat<V>(0.31) * a) & (x < splat<V>(2.3) * a);
  const V ac = select(uniform, one, min(a, splat<V>(1e100)));
  const V xc = select(uniform, one, min(x, splat<V>(1e100)));
  V y = ac * exp(log_precise(xc) * ac + (-lgamma1p_double_word(ac)) + (-xc));
  if (any(uniform)) {
    const V au = select(uniform, a, splat<V>(20.0));
    const V xu = select(uniform, x, splat<V>(20.0));
    const V inv = one / au;
    const V e = fma(-au, minus_log1p((xu - au) * inv), -(inv * poly_stirling(inv * inv)));
    y = select(uniform, splat<V>(0.3989422804014327) * sqrt(au) * exp(e), y);
  }
  return y;
}

template <class V>
PHINTYS_KERNEL V gammainc_density_double(V a, V x) {
  const V zero = splat<V>(0.0);
  const V one = splat<V>(1.0);
  const auto inside = (a > zero) & (x > zero) & (a < infinity<V>()) & (x < infinity<V>());
  const V xc = select(inside, x, one);
  const V y = gamma_mass(select(inside, a, one), xc) / xc;
  // At x = 0 the density is that of the power a - 1.
  const V at_zero = select(a < one, infinity<V>(), select(a == one, one, zero));
  const V edge = select(x == zero, at_zero, zero);
  const auto valid = (a > zero) & (x >= zero);
  return select(inside, y, select(valid, edge, quiet_nan<V>()));
}

/// The derivative of gammainc(a, x) by x. As exact as gammainc.
template <class V>
PHINTYS_INLINE V gammainc_density(V a, V x) {
  return in_double([](auto s, auto t)
                       __attribute__((always_inline)) { return gammainc_density_double(s, t); },
                   a, x);
}

template <class V>
PHINTYS_KERNEL V betainc_density_double(V a, V b, V x) {
  const V zero = splat<V>(0.0);
  const V one = splat<V>(1.0);
  const auto inside =
      (a > zero) & (b > zero) & (a < infinity<V>()) & (b < infinity<V>()) & (x > zero) & (x < one);
  const V ac = select(inside, a, one);
  const V bc = select(inside, b, one);
  const V xc = select(inside, x, splat<V>(0.5));
  const auto l = log_precise(xc) * (ac - one) + log_precise(two_sum(one, -xc)) * (bc - one);
  const V y = exp(l + (-betaln_double_word(ac, bc)));
  const V c = select(x == zero, a, b);
  const V other = select(x == zero, b, a);
  const V at_end = select(c < one, infinity<V>(), select(c == one, other, zero));
  const auto valid = (a > zero) & (b > zero) & ((x == zero) | (x == one));
  return select(inside, y, select(valid, at_end, quiet_nan<V>()));
}

/// The derivative of betainc(a, b, x) by x.
template <class V>
PHINTYS_INLINE V betainc_density(V a, V b, V x) {
  return in_double([](auto s, auto t, auto u)
                       __attribute__((always_inline)) { return betainc_density_double(s, t, u); },
                   a, b, x);
}

/// The x with P(a, x) = p and Q(a, x) = q = 1 - p, both in (0, 1).
template <class V>
PHINTYS_KERNEL V gamma_quantile(V a, V p, V q) {
  const V one = splat<V>(1.0);
  const auto lower = p <= q;
  const V target = log(select(lower, p, q));
  // Wilson and Hilferty's cube, or what P <= x^a / gamma(a + 1) gives.
  const V z = select(lower, ndtri_double(p), -ndtri_double(q));
  const V w = splat<V>(1.0 / 9.0) / a;
  const V root = one - w + z * sqrt(w);
  const auto l = lgamma1p_double_word(a);
  const V first = (log(p) + l.hi) / a;
  // Far out a (e^v - 1 - v) = -log tail for v = log(x / a), from Temme's expansion.
  const V far_s = -target / a;
  const V near_v = sqrt(far_s + far_s);
  V v = select(lower, -near_v - far_s * splat<V>(1.0 / 3.0), log1p(far_s + near_v));
  for (int k = 0; k < 4; ++k) {
    const V e = expm1(v);
    v = v - (e - v - far_s) / e;
  }
  const auto central = (abs(z) < splat<V>(5.0)) & (root > splat<V>(0.2));
  V u = log(a) + select(central, splat<V>(3.0) * log(max(root, splat<V>(0.1))), v);
  u = select(a > splat<V>(0.5), u, first);
  u = max(splat<V>(-746.0), min(splat<V>(700.0), u));
  auto running = a == a;
  for (int k = 0; k < 60; ++k) {
    const V x = exp(u);
    const auto r = gamma_ratio(a, x);
    const V tail = select(lower, r.lower, r.upper);
    const V slope = gamma_mass(a, x) / tail;
    V step = (log(tail) - target) / slope;
    step = select(lower, step, -step);
    // Too far out nothing is left of the tail: back by a unit.
    step = select(isnan(step), select(lower, -one, one), step);
    step = max(splat<V>(-4.0), min(splat<V>(4.0), step));
    u = select(running, max(splat<V>(-746.0), u - step), u);
    running = running & (abs(step) > splat<V>(1e-9)) & (u > splat<V>(-745.0));
    if (!any(running)) break;
  }
  // The last correction by a factor, so that x is not as inexact as e^u.
  const V x = exp(u);
  const auto r = gamma_ratio(a, x);
  const V tail = select(lower, r.lower, r.upper);
  const V step = (tail - select(lower, p, q)) / gamma_mass(a, x);
  const V moved = fma(select(lower, -step, step), x, x);
  return select((tail > splat<V>(0.0)) & (abs(step) < splat<V>(0.5)), moved, x);
}

template <bool Upper, class V>
PHINTYS_KERNEL V gammaincinv_double(V a, V p) {
  const V zero = splat<V>(0.0);
  const V one = splat<V>(1.0);
  const auto inside = (a > zero) & (a < infinity<V>()) & (p > zero) & (p < one);
  const V pc = select(inside, p, splat<V>(0.5));
  const V rest = one - pc;
  const V ac = select(inside, a, one);
  const V y = Upper ? gamma_quantile(ac, rest, pc) : gamma_quantile(ac, pc, rest);
  const auto valid = (a >= zero) & (p >= zero) & (p <= one);
  const V at_one = select(p == (Upper ? zero : one), infinity<V>(), zero);
  return select(inside, y, select(valid, at_one, quiet_nan<V>()));
}

/// The x at which gammainc(a, x) = p. 1e-13, or what one unit of p changes.
template <class V>
PHINTYS_INLINE V gammaincinv(V a, V p) {
  return in_double([](auto s, auto t)
                       __attribute__((always_inline)) { return gammaincinv_double<false>(s, t); },
                   a, p);
}
/// The x at which gammaincc(a, x) = q.
template <class V>
PHINTYS_INLINE V gammainccinv(V a, V q) {
  return in_double([](auto s, auto t)
                       __attribute__((always_inline)) { return gammaincinv_double<true>(s, t); },
                   a, q);
}

template <class V>
PHINTYS_KERNEL V betaincinv_double(V a, V b, V p) {
  const V zero = splat<V>(0.0);
  const V one = splat<V>(1.0);
  const V half = splat<V>(0.5);
  const V inf = infinity<V>();
  const auto inside = (a > zero) & (b > zero) & (a < inf) & (b < inf) & (p > zero) & (p < one);
  const V pc = select(inside, p, half);
  const V a1 = select(inside, a, one);
  const V b1 = select(inside, b, one);
  // Seen from the end on whose side of 1/2 the result lies, and by the smaller tail.
  const auto mirrored = beta_ratio(a1, b1, half).lower < pc;
  const V ac = select(mirrored, b1, a1);
  const V bc = select(mirrored, a1, b1);
  const auto lower = mirrored ^ (pc <= half);
  const V tail = min(pc, one - pc);
  const V target = log(tail);
  const auto l = betaln_double_word(ac, bc);
  // I_x is about x^a / (a B) at the left, and the same at the right.
  const V c = select(lower, ac, bc);
  const V first = (target + log(c) + l.hi) / c;
  const V inner = min(first, splat<V>(-1e-9));
  const V from_right = log1mexp(inner) - inner;  // the logit of 1 - e^first
  V u = max(splat<V>(-740.0), min(zero, select(lower, first, from_right)));
  u = select(lower, min(u, max(log(ac / bc), splat<V>(-700.0))), u);
  auto running = inside;
  for (int k = 0; k < 100; ++k) {
    const V x = sigmoid(u);
    const auto r = beta_ratio(ac, bc, x);
    const V value = select(lower, r.lower, r.upper);
    const auto e = log_precise(x) * ac + log_precise(two_sum(one, -x)) * bc + (-l);
    const V slope = exp(e) / value;
    V step = (log(value) - target) / slope;
    step = select(lower, step, -step);
    step = select(isnan(step), select(lower, -one, one), step);
    step = max(splat<V>(-8.0), min(splat<V>(8.0), step));
    u = select(running, min(zero, max(splat<V>(-744.0), u - step)), u);
    running = running & (abs(step) > splat<V>(1e-9)) & (u > splat<V>(-743.0));
    if (!any(running)) break;
  }
  V x = sigmoid(u);
  const auto r = beta_ratio(ac, bc, x);
  const auto e = log_precise(x) * ac + log_precise(two_sum(one, -x)) * bc + (-l);
  const V difference = select(lower, r.lower - tail, tail - r.upper);
  const V step = difference / exp(e);
  const V moved = fma(-step * (one - x), x, x);
  x = select(abs(step) < half, moved, x);
  const V y = select(mirrored, one - x, x);
  const auto valid = (a > zero) & (b > zero) & (p >= zero) & (p <= one);
  return select(inside, y, select(valid & ((p == zero) | (p == one)), p, quiet_nan<V>()));
}

/// The x at which betainc(a, b, x) = p. 1e-13, or what one unit of p changes.
template <class V>
PHINTYS_INLINE V betaincinv(V a, V b, V p) {
  return in_double([](auto s, auto t, auto u)
                       __attribute__((always_inline)) { return betaincinv_double(s, t, u); },
                   a, b, p);
}

}  // namespace phintys::math
