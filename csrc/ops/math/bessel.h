// Bessel functions of orders 0 and 1: i0, i1, i0e, i1e, j0, j1.
#pragma once

#include "special_polynomials.h"
#include "wide.h"

namespace phintys::math {

/// I_n(x), n = 0 or 1, times e^-|x| if `Exponential`. Up to 12 the power series, fitted; above,
/// e^x / sqrt(x) times a polynomial in 1/x.
template <int Order, bool Exponential, class V>
PHINTYS_KERNEL V bessel_i_double(V x) {
  const V one = splat<V>(1.0);
  const V ax = abs(x);
  const auto far = ax > splat<V>(12.0);
  const V half = splat<V>(0.5) * select(far, one, ax);
  const auto square = two_prod(half, half);
  const V z = square.hi;
  V near;
  if constexpr (Order == 0) {
    near = fma(z, poly_i0_near(z), one);
  } else {
    near = fma(half * z, poly_i1_near(z), half);
  }
  // The rounding error of z, by a logarithmic derivative that need not be exact.
  near = fma(near, square.lo / fma(half, splat<V>(0.875), one), near);
  const V inv = one / select(far, ax, splat<V>(16.0));
  V p;
  if constexpr (Order == 0) {
    p = poly_i0_far(inv);
  } else {
    p = poly_i1_far(inv);
  }
  V y;
  if constexpr (Exponential) {
    const V root = sqrt(inv) * p;
    y = select(far, root, near * exp(-select(far, one, ax)));
  } else {
    const V c = min(ax, splat<V>(720.0));
    const auto a = reduce_exp(select(far, c, one));
    // e^712 alone would overflow: the halves of the power are applied one after the other.
    const V e = exp_reduced(a.r) * (p * sqrt(inv));
    y = select(far, ldexp_small(e, a.n), near);
    y = select(ax >= splat<V>(720.0), infinity<V>(), y);
  }
  y = select(isnan(x), x, y);
  return Order == 0 ? y : flip_sign(y, x);
}

/// The modified Bessel function of order 0. All x. 2.5 ULP.
template <class V>
PHINTYS_INLINE V i0(V x) {
  return in_double(
      [](auto w) __attribute__((always_inline)) { return bessel_i_double<0, false>(w); }, x);
}
/// The same of order 1. All x; -0 stays -0. 2.5 ULP.
template <class V>
PHINTYS_INLINE V i1(V x) {
  return in_double(
      [](auto w) __attribute__((always_inline)) { return bessel_i_double<1, false>(w); }, x);
}
/// e^-|x| i0(x). All x. 3 ULP.
template <class V>
PHINTYS_INLINE V i0e(V x) {
  return in_double(
      [](auto w) __attribute__((always_inline)) { return bessel_i_double<0, true>(w); }, x);
}
/// e^-|x| i1(x). All x; -0 stays -0. 3 ULP.
template <class V>
PHINTYS_INLINE V i1e(V x) {
  return in_double(
      [](auto w) __attribute__((always_inline)) { return bessel_i_double<1, true>(w); }, x);
}

/// cos(x - shift pi/4 + d) for x >= 0 and small d, `shift` odd: whole quarter turns are taken off
/// x without rounding, then pi/4.
template <class V>
PHINTYS_INLINE V cos_shifted(V x, int shift, V d) {
  using I = elem_t<int_t<V>>;
  const V magic = splat<V>(6755399441055744.0);
  const V quarter = splat<V>(0.7853981633974483);
  const V quarter_lo = splat<V>(3.061616997868382943e-17);
  const V t = fma(x - quarter, splat<V>(0.63661977236758134308), magic);
  auto turns = subtract_quarter_turns(x, t - magic);
  V r = turns.hi;
  V r_lo = turns.lo;
  int_t<V> quadrant = bitcast_int(t);
  const auto huge = x >= fast_turns_limit<V>();
  if (__builtin_expect(any(huge), 0)) {
    reduce_huge_lanes(x, huge, r, r_lo, quadrant);
    // These lie within pi/4 of zero: a quarter turn back, where that brings the next sum there.
    const auto back = huge & (r < splat<V>(0.0));
    r_lo = r_lo + select(back, splat<V>(4.0) * splat<V>(1.530808498934191e-17), splat<V>(0.0));
    const auto moved = two_sum(r, select(back, splat<V>(1.5707963267948966), splat<V>(0.0)));
    r = moved.hi;
    r_lo = r_lo + moved.lo;
    quadrant = select(back, quadrant - int_t<V>::broadcast(I{1}), quadrant);
  }
  const auto s = two_sum(r, -quarter);
  const V a = s.hi + (s.lo + (r_lo - quarter_lo + d));
  // cos(x - shift pi/4) = cos(a + (quadrant - (shift - 1)/2) pi/2).
  quadrant = quadrant + int_t<V>::broadcast(static_cast<I>(1 - (shift - 1) / 2));
  const V u = a * a;
  const V sine = a * fma(u, poly_sin(u), splat<V>(1.0));
  const V cosine = fma(u, fma(u, poly_cos(u), splat<V>(-0.5)), splat<V>(1.0));
  const V y = select(test_bits(quadrant, I{1}), cosine, sine);
  return bitcast_float(bitcast_int(y) ^ shl(quadrant & I{2}, 62));
}

/// J_n(x), n = 0 or 1. Up to 8 a polynomial with the first two roots divided out; above, modulus
/// and phase of the Hankel function.
template <int Order, class V>
PHINTYS_KERNEL V bessel_j_double(V x) {
  const V zero = splat<V>(0.0);
  const V ax = abs(x);
  const auto far = ax > splat<V>(8.0);
  const V c = select(far, zero, ax);
  const auto square = two_prod(c, c);
  const V t = fma(square.hi - splat<V>(32.0), splat<V>(0.03125), splat<V>(0.03125) * square.lo);
  // x^2 less the squares of two roots, each in two words.
  V near;
  if constexpr (Order == 0) {
    const V a =
        (square.hi - splat<V>(5.783185962946784)) + (square.lo - splat<V>(4.12324734350620398e-16));
    const V b = (square.hi - splat<V>(30.471262343662087)) +
                (square.lo + splat<V>(2.366534485750658763e-16));
    near = a * b * poly_j0_near(t);
    near = select(c < splat<V>(1e-9), splat<V>(1.0), near);
  } else {
    const V a = (square.hi - splat<V>(14.681970642123893)) +
                (square.lo + splat<V>(9.858177825793294137e-17));
    const V b =
        (square.hi - splat<V>(49.2184563216946)) + (square.lo - splat<V>(5.086354069436340706e-16));
    near = c * (a * b * poly_j1_near(t));
    near = select(c < splat<V>(1e-9), splat<V>(0.5) * c, near);
  }
  V y = near;
  if (any(far)) {
    const V big = select(far & (ax < infinity<V>()), ax, splat<V>(8.0));
    const V inv = splat<V>(1.0) / big;
    const V w = inv * inv;
    V m;
    V cosine;
    if constexpr (Order == 0) {
      m = poly_j0_modulus(w);
      cosine = cos_shifted(big, 1, inv * poly_j0_phase(w));
    } else {
      m = poly_j1_modulus(w);
      cosine = cos_shifted(big, 3, inv * poly_j1_phase(w));
    }
    const V asymptotic = splat<V>(0.7978845608028654) * sqrt(inv) * m * cosine;
    y = select(far, select(ax < infinity<V>(), asymptotic, zero), near);
  }
  y = select(isnan(x), x, y);
  return Order == 0 ? y : flip_sign(y, x);
}

/// The Bessel function of order 0. All x, 0 at infinities. 4 ULP of the larger of its value and of
/// its amplitude sqrt(2 / (pi x)).
template <class V>
PHINTYS_INLINE V j0(V x) {
  return in_double([](auto w) __attribute__((always_inline)) { return bessel_j_double<0>(w); }, x);
}
/// The same of order 1; -0 stays -0.
template <class V>
PHINTYS_INLINE V j1(V x) {
  return in_double([](auto w) __attribute__((always_inline)) { return bessel_j_double<1>(w); }, x);
}

}  // namespace phintys::math
