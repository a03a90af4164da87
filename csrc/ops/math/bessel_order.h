// Bessel functions of real order: jv, iv, ive, kv, kve.
#pragma once

#include "bessel.h"
#include "gamma.h"
#include "incomplete_gamma.h"

namespace phintys::math {

/// log(x / 2) nu - log gamma(1 + nu), the leading term of the power series, for nu >= 0, x > 0.
template <class V>
PHINTYS_INLINE DoubleWord<V> bessel_leading(V nu, V x) {
  const V c = max(nu, splat<V>(1e-300));
  const auto l = log_precise(x) +
                 DoubleWord<V>{splat<V>(-0.6931471805599453), splat<V>(-2.319046813846299617e-17)};
  return l * nu + (-lgamma1p_double_word(c));
}

// ---- Second kind --------------------------------------------------------------------------------

/// K_nu(x) where that is nothing but its leading terms: x < 1e-12.
template <class V>
PHINTYS_INLINE V bessel_k_tiny(V nu, V x) {
  const V half = splat<V>(0.5);
  const V l = splat<V>(0.6931471805599453) - log(x);
  const auto small = nu <= half;
  // Temme's f0 below 1/2, where gamma(nu) and gamma(-nu) nearly cancel.
  const V m = select(small, nu, splat<V>(0.25));
  const V m2 = m * m;
  const V s = m * l;
  const V sinh_over = select(s < splat<V>(1e-8), l, sinh(s) / max(m, splat<V>(1e-300)));
  const V sine = sinpi_reduced(m);
  const V factor =
      select(m < splat<V>(1e-9), splat<V>(1.0), m * splat<V>(3.141592653589793) / sine);
  const V near = factor * fma(cosh(s), poly_temme_gamma1(m2), sinh_over * poly_temme_gamma2(m2));
  const V n = select(small, splat<V>(1.0), nu);
  const auto up = lgamma_double_word(n) + DoubleWord<V>{l, splat<V>(0.0)} * n;
  V far = half * exp(up);
  // gamma(-nu) = -pi / (nu sin(pi nu) gamma(nu)); of weight below 3/4 only.
  const auto both = ~small & (nu < splat<V>(0.75));
  const V c = select(both, nu, splat<V>(0.6));
  const V reflected =
      splat<V>(-3.141592653589793) / (c * sinpi_reduced(c - splat<V>(1.0)) * -gamma_double(c));
  far = select(both, fma(half * reflected, exp(-(l * c)), far), far);
  return select(small, near, far);
}

/// K_nu(x), times e^x if `Exponential`, by the trapezoidal rule over
/// 1/2 integral of e^(nu t - x cosh t) around its peak at x sinh t = nu: the integrand has one sign
/// and falls doubly exponentially, where the rule converges geometrically.
template <bool Exponential, class V>
PHINTYS_KERNEL V bessel_k_double(V order, V x) {
  const V zero = splat<V>(0.0);
  const V one = splat<V>(1.0);
  const V inf = infinity<V>();
  const V nu = abs(order);
  const auto inside = (x > zero) & (x < inf) & (nu < inf);
  const auto tiny = inside & (x < splat<V>(1e-12));
  const V xc = select(inside & !tiny, x, one);
  const V nc = select(inside & !tiny, nu, one);
  // w = sqrt(x^2 + nu^2), not overflowing.
  const V larger = max(xc, nc);
  const V ratio = min(xc, nc) / larger;
  const V w = larger * sqrt(fma(ratio, ratio, one));
  const V h = one / sqrt(fma(splat<V>(2.05), w, splat<V>(16.0)));
  const V t0 = asinh(nc / xc);
  V sum = one;
  for (int j = 1; j < 1200; ++j) {
    const V d = h * splat<V>(static_cast<double>(j));
    const V s = sinh(splat<V>(0.5) * d);
    // nu (sinh d - d), sinh d - d by its series where small.
    const V d2 = d * d;
    const V series =
        d * d2 * horner(d2, 1.0 / 6, 1.0 / 120, 1.0 / 5040, 1.0 / 362880, 1.0 / 39916800);
    const V odd = nc * select(d < splat<V>(0.5), series, sinh(d) - d);
    const V even = w * (s * s + s * s);
    // Far from the peak the difference would cancel: nu (t - t0) - x cosh t + w instead.
    const V far = w - fma(nc, d, xc * cosh(t0 - d));
    const V left = select(d > one, far, odd - even);
    sum = sum + (exp(-(even + odd)) + exp(left));
    if (!any(left > splat<V>(-41.0))) break;
  }
  // nu t0 - w, where sinh t0 = nu / x; with e^x: w - x = nu^2 / (w + x).
  const auto peak = two_prod(nc, t0);
  const V shift = Exponential ? nc * (nc / (w + xc)) : w;
  const auto exponent = DoubleWord<V>{peak.hi, peak.lo} + (-shift);
  // The integral of a Gaussian where its width is all that is left.
  const V area = select(w > splat<V>(1e17), splat<V>(2.5066282746310002) / sqrt(w), h * sum);
  V y = splat<V>(0.5) * area * exp(exponent);
  y = select(isnan(y), zero, y);
  if (any(tiny)) {
    const V xt = select(tiny, x, splat<V>(1e-13));
    const V k = bessel_k_tiny(select(tiny, nu, one), xt);
    y = select(tiny, Exponential ? fma(k, xt, k) : k, y);
  }
  y = select(inside, y, select(x == zero, inf, zero));
  const auto valid = (x >= zero) & !isnan(nu);
  return select(valid, select(nu == inf, inf, y), quiet_nan<V>());
}

/// The modified Bessel function of the second kind. x >= 0. 1e-14 relative for |nu| below 100.
template <class V>
PHINTYS_INLINE V kv(V nu, V x) {
  return in_double([](auto s, auto t)
                       __attribute__((always_inline)) { return bessel_k_double<false>(s, t); },
                   nu, x);
}
/// e^x kv(nu, x).
template <class V>
PHINTYS_INLINE V kve(V nu, V x) {
  return in_double([](auto s, auto t)
                       __attribute__((always_inline)) { return bessel_k_double<true>(s, t); },
                   nu, x);
}

// ---- Modified, first kind -----------------------------------------------------------------------

/// Debye's expansion (DLMF 10.41.3) of e^-x I_nu(x), nu >= 25; the exponent is not applied.
template <class V>
PHINTYS_INLINE V bessel_i_debye(V nu, V x, DoubleWord<V>& exponent) {
  constexpr int kOrder = 12;
  const V one = splat<V>(1.0);
  const V larger = max(x, nu);
  const V ratio = min(x, nu) / larger;
  const V w = larger * sqrt(fma(ratio, ratio, one));
  const V t = nu / w;
  const V t2 = t * t;
  const V step = t / nu;
  V sum = splat<V>(0.0);
  for (int k = kOrder; k >= 0; --k) {
    const double* const c = kDebye + k * (k + 1) / 2;
    V p = splat<V>(c[k]);
    for (int i = k - 1; i >= 0; --i) p = fma(p, t2, splat<V>(c[i]));
    sum = fma(sum, step, p);
  }
  // w - nu asinh(nu / x) - x, and w - x = nu^2 / (w + x).
  const auto peak = two_prod(nu, asinh(min(nu / x, splat<V>(1e300))));
  exponent = DoubleWord<V>{-peak.hi, -peak.lo} + nu * (nu / (w + x));
  return sum * splat<V>(0.3989422804014327) / sqrt(w);
}

/// Hankel's expansion of sqrt(2 pi x) e^-x I_nu(x): for large x against nu^2.
template <class V>
PHINTYS_INLINE V bessel_i_hankel(V nu, V x) {
  const V one = splat<V>(1.0);
  const V m = splat<V>(4.0) * nu * nu;
  const V inv = one / (splat<V>(8.0) * x);
  V term = one;
  V sum = one;
  auto running = x == x;
  for (int k = 1; k <= 60; ++k) {
    const double odd = 2.0 * k - 1.0;
    const V next = term * (splat<V>(odd * odd) - m) * inv * splat<V>(1.0 / k);
    running = running & (abs(next) <= abs(term));
    term = select(running, next, splat<V>(0.0));
    sum = sum + term;
    running = running & (abs(term) > splat<V>(1e-18));
    if (!any(running)) break;
  }
  return sum;
}

template <bool Exponential, class V>
PHINTYS_KERNEL V bessel_iv_double(V order, V x) {
  const V zero = splat<V>(0.0);
  const V one = splat<V>(1.0);
  const V inf = infinity<V>();
  const V nu = abs(order);
  const V ax = abs(x);
  const auto inside = (ax > zero) & (ax < inf) & (nu < inf);
  const V nc = select(inside, nu, one);
  const V xc = select(inside, ax, one);
  const auto hankel = xc > max(splat<V>(40.0), nc * nc);
  const auto debye = ~hankel & (nc >= splat<V>(25.0));
  const auto series = ~debye & !hankel;
  V factor = one;
  DoubleWord<V> exponent{zero, zero};  // of e^-x I
  if (any(debye)) {
    DoubleWord<V> e;
    // Beyond this order the result is 0.
    const V order_c = select(debye, min(nc, splat<V>(1e15)), splat<V>(30.0));
    const V f = bessel_i_debye(order_c, select(debye, xc, one), e);
    factor = select(debye, f, factor);
    exponent = select(debye, e, exponent);
  }
  if (any(hankel)) {
    const V xh = select(hankel, xc, splat<V>(1000.0));
    const V f =
        bessel_i_hankel(select(hankel, nc, one), xh) * splat<V>(0.3989422804014327) / sqrt(xh);
    factor = select(hankel, f, factor);
  }
  if (any(series)) {
    const V xs = select(series, xc, one);
    const V ns = select(series, nc, one);
    const V z = splat<V>(0.25) * xs * xs;
    V term = one;
    V sum = one;
    for (int k = 1; k < 1000; ++k) {
      const V n = splat<V>(static_cast<double>(k));
      term = term * (z / (n * (ns + n)));
      sum = sum + term;
      if (!any(term > splat<V>(1e-17) * sum)) break;
    }
    factor = select(series, sum, factor);
    exponent = select(series, bessel_leading(ns, xs) + (-xs), exponent);
  }
  if constexpr (!Exponential) exponent = exponent + xc;
  V y = factor * exp(exponent);
  const auto whole = floor(nu) == nu;
  const auto negative = (order < zero) & ~whole & inside;
  if (any(negative)) {
    // I_-nu = I_nu + 2/pi sin(pi nu) K_nu.
    const V r = round_even(nc);
    const V s = sinpi_reduced(nc - r);
    const V sine = select(is_odd(r), -s, s);
    const V k = bessel_k_double<true>(nc, xc);
    const V scale = exp(xc * splat<V>(Exponential ? -2.0 : -1.0));
    y = select(negative, fma(splat<V>(0.6366197723675814) * sine * scale, k, y), y);
  }
  const V at_zero = select(nu == zero, one, select((order < zero) & !whole, inf, zero));
  const V at_inf = Exponential ? zero : inf;
  y = select(inside, y, select(ax == zero, at_zero, select(nu == inf, zero, at_inf)));
  y = select((x < zero) & whole & is_odd(nu), -y, y);
  return select(isnan(nu) | isnan(x) | ((x < zero) & !whole), quiet_nan<V>(), y);
}

/// The modified Bessel function of the first kind. Any order; x >= 0, or any x for an integer
/// order. 1e-14 relative for |nu| below 100.
template <class V>
PHINTYS_INLINE V iv(V nu, V x) {
  return in_double([](auto s, auto t)
                       __attribute__((always_inline)) { return bessel_iv_double<false>(s, t); },
                   nu, x);
}
/// e^-|x| iv(nu, x).
template <class V>
PHINTYS_INLINE V ive(V nu, V x) {
  return in_double([](auto s, auto t)
                       __attribute__((always_inline)) { return bessel_iv_double<true>(s, t); },
                   nu, x);
}

// ---- First kind ---------------------------------------------------------------------------------

/// Hankel's expansion (DLMF 10.17.3) of J_nu(x), any nu, x large against nu^2.
template <class V>
PHINTYS_INLINE V bessel_j_hankel(V nu, V x) {
  const V zero = splat<V>(0.0);
  const V one = splat<V>(1.0);
  const V m = splat<V>(4.0) * nu * nu;
  const V inv = one / (splat<V>(8.0) * x);
  V term = one;
  V p = one;
  V q = zero;
  auto running = x == x;
  for (int k = 1; k <= 60; ++k) {
    const double odd = 2.0 * k - 1.0;
    const V next = term * (m - splat<V>(odd * odd)) * inv * splat<V>(1.0 / k);
    // Terms may grow before they fall only where nu is large: not here.
    running = running & (abs(next) <= abs(term));
    term = select(running, next, zero);
    const V signed_term = (k & 2) != 0 ? -term : term;
    if (k % 2 == 0) {
      p = p + signed_term;
    } else {
      q = q + signed_term;
    }
    running = running & (abs(term) > splat<V>(1e-18));
    if (!any(running)) break;
  }
  // phi = (nu / 2 + 1 / 4) pi; whole turns of it are exact.
  const V turn = nu - splat<V>(4.0) * floor(splat<V>(0.25) * nu);
  const V f = fma(splat<V>(0.5), turn, splat<V>(0.25));
  const V r = round_even(f);
  const V s0 = sinpi_reduced(f - r);
  const V c0 = cospi_reduced(f - r);
  const auto odd_turn = is_odd(r);
  const V sine = select(odd_turn, -s0, s0);
  const V cosine = select(odd_turn, -c0, c0);
  const V sx = sin(x);
  const V cx = cos(x);
  const V chi_c = fma(cx, cosine, sx * sine);
  const V chi_s = fma(sx, cosine, -(cx * sine));
  return splat<V>(0.7978845608028654) / sqrt(x) * fma(p, chi_c, -(q * chi_s));
}

/// Miller's algorithm: downward recurrence over the orders n0 + k, normalised by Neumann's
/// (x/2)^n0 = sum (n0 + 2 k) gamma(n0 + k) / k! J_(n0 + 2 k); through 0 to negative orders, where
/// the same recurrence is stable again.
template <class V>
PHINTYS_KERNEL V bessel_j_miller(V nu, V x) {
  const V zero = splat<V>(0.0);
  const V one = splat<V>(1.0);
  const V two = splat<V>(2.0);
  const V large = splat<V>(1e140);
  const V scale = splat<V>(1e-140);
  const V n = floor(nu);
  const V n0 = nu - n;
  const V reach = max(max(n, x), zero);
  // An even start, so that the sum begins with it. The cube root, generously.
  const V margin = fma(splat<V>(10.0), exp(log(reach + one) * splat<V>(1.0 / 3.0)), splat<V>(24.0));
  const V start = two * ceil(splat<V>(0.5) * (reach + margin));
  const V over_x = two / x;
  V above = zero;
  V f = zero;
  V weight = one;  // gamma(n0 + k) / k! up to a factor
  V sum = zero;
  V result = zero;
  double highest = 0.0;
  double lowest = 0.0;
  for (int i = 0; i < V::lanes; ++i) {
    const auto s = static_cast<double>(get_lane(start, i));
    const auto l = static_cast<double>(get_lane(n, i));
    if (s > highest) highest = s;
    if (l < lowest) lowest = l;
  }
  for (double k = highest; k > 0.0; k -= 1.0) {
    const V order = splat<V>(k);
    f = select(order == start, splat<V>(1e-140), f);
    result = select(order == n, f, result);
    if (__builtin_fmod(k, 2.0) == 0.0) {
      const V j = splat<V>(0.5 * k);
      sum = fma((n0 + order) * weight, f, sum);
      // gamma(n0 + j - 1) / (j - 1)! from gamma(n0 + j) / j!; the last one, j = 1, stays.
      if (k > 2.0) {
        weight = select(order <= start, weight * (j / (n0 + j - one)), weight);
      }
    }
    const V below = fma((n0 + order) * over_x, f, -above);
    above = f;
    f = below;
    const auto over = abs(f) > large;
    if (any(over)) {
      const V down = select(over, scale, one);
      f = f * down;
      above = above * down;
      sum = sum * down;
      result = result * down;
    }
  }
  // Here f is of order n0 and weight that of j = 1, by right gamma(n0 + 1) / 1!.
  result = select(n == zero, f, result);
  const V g = gamma_double(n0 + one);
  const V right = exp(log_precise(splat<V>(0.5) * x) * n0);
  const V norm = right / fma(sum, g / weight, g * f);
  result = result * norm;
  if (lowest < 0.0) {
    f = f * norm;
    above = above * norm;
    for (double k = 0.0; k > lowest; k -= 1.0) {
      const V below = fma((n0 + splat<V>(k)) * over_x, f, -above);
      above = f;
      f = below;
      result = select(n == splat<V>(k - 1.0), f, result);
    }
  }
  return result;
}

template <class V>
PHINTYS_KERNEL V bessel_jv_double(V order, V x) {
  const V zero = splat<V>(0.0);
  const V one = splat<V>(1.0);
  const V inf = infinity<V>();
  const V ax = abs(x);
  const auto whole = floor(order) == order;
  // Integer orders by their absolute values.
  const V nu = select(whole, abs(order), order);
  const V limit = splat<V>(4194304.0);
  const auto inside = (ax > zero) & (ax < inf) & (abs(nu) < inf);
  const auto hankel = inside & (ax > max(splat<V>(30.0), splat<V>(0.6) * nu * nu));
  const auto small = (nu < zero) & (ax < splat<V>(1e-3));
  const auto low = small | ((nu >= zero) & (ax * ax < splat<V>(2.0) * (nu + one)));
  const auto series = inside & ~hankel & low;
  const auto miller = inside & ~hankel & ~series & (abs(nu) < limit) & (ax < limit);
  V y = quiet_nan<V>();
  if (any(hankel)) {
    y = select(hankel, bessel_j_hankel(select(hankel, nu, one), select(hankel, ax, splat<V>(40.0))),
               y);
  }
  if (any(series)) {
    const V xs = select(series, ax, one);
    const V ns = select(series, nu, one);
    const V z = splat<V>(-0.25) * xs * xs;
    V term = one;
    V sum = one;
    for (int k = 1; k <= 30; ++k) {
      const V n = splat<V>(static_cast<double>(k));
      term = term * (z / (n * (ns + n)));
      sum = sum + term;
      if (!any(abs(term) > splat<V>(1e-18))) break;
    }
    V leading = exp(bessel_leading(abs(ns), xs));
    const auto negative = series & small;
    if (any(negative)) {
      const V n1 = select(negative, ns, splat<V>(-0.5)) + one;
      const V size = exp(log(splat<V>(0.5) * xs) * (n1 - one) - gammaln_double(n1));
      const auto minus = (n1 < zero) & is_odd(floor(n1));
      leading = select(negative, select(minus, -size, size), leading);
    }
    y = select(series, sum * leading, y);
  }
  if (any(miller)) {
    y = select(miller, bessel_j_miller(select(miller, nu, one), select(miller, ax, one)), y);
  }
  const V at_zero = select(nu == zero, one, select(nu > zero, zero, inf));
  y = select(ax == zero, at_zero, y);
  y = select((ax == inf) & (abs(nu) < inf), zero, y);
  const auto flip = whole & is_odd(nu) & ((x < zero) ^ (order < zero));
  y = select(flip, -y, y);
  return select(isnan(nu) | isnan(x) | ((x < zero) & !whole), quiet_nan<V>(), y);
}

/// The Bessel function of the first kind. Any order; x >= 0, or any x for an integer order; NaN
/// where order and x both pass 4e6 and neither far outweighs the other. 1e-14 of the larger of the
/// value and, for x > nu, its amplitude, for nu below 100.
template <class V>
PHINTYS_INLINE V jv(V nu, V x) {
  return in_double(
      [](auto s, auto t) __attribute__((always_inline)) { return bessel_jv_double(s, t); }, nu, x);
}

}  // namespace phintys::math
