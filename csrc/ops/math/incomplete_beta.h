// beta, betaln, betainc, its derivative by the first parameter.
#pragma once

#include "gamma.h"

namespace phintys::math {

/// log B(a, b) for a, b > 0 in a double word. From 10 on the larger parameter's part is
/// log gamma(b) - log gamma(a + b) as a whole:
/// -(b - 1/2) log(1 + a/b) - a log(a + b) + a and what Stirling's formula leaves.
template <class V>
PHINTYS_KERNEL DoubleWord<V> betaln_double_word(V a, V b) {
  const V zero = splat<V>(0.0);
  const V one = splat<V>(1.0);
  const V large = max(a, b);
  const V small = min(a, b);
  const auto big = large >= splat<V>(10.0);
  const auto s = two_sum(large, small);
  const auto ls = log_precise(s);
  auto y = lgamma_double_word(small);
  // Both branches are taken where lanes differ: the arguments of the other one are harmless.
  const V lc = select(big, large, splat<V>(10.0));
  const auto ratio = divide(two_sum(lc, select(big, small, one)), lc);
  const V inv_l = one / lc;
  const V inv_s = one / select(big, s.hi, splat<V>(11.0));
  auto far = -(log_precise(ratio) * (lc - splat<V>(0.5))) + (-(ls * small));
  far = far + small;
  far = far + (inv_l * poly_stirling(inv_l * inv_l) - inv_s * poly_stirling(inv_s * inv_s));
  if (all(big)) return y + far;
  const auto near =
      lgamma_double_word(select(big, one, large)) + (-lgamma_double_word(select(big, one, s.hi)));
  const auto rest = near + select(big, zero, -(s.lo * (ls.hi - one / s.hi)));
  return y + select(big, far, rest);
}

/// The sign of gamma(x).
template <class V>
PHINTYS_INLINE V gamma_sign(V x) {
  const V one = splat<V>(1.0);
  return select((x < splat<V>(0.0)) & is_odd(floor(x)), -one, one);
}

/// B(a, b), or log |B(a, b)| where `Log`.
template <bool Log, class V>
PHINTYS_KERNEL V beta_double(V a, V b) {
  const V zero = splat<V>(0.0);
  const V one = splat<V>(1.0);
  const V inf = infinity<V>();
  const auto inside = (a > zero) & (b > zero) & (a < inf) & (b < inf);
  const auto l = betaln_double_word(select(inside, a, one), select(inside, b, one));
  V y = Log ? l.hi + l.lo : exp(l);
  const auto rest = ~inside & ~isnan(a) & !isnan(b);
  if (any(rest)) {
    // B(a, b) = (-1)^b B(1 - a - b, b) where a is a pole of gamma and b an integer.
    const auto a_pole = (a <= zero) & (floor(a) == a);
    const auto b_pole = (b <= zero) & (floor(b) == b);
    const V p = select(a_pole, a, b);
    const V o = select(a_pole, b, a);
    const V c = (one - p) - o;
    const auto pole = a_pole | b_pole;
    const auto finite_pole = pole & (floor(o) == o) & (o > zero) & (c > zero) & (o < inf);
    const auto m = betaln_double_word(select(finite_pole, c, one), select(finite_pole, o, one));
    // With one negative parameter n and a positive one o, by the reflection of gamma(n) and, below
    // 0, of gamma(n + o).
    const auto swap = b < zero;
    const V n = select(swap, b, a);
    const V other = select(swap, a, b);
    const V total = n + other;
    const auto mixed = ~pole & (n < zero) & (other > zero) & (other < inf) & (n > -inf);
    const auto above = total > zero;
    const V nc = select(mixed, n, splat<V>(-0.5));
    const V oc = select(mixed, other, one);
    const V tc = select(mixed, total, splat<V>(0.5));
    const V sine_n = sinpi(nc);
    const auto k = betaln_double_word(select(above, one - nc, oc), select(above, tc, one - tc));
    const V ratio = select(above, splat<V>(3.141592653589793) / (oc * sine_n), sinpi(tc) / sine_n);
    const V reflected = log(abs(ratio)) + select(above, -(k.hi + k.lo), k.hi + k.lo);
    const V general = gammaln_double(a) + gammaln_double(b) - gammaln_double(a + b);
    const V value = select(finite_pole, m.hi + m.lo, select(mixed, reflected, general));
    V sign = gamma_sign(a) * gamma_sign(b) * gamma_sign(a + b);
    sign = select(mixed, copysign(one, ratio), sign);
    sign = select(finite_pole, select(is_odd(o), -one, one), sign);
    V z = Log ? value : sign * exp(value);
    z = select(pole & !finite_pole, inf, z);
    const auto infinite = (a == inf) | (b == inf);
    z = select(infinite & (a > zero) & (b > zero), Log ? -inf : zero, z);
    y = select(rest, z, y);
  }
  return select(isnan(a) | isnan(b), quiet_nan<V>(), y);
}

/// Euler's beta function. All a, b. 1e-14 for positive parameters.
template <class V>
PHINTYS_INLINE V beta(V a, V b) {
  return in_double(
      [](auto s, auto t) __attribute__((always_inline)) { return beta_double<false>(s, t); }, a, b);
}
/// log |beta(a, b)|. All a, b. 2 ULP for positive parameters or, near its zeros, 4e-16.
template <class V>
PHINTYS_INLINE V betaln(V a, V b) {
  return in_double(
      [](auto s, auto t) __attribute__((always_inline)) { return beta_double<true>(s, t); }, a, b);
}

/// A number between 0 and 1 and its complement, each rounded once.
template <class V>
struct Fraction {
  DoubleWord<V> x;
  DoubleWord<V> y;  // 1 - x
};

/// Didonato and Morris' continued fraction (TOMS 708) for B(a, b) I_x(a, b) / (x^a y^b), by forward
/// recurrence; lanes that have converged keep their values.
template <class V>
PHINTYS_INLINE V beta_fraction(V a, V b, V x, V y, V lambda, mask_t<V> active) {
  const V one = splat<V>(1.0);
  const V large = splat<V>(1e120);
  const V scale = splat<V>(1e-120);
  V inv = one / (a + one);
  V before = one;  // 1 / (a + 2 n - 1)
  V p0 = splat<V>(0.0);
  V q0 = one;
  V p1 = one;
  V q1 = a * (lambda + one) * inv;
  const V one_y = one + y;
  const V sum = a + b;
  auto running = active;
  for (int k = 1; k < 20000; ++k) {
    const V n = splat<V>(static_cast<double>(k));
    const V an = a + n;
    before = inv;
    inv = one / (an + (n + one));
    const V nb = n * (b - n) * x;
    const V r = (an - one) * before;
    const V alpha = (k == 1 ? r * sum : r * (sum + (n - one))) * nb * x * before;
    const V beta = n + nb * before + an * (fma(n, one_y, lambda) + one) * inv;
    const V p2s = fma(beta, p1, alpha * p0);
    const V q2s = fma(beta, q1, alpha * q0);
    const V f = select((abs(q2s) > large) | (abs(p2s) > large), scale, one);
    const V p2 = p2s * f;
    const V q2 = q2s * f;
    const V p1s = p1 * f;
    const V q1s = q1 * f;
    const V one_side = p2 * scale * q1s;
    const V other_side = p1s * scale * q2;
    p0 = select(running, p1s, p0);
    q0 = select(running, q1s, q0);
    p1 = select(running, p2, p1);
    q1 = select(running, q2, q1);
    running = running & (abs(one_side - other_side) > splat<V>(1e-16) * abs(one_side));
    if (!any(running)) break;
  }
  return p1 / q1;
}

/// Which end of [0, 1] to work from, with the parameters and the argument seen from there.
template <class V>
struct BetaSide {
  mask_t<V> swapped;
  V a, b;
  Fraction<V> at;
  V lambda;  // a - (a + b) x
};
template <class V>
PHINTYS_INLINE BetaSide<V> beta_side(V a, V b, V x, mask_t<V> may_swap) {
  const DoubleWord<V> dx{x, splat<V>(0.0)};
  const auto dy = two_sum(splat<V>(1.0), -x);
  const auto difference = dy * a + (-(dx * b));
  const V lambda = difference.hi + difference.lo;
  const auto swapped = may_swap & (lambda < splat<V>(0.0));
  BetaSide<V> s;
  s.swapped = swapped;
  s.a = select(swapped, b, a);
  s.b = select(swapped, a, b);
  s.at.x = select(swapped, dy, dx);
  s.at.y = select(swapped, dx, dy);
  s.lambda = select(swapped, -lambda, lambda);
  return s;
}

/// The natural length of u in the integrals over t = x e^-u below.
template <class V>
PHINTYS_INLINE V beta_length(const BetaSide<V>& s) {
  const V sy = s.at.y.hi;
  const V slope = max(splat<V>(0.0), (s.lambda + s.at.x.hi) / sy);
  const V bend = abs(s.b - splat<V>(1.0)) * (s.at.x.hi / sy) / sy;
  return splat<V>(2.0) / (slope + sqrt(fma(slope, slope, bend + s.a)) + min(s.a, splat<V>(1.0)));
}

/// The rule for integrals over u > 0: u = length exp(t - e^-t) spreads the nodes over all scales,
/// from far below `length` to where e^(-a u) leaves nothing: (1 - x e^-u)^(b - 1) may fall as
/// slowly as 1/u before that.
inline constexpr int kBetaNodes = 128;
inline constexpr double kBetaLow = -3.6;
template <class V>
PHINTYS_INLINE V beta_step(const BetaSide<V>& s, V length) {
  const V reach = max(splat<V>(100.0), splat<V>(42.0) / (s.a * length));
  return (log(reach) - splat<V>(kBetaLow)) * splat<V>(1.0 / kBetaNodes);
}

/// B(a, b) I_x(a, b) / (x^a y^b) by that rule: for parameters so large that the fraction is slow.
template <class V>
PHINTYS_KERNEL V beta_integral(BetaSide<V> s) {
  const V one = splat<V>(1.0);
  const V odds = s.at.x.hi / s.at.y.hi;
  const V b1 = s.b - one;
  const V length = beta_length(s);
  const V step = beta_step(s, length);
  V sum = splat<V>(0.0);
  for (int k = 0; k <= kBetaNodes; ++k) {
    const V t = fma(step, splat<V>(static_cast<double>(k)), splat<V>(kBetaLow));
    const V et = exp(-t);
    const V u = length * exp(t - et);
    const V l = log1p(-odds * expm1(-u));
    sum = fma(u * (one + et), exp(fma(b1, l, -(s.a * u))), sum);
  }
  return sum * step / s.at.y.hi;
}

/// I and 1 - I.
template <class V>
struct BetaRatio {
  V lower;
  V upper;
};
/// For a, b > 0 and 0 < x < 1; other lanes give anything.
template <class V>
PHINTYS_KERNEL BetaRatio<V> beta_ratio(V a, V b, V x) {
  const V one = splat<V>(1.0);
  // For small b the complement is near 1 where x passes the middle: no swap, short of x = 1.
  const auto may_swap = (b >= one) | (x > splat<V>(0.999));
  const auto s = beta_side(a, b, x, may_swap);
  const auto e =
      log_precise(s.at.x) * s.a + log_precise(s.at.y) * s.b + (-betaln_double_word(a, b));
  const auto large = min(a, b) > splat<V>(1e5);
  V near = splat<V>(0.0);
  if (!all(large)) {
    near = exp(e) * beta_fraction(select(large, one, s.a), select(large, one, s.b),
                                  select(large, splat<V>(0.5), s.at.x.hi),
                                  select(large, splat<V>(0.5), s.at.y.hi),
                                  select(large, splat<V>(0.0), s.lambda), x == x);
  }
  if (any(large)) near = select(large, exp(e) * beta_integral(s), near);
  near = select(exp(e) == splat<V>(0.0), splat<V>(0.0), min(near, one));
  return {select(s.swapped, one - near, near), select(s.swapped, near, one - near)};
}

template <class V>
PHINTYS_KERNEL V betainc_double(V a, V b, V x) {
  const V zero = splat<V>(0.0);
  const V one = splat<V>(1.0);
  const V inf = infinity<V>();
  const auto inside = (a > zero) & (b > zero) & (a < inf) & (b < inf) & (x > zero) & (x < one);
  const V most = splat<V>(1e120);
  const V least = splat<V>(1e-290);
  V y = beta_ratio(select(inside, max(least, min(a, most)), one),
                   select(inside, max(least, min(b, most)), one), select(inside, x, splat<V>(0.5)))
            .lower;
  // On the border of the parameters all weight lies at one end.
  const auto valid = (a >= zero) & (b >= zero) & (x >= zero) & (x <= one);
  const auto at_zero = (a == zero) | (b == inf);
  const auto at_one = (b == zero) | (a == inf);
  V edge = select(at_zero, one, zero);
  edge = select(at_one & (x < one), zero, edge);
  edge = select(x == one, one, edge);
  edge = select(x == zero, zero, edge);
  const auto undecided = at_zero & at_one;
  y = select(inside, y, select(undecided, quiet_nan<V>(), edge));
  return select(valid, y, quiet_nan<V>());
}

/// The regularised incomplete beta function I_x(a, b), a, b >= 0, 0 <= x <= 1. Relative error
/// 2e-14 for parameters up to 1e4 and results above 1e-10, 2e-13 below; growing as the parameters
/// from there on.
template <class V>
PHINTYS_INLINE V betainc(V a, V b, V x) {
  return in_double([](auto s, auto t, auto u)
                       __attribute__((always_inline)) { return betainc_double(s, t, u); },
                   a, b, x);
}

/// dI/da, by quadrature over t = x e^-u, for the side on which x lies left of the mean; on the
/// other side it is -dJ/db of the complement J.
template <class V>
PHINTYS_KERNEL V betainc_grad_double(V a, V b, V x) {
  const V zero = splat<V>(0.0);
  const V one = splat<V>(1.0);
  const V inf = infinity<V>();
  const auto inside = (a > zero) & (b > zero) & (a < inf) & (b < inf) & (x > zero) & (x < one);
  const V ac = select(inside, a, one);
  const V bc = select(inside, b, one);
  const auto s = beta_side(ac, bc, select(inside, x, splat<V>(0.5)), inside);
  const V sx = s.at.x.hi;
  const V sy = s.at.y.hi;
  const auto lx = log_precise(s.at.x);
  const auto ly = log_precise(s.at.y);
  const V density = exp(lx * s.a + ly * (s.b - one) + (-betaln_double_word(ac, bc)));
  const V level = digamma_double(ac + bc) - digamma_double(ac) + select(s.swapped, ly.hi, lx.hi);
  const V odds = sx / sy;
  const V b1 = s.b - one;
  const V c = beta_length(s);
  const V step = beta_step(s, c);
  V sum = zero;
  for (int k = 0; k <= kBetaNodes; ++k) {
    const V t = fma(step, splat<V>(static_cast<double>(k)), splat<V>(kBetaLow));
    const V et = exp(-t);
    const V u = c * exp(t - et);
    const V l = log1p(-odds * expm1(-u));  // log((1 - x e^-u) / (1 - x))
    const V weight = u * (one + et) * (level + select(s.swapped, l, -u));
    sum = fma(weight, exp(fma(b1, l, -(s.a * u))), sum);
  }
  const V y = density * sum * step;
  const auto valid = (a >= zero) & (b >= zero) & (x >= zero) & (x <= one);
  return select(valid, select(inside, select(s.swapped, -y, y), zero), quiet_nan<V>());
}

/// The derivative of betainc(a, b, x) by a. Relative error about 1e-12.
template <class V>
PHINTYS_INLINE V betainc_grad(V a, V b, V x) {
  return in_double([](auto s, auto t, auto u)
                       __attribute__((always_inline)) { return betainc_grad_double(s, t, u); },
                   a, b, x);
}

}  // namespace phintys::math
