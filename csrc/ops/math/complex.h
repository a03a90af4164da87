// Functions of complex numbers: exponentials, logarithms, powers, circular and hyperbolic functions
// and their inverses.
//
// Branch cuts, signed zeros and infinities are those of C99's Annex G. Functions compute in double
// precision: tile kernels widen single precision first (vm/tiles_complex.h), whose whole range is
// then ordinary. Where a formula would meet infinities, overflow or underflow on its way, the lanes
// in question are left to the C library's function, one by one; which they are depends on the lane
// alone. Bounds are for each part on its own, unless they say "of |f|".
#pragma once

#include "complex_value.h"
#ifdef PHINTYS_COMPLEX_LIBRARY_HEADER
#include PHINTYS_COMPLEX_LIBRARY_HEADER
#else
#include "complex_library.h"
#endif
#include "inverse_trigonometric.h"
#include "logarithm.h"
#include "trigonometric.h"

namespace phintys::math {

// ---- Rare lanes ---------------------------------------------------------------------------------

/// `r` with the lanes of `rare` replaced by f(z).
template <class V>
PHINTYS_INLINE Complex<V> with_rare(ComplexFn f, mask_t<V> rare, Complex<V> z, Complex<V> r) {
  if (__builtin_expect(any(rare), 0)) {
    bool lanes[V::lanes];
    double x[V::lanes];
    double y[V::lanes];
    double re[V::lanes];
    double im[V::lanes];
    for (int i = 0; i < V::lanes; ++i) lanes[i] = get_lane(rare, i);
    z.re.store(x);
    z.im.store(y);
    r.re.store(re);
    r.im.store(im);
    call_by_lane(f, V::lanes, lanes, x, y, re, im);
    return {V::load(re), V::load(im)};
  }
  return r;
}

/// Lanes whose parts are not both zero or of ordinary size.
template <class V>
PHINTYS_INLINE mask_t<V> extreme(Complex<V> z, double low, double high) {
  const V zero = splat<V>(0.0);
  const V x = abs(z.re);
  const V y = abs(z.im);
  const auto fits = (x < splat<V>(high)) & (y < splat<V>(high));
  const auto tiny = ((x < splat<V>(low)) & (x > zero)) | ((y < splat<V>(low)) & (y > zero));
  return (!fits) | tiny;
}

// ---- Exponentials -------------------------------------------------------------------------------

/// e^z. All z. 4 ULP. The power of two comes last: it may be subnormal before the product is.
template <class V>
PHINTYS_INLINE Complex<V> exp(Complex<V> z) {
  const auto a = reduce_exp(max(splat<V>(-1400.0), min(splat<V>(709.0), z.re)));
  const V p = exp_reduced(a.r);
  const auto t = sine_and_cosine(z.im);
  const Complex<V> r{ldexp_small(p * t.cos, a.n), ldexp_small(p * t.sin, a.n)};
  const auto rare = !((z.re < splat<V>(709.0)) & (abs(z.im) < infinity<V>()));
  return with_rare<V>(exp_by_lane, rare, z, r);
}

/// 2^z = e^(z ln 2). All z. 4 ULP more than |z| / 2 of |f|.
template <class V>
PHINTYS_INLINE Complex<V> exp2(Complex<V> z) {
  return exp(z * splat<V>(0.69314718055994530942));
}

/// e^z - 1. All z. 4 ULP of |f|: e^x cos y - 1 = (e^x - 1) cos y - 2 sin^2(y/2).
template <class V>
PHINTYS_INLINE Complex<V> expm1(Complex<V> z) {
  const auto half = sine_and_cosine(splat<V>(0.5) * z.im);
  const Complex<V> e = exp(z);
  const V cosine = cos(z.im);
  const V re = expm1(z.re) * cosine - splat<V>(2.0) * half.sin * half.sin;
  // Far from 1 the 1 no longer shows, and the product above may be inf * 0.
  const auto near = abs(z.re) < splat<V>(40.0);
  return {select(near, re, e.re - splat<V>(1.0)), e.im};
}

// ---- Logarithms ---------------------------------------------------------------------------------

/// x^2 + y^2 in a double word; |x| and |y| of ordinary size.
template <class V>
PHINTYS_INLINE DoubleWord<V> sum_of_squares(V x, V y) {
  const auto a = two_prod(x, x);
  const auto b = two_prod(y, y);
  const auto s = two_sum(a.hi, b.hi);
  // Near |z| = 1 the small words are all that is left of the logarithm.
  const auto t = two_sum(a.lo, b.lo);
  const auto u = two_sum(t.hi, s.lo);
  return fast_two_sum(s.hi, u.hi + (u.lo + t.lo));
}

/// log |z|, with log(0) = -inf.
template <class V>
PHINTYS_INLINE V log_abs(Complex<V> z) {
  const V zero = splat<V>(0.0);
  const V x = abs(z.re);
  const V y = abs(z.im);
  const V largest = max(x, y);
  const auto scale = square_scale(largest);
  const auto none = (x == zero) & (y == zero);
  const auto sum = sum_of_squares(x * scale.up, y * scale.up);
  // Exponents that the scale took away, twice: the sum's logarithm is halved in the end.
  const V k = select(scale.up == splat<V>(1.0), zero,
                     select(scale.up < splat<V>(1.0), splat<V>(1200.0), splat<V>(-1400.0)));
  const V one = splat<V>(1.0);
  const V r = splat<V>(0.5) * log_double_word<V>({select(none, one, sum.hi), sum.lo}, k);
  V out = select(none, -infinity<V>(), r);
  out = select(isnan(z), quiet_nan<V>(), out);
  return select(isinf(z), infinity<V>(), out);
}

/// The principal logarithm, its imaginary part in [-pi, pi]. All z. 3 ULP.
template <class V>
PHINTYS_INLINE Complex<V> log(Complex<V> z) {
  return {log_abs(z), atan2(z.im, z.re)};
}
/// 5 ULP.
template <class V>
PHINTYS_INLINE Complex<V> log2(Complex<V> z) {
  return log(z) * splat<V>(1.44269504088896340736);
}
/// 5 ULP.
template <class V>
PHINTYS_INLINE Complex<V> log10(Complex<V> z) {
  return log(z) * splat<V>(0.43429448190325182765);
}

/// log(1 + z). All z. 4 ULP. |1 + z|^2 - 1 = 2 x + x^2 + y^2, in double words.
template <class V>
PHINTYS_INLINE Complex<V> log1p(Complex<V> z) {
  const V one = splat<V>(1.0);
  const auto rare = !((abs(z.re) < splat<V>(1e150)) & (abs(z.im) < splat<V>(1e150)));
  const V x = select(rare, one, z.re);
  const V y = select(rare, one, z.im);
  const auto squares = sum_of_squares(x, y);
  const auto s = two_sum(x + x, squares.hi);
  const auto w = fast_two_sum(s.hi, s.lo + squares.lo);
  // Far out the sum loses nothing by the 1; near -1 it is what is left of 1 - 1: begin there again.
  const Complex<V> at{one + x, y};
  const auto close = w.hi < splat<V>(-0.5);
  const auto around = sum_of_squares(at.re, at.im);
  auto u = two_sum(one, w.hi);
  u.lo = u.lo + w.lo;
  const V hi = select(close, around.hi, u.hi);
  const V lo = select(close, around.lo, u.lo);
  const auto none = (at.re == splat<V>(0.0)) & (y == splat<V>(0.0));
  const auto tiny = hi < splat<V>(1e-290);
  const V r =
      splat<V>(0.5) *
      log_double_word<V>({select(tiny, one, hi), select(tiny, one - one, lo)}, splat<V>(0.0));
  const Complex<V> result{select(none, -infinity<V>(), r), atan2(y, at.re)};
  return with_rare<V>(log1p_by_lane, rare | (tiny & !none), z, result);
}

// ---- Roots and powers ---------------------------------------------------------------------------

/// The principal square root. All z. 2.5 ULP. Kahan's: the part without cancellation, and y by it.
template <class V>
PHINTYS_INLINE Complex<V> sqrt(Complex<V> z) {
  const V zero = splat<V>(0.0);
  const V ax = abs(z.re);
  const V ay = abs(z.im);
  const auto scale = square_scale(max(ax, ay));
  const V x = ax * scale.up;
  const V y = ay * scale.up;
  const V t = sqrt(splat<V>(0.5) * (x + sqrt(x * x + y * y)));
  const V large = t * scale.root_back;
  const V small = select(t == zero, zero, ay / (large + large));
  const auto left = z.re < zero;
  const Complex<V> r{select(left, small, large), copysign(select(left, large, small), z.im)};
  const auto rare = !isfinite(z);
  if (__builtin_expect(any(rare), 0)) {
    // Annex G's table for infinities; NaN else.
    const V inf = infinity<V>();
    const auto im_inf = ay == inf;
    const auto re_inf = (ax == inf) & !im_inf;
    const V lost = quiet_nan<V>();
    const V over = select(z.im == z.im, zero, lost);
    const V re = select(im_inf, inf, select(re_inf, select(left, over, inf), lost));
    const V im =
        select(im_inf, z.im, select(re_inf, copysign(select(left, inf, over), z.im), lost));
    return {select(rare, re, r.re), select(rare, im, r.im)};
  }
  return r;
}

/// z^n for integral |n| < 128 by repeated squaring, which keeps whole numbers whole.
template <class V>
PHINTYS_INLINE Complex<V> pow_integral(Complex<V> z, V n) {
  const V zero = splat<V>(0.0);
  const V half = splat<V>(0.5);
  const Complex<V> one = Complex<V>::broadcast(1);
  V rest = abs(n);
  Complex<V> power = z;
  Complex<V> r = one;
  auto started = rest < zero;  // no lane
#pragma GCC unroll 1
  for (int bit = 0; bit < 7; ++bit) {
    const V next = trunc(rest * half);
    const auto odd = rest != next + next;
    r = select(odd, select(started, r * power, power), r);
    started = started | odd;
    power = power * power;
    rest = next;
  }
  return select(n < zero, one / r, r);
}

/// z^w = e^(w log z), with NumPy's cases: z^0 = 1, 0^w = 0 for Re w > 0 and NaN else, small
/// integral powers by products. Error of |f|: about (4 + |w log z|) ULP.
template <class V>
PHINTYS_INLINE Complex<V> pow(Complex<V> z, Complex<V> w) {
  const V zero = splat<V>(0.0);
  const Complex<V> one = Complex<V>::broadcast(1);
  const auto no_base = (z.re == zero) & (z.im == zero);
  const auto no_power = (w.re == zero) & (w.im == zero);
  const auto integral = (w.im == zero) & (trunc(w.re) == w.re) & (abs(w.re) < splat<V>(100.0));
  const Complex<V> base = select(no_base, one, z);
  Complex<V> r = exp(w * log(base));
  if (any(integral)) r = select(integral, pow_integral(base, w.re), r);
  const V nothing = select(w.re > zero, zero, quiet_nan<V>());
  r = select(no_base, Complex<V>{nothing, nothing}, r);
  return select(no_power, one, r);
}

// ---- Circular and hyperbolic functions ----------------------------------------------------------

/// Beyond this e^|x| is near overflow, or an infinity or NaN is involved.
template <class V>
PHINTYS_INLINE mask_t<V> beyond_exp(Complex<V> z) {
  return !((abs(z.re) < splat<V>(700.0)) & (abs(z.im) < infinity<V>()));
}

/// sinh z = sinh x cos y + i cosh x sin y. All z. 5 ULP.
template <class V>
PHINTYS_INLINE Complex<V> sinh(Complex<V> z) {
  const auto t = sine_and_cosine(z.im);
  const Complex<V> r{sinh(z.re) * t.cos, cosh(z.re) * t.sin};
  return with_rare<V>(sinh_by_lane, beyond_exp(z), z, r);
}

/// cosh z = cosh x cos y + i sinh x sin y. All z. 5 ULP.
template <class V>
PHINTYS_INLINE Complex<V> cosh(Complex<V> z) {
  const auto t = sine_and_cosine(z.im);
  const Complex<V> r{cosh(z.re) * t.cos, sinh(z.re) * t.sin};
  return with_rare<V>(cosh_by_lane, beyond_exp(z), z, r);
}

/// Kahan's formula in s = sinh x and t = tan y, none of whose terms cancel. All z. 8 ULP.
template <class V>
PHINTYS_INLINE Complex<V> tanh(Complex<V> z) {
  const V one = splat<V>(1.0);
  const auto rare = !((abs(z.re) < splat<V>(300.0)) & (abs(z.im) < infinity<V>()));
  const V t = tan(z.im);
  const V s = sinh(select(rare, one, z.re));
  const V beta = one + t * t;
  const V s2 = s * s;
  const V denominator = one + beta * s2;
  const Complex<V> r{beta * sqrt(one + s2) * s / denominator, t / denominator};
  return with_rare<V>(tanh_by_lane, rare, z, r);
}

/// f(iz) / i and the like. 5, 5 and 8 ULP.
template <class V>
PHINTYS_INLINE Complex<V> sin(Complex<V> z) {
  return over_i(sinh(times_i(z)));
}
template <class V>
PHINTYS_INLINE Complex<V> cos(Complex<V> z) {
  return cosh(times_i(z));
}
template <class V>
PHINTYS_INLINE Complex<V> tan(Complex<V> z) {
  return over_i(tanh(times_i(z)));
}

// ---- Inverse functions --------------------------------------------------------------------------

/// Between these the squares below neither overflow nor vanish.
template <class V>
PHINTYS_INLINE mask_t<V> beyond_squares(Complex<V> z) {
  return extreme(z, 1e-140, 1e150);
}

/// What asin and acos need, for x, y >= 0: Hull, Fairgrieve and Tang, "Implementing the complex
/// arcsine and arccosine functions using exception handling", ACM TOMS 23 (1997).
template <class V>
struct InverseSine {
  V sine_over;  // tan(Re asin z) = sine_over / sine_under, both >= 0
  V sine_under;
  V size;  // |Im asin z|
};
template <class V>
PHINTYS_INLINE InverseSine<V> inverse_sine(V x, V y) {
  const V one = splat<V>(1.0);
  const V half = splat<V>(0.5);
  const V y2 = y * y;
  const V xp = x + one;
  const V xm = x - one;
  const V r = sqrt(xp * xp + y2);
  const V s = sqrt(xm * xm + y2);
  const V a = half * (r + s);
  const auto inside = x <= one;
  // y^2 / far = r - (x + 1), and y^2 / near and near are s - (x - 1) and s - (1 - x), or the other
  // way round: no difference cancels.
  const V far = one / (r + xp);
  const V near = s + abs(xm);
  const V inverse = select(near == splat<V>(0.0), near, one / near);
  const V am1 = half * (y2 * far + select(inside, y2 * inverse, near));
  const V size_near = log1p(am1 + sqrt(am1 * (a + one)));
  const V size_far = log(a + sqrt(a * a - one));
  const V size = select(a <= splat<V>(1.5), size_near, size_far);
  // sqrt(a^2 - x^2) = sqrt((a + x) (a - x)), outside with y taken out of the root.
  const V gap = select(inside, y2 * far + near, far + inverse);
  const V root = sqrt((a + x) * (half * gap));
  return {x, select(inside, root, y * root), size};
}

/// 6 ULP.
template <class V>
PHINTYS_INLINE Complex<V> asin(Complex<V> z) {
  const auto c = inverse_sine(abs(z.re), abs(z.im));
  const Complex<V> r{copysign(atan2(c.sine_over, c.sine_under), z.re), copysign(c.size, z.im)};
  return with_rare<V>(asin_by_lane, beyond_squares(z), z, r);
}

/// 6 ULP. Quadrants to the left have the supplement of the angle.
template <class V>
PHINTYS_INLINE Complex<V> acos(Complex<V> z) {
  const auto c = inverse_sine(abs(z.re), abs(z.im));
  const Complex<V> r{atan2(c.sine_under, copysign(c.sine_over, z.re)), copysign(c.size, -z.im)};
  return with_rare<V>(acos_by_lane, beyond_squares(z), z, r);
}

/// asinh z = asin(iz) / i. 6 ULP.
template <class V>
PHINTYS_INLINE Complex<V> asinh(Complex<V> z) {
  const auto c = inverse_sine(abs(z.im), abs(z.re));
  const Complex<V> r{copysign(c.size, z.re), copysign(atan2(c.sine_over, c.sine_under), z.im)};
  return with_rare<V>(asinh_by_lane, beyond_squares(z), z, r);
}

/// acosh z = i acos z or -i acos z, whichever lies to the right. 6 ULP.
template <class V>
PHINTYS_INLINE Complex<V> acosh(Complex<V> z) {
  const auto c = inverse_sine(abs(z.re), abs(z.im));
  const V angle = atan2(c.sine_under, copysign(c.sine_over, z.re));
  const Complex<V> r{c.size, copysign(angle, z.im)};
  return with_rare<V>(acosh_by_lane, beyond_squares(z), z, r);
}

/// Parts of atanh for x, y >= 0: log(1 + 4 x / |1 - z|^2) / 4 and the angle of 1 - z^2 - 2 y i.
template <class V>
PHINTYS_INLINE Complex<V> inverse_tanh(V x, V y) {
  const V one = splat<V>(1.0);
  const V y2 = y * y;
  const V xm = one - x;
  const V size = splat<V>(0.25) * log1p(splat<V>(4.0) * x / (xm * xm + y2));
  const V angle = splat<V>(0.5) * atan2(y + y, xm * (one + x) - y2);
  return {size, angle};
}

/// 6 ULP.
template <class V>
PHINTYS_INLINE Complex<V> atanh(Complex<V> z) {
  const auto c = inverse_tanh(abs(z.re), abs(z.im));
  const Complex<V> r{copysign(c.re, z.re), copysign(c.im, z.im)};
  return with_rare<V>(atanh_by_lane, beyond_squares(z), z, r);
}

/// atan z = atanh(iz) / i. 6 ULP.
template <class V>
PHINTYS_INLINE Complex<V> atan(Complex<V> z) {
  const auto c = inverse_tanh(abs(z.im), abs(z.re));
  const Complex<V> r{copysign(c.im, z.re), copysign(c.re, z.im)};
  return with_rare<V>(atan_by_lane, beyond_squares(z), z, r);
}

}  // namespace phintys::math
