// sin, cos, tan.
#pragma once

#include <stdint.h>

#include "polynomials.h"

namespace phintys::math {

/// x = n pi/2 + hi + lo with |hi| <= pi/4.
struct HugeReduction {
  int n;
  double hi;
  double lo;
};

/// The bits of 2/pi after a word of zeros, most significant first.
PHINTYS_DEVICE static constexpr uint64_t kTwoOverPi[20] = {
    0x0000000000000000, 0xa2f9836e4e441529, 0xfc2757d1f534ddc0, 0xdb6295993c439041,
    0xfe5163abdebbc561, 0xb7246e3a424dd2e0, 0x06492eea09d1921c, 0xfe1deb1cb129a73e,
    0xe88235f52ebb4484, 0xe99c7026b45f7e41, 0x3991d639835339f4, 0x9c845f8bbdf9283b,
    0x1ff897ffde05980f, 0xef2f118b5a0a6d1f, 0x6d367ecf27cb09b7, 0x4f463f669e5fea2d,
    0x7527bac7ebe5f17b, 0x3d0739f78a5292ea, 0x6bfb5fb11f8d5d08, 0x56033046fc7b6bab};

/// Payne and Hanek's reduction in integers for one |x| >= 2^-10, 256 bits wide: the closest that a
/// double comes to a multiple of pi/2 is about 2^-62, which leaves more than 60 good bits.
PHINTYS_KERNEL HugeReduction reduce_huge(double x) {
  __extension__ using u128 = unsigned __int128;
  const uint64_t bits = __builtin_bit_cast(uint64_t, x);
  const int biased = static_cast<int>((bits >> 52) & 0x7ff);
  if (biased == 0x7ff) return {0, x - x, 0.0};
  const uint64_t m = (bits & 0x000fffffffffffff) | 0x0010000000000000;
  // x = m 2^e; the leading word of zeros counts as 64 more. Words whose product with m is a
  // multiple of 4 whole quarter turns are skipped.
  const int e = biased - 1075 + 64;
  const int first = (e - 2) / 64;
  const int shift = (e - 2) % 64;
  // The low 256 bits of m times four words, most significant word first in w.
  uint64_t w[4];
  uint64_t carry = 0;
  for (int i = 3; i >= 0; --i) {
    const u128 p = static_cast<u128>(m) * kTwoOverPi[first + i] + carry;
    w[i] = static_cast<uint64_t>(p);
    carry = static_cast<uint64_t>(p >> 64);
  }
  if (shift != 0) {
    for (int i = 0; i < 3; ++i) w[i] = (w[i] << shift) | (w[i + 1] >> (64 - shift));
    w[3] <<= shift;
  }
  // Two bits of quadrant, then the fraction.
  int n = static_cast<int>(w[0] >> 62);
  for (int i = 0; i < 3; ++i) w[i] = (w[i] << 2) | (w[i + 1] >> 62);
  const bool negative = (w[0] >> 63) != 0;
  if (negative) {  // round to the nearest quadrant: the fraction minus one
    ++n;
    for (int i = 0; i < 3; ++i) w[i] = ~w[i];
  }
  int exponent = 0;
  if (w[0] == 0) {
    w[0] = w[1];
    w[1] = w[2];
    exponent = -64;
  }
  if (w[0] == 0) return {n & 3, 0.0, 0.0};
  const int zeros = __builtin_clzll(w[0]);
  const uint64_t top = zeros == 0 ? w[0] : (w[0] << zeros) | (w[1] >> (64 - zeros));
  exponent -= zeros;
  // top 2^(exponent - 64) times pi/2 = 0xc90fdaa22168c234 2^-63, error below 2^-61.
  const u128 product = static_cast<u128>(top) * 0xc90fdaa22168c235ULL;
  const uint64_t high = static_cast<uint64_t>(product >> 64);
  const double scale =
      __builtin_bit_cast(double, static_cast<uint64_t>(1023 + exponent - 63) << 52);
  const double signed_scale = negative ? -scale : scale;
  const uint64_t kept = high & ~uint64_t{0x7ff};
  const double hi = static_cast<double>(static_cast<int64_t>(kept >> 1)) * 2.0 * signed_scale;
  const double lo = static_cast<double>(static_cast<int64_t>(high - kept)) * signed_scale;
  bool is_negative_x = (bits >> 63) != 0;
  if (is_negative_x) return {(-n) & 3, -hi, -lo};
  return {n & 3, hi, lo};
}

/// r = x - n pi/2 as an unnormalised double word, for integral |n| < 2^20 (2^9 for f32). Every
/// product but the last is exact, so that no cancellation near a multiple of pi/2 is felt.
template <class V>
PHINTYS_INLINE DoubleWord<V> subtract_quarter_turns(V x, V n) {
  if constexpr (V::has_fma) {
    const V a = fma(n, splat<V>(-0x1.921fb4p+0, -0x1.921fb54442d18p+0), x);
    const V t = n * splat<V>(0x1.444p-24, 0x1.1a62633p-54);
    const V b = a - t;
    const V e = (a - b) - t;
    return {b, fma(n, splat<V>(-0x1.68c234p-39, -0x1.45c06e0e68948p-86), e)};
  } else {
    const V a = x - n * splat<V>(0x1.921cp+0, 0x1.921fb544p+0);
    const V t = n * splat<V>(0x1.daap-15, 0x1.0b4611a6p-34);
    const V b = a - t;
    const V e = (a - b) - t;
    const V u = n * splat<V>(0x1.10b4p-30, 0x1.3198a2ep-69);
    const V c = b - u;
    const V g = (b - c) - u;
    return {c, -(n * splat<V>(0x1.84698ap-48, 0x1.b839a252049c1p-104) - (e + g))};
  }
}

/// The same rounded to one value, at most 1 ULP from it. With FMA the second product rounds only
/// relative to its own sum, and the third is too small to cancel against that. All parts of pi/2
/// are positive and subtracted, which keeps -0.
template <class V>
PHINTYS_INLINE V reduced_quarter_turns(V x, V n) {
  if constexpr (V::has_fma) {
    const V a = fma(n, splat<V>(-0x1.921fb4p+0, -0x1.921fb54442d18p+0), x);
    const V b = fma(n, splat<V>(-0x1.4442dp-24, -0x1.1a62633145c06p-54), a);
    return fma(n, splat<V>(-0x1.84698ap-48, -0x1.c1cd129024e09p-107), b);
  } else {
    const auto d = subtract_quarter_turns(x, n);
    return d.hi + d.lo;
  }
}

/// Below this the fast reduction holds.
template <class V>
PHINTYS_INLINE V fast_turns_limit() {
  return splat<V>(800.0, 1600000.0);
}

/// Redoes the reduction of the huge lanes. Through memory, but only here: indexing the vectors
/// themselves would keep them out of registers on the fast path too.
template <class V>
PHINTYS_INLINE void reduce_huge_lanes(V x, mask_t<V> huge, V& r, V& r_lo, int_t<V>& quadrant) {
  using E = elem_t<V>;
  using I = elem_t<int_t<V>>;
  E xs[V::lanes];
  E hi[V::lanes];
  E lo[V::lanes];
  I quadrants[V::lanes];
  const V marked = select(huge, x, splat<V>(0.0));
  marked.store(xs);
  r.store(hi);
  r_lo.store(lo);
  quadrant.store(quadrants);
  for (int i = 0; i < V::lanes; ++i) {
    if (xs[i] == 0) continue;
    const HugeReduction h = reduce_huge(static_cast<double>(xs[i]));
    hi[i] = static_cast<E>(h.hi + h.lo);
    lo[i] = static_cast<E>((h.hi - static_cast<double>(hi[i])) + h.lo);
    quadrants[i] = static_cast<I>(h.n);
  }
  r = V::load(hi);
  r_lo = V::load(lo);
  quadrant = int_t<V>::load(quadrants);
}

/// x less whole quarter turns: sin and cos of what is left, and how many turns there were (their
/// two low bits). Two polynomials on |r| <= pi/4: one alone, up to pi/2, is a little faster, but
/// neither stays within 2 ULP there nor gives cos 0 = 1.
template <class V>
struct QuarterTurn {
  V sin;
  V cos;
  int_t<V> quadrant;
};
template <class V>
PHINTYS_INLINE QuarterTurn<V> quarter_turn(V x) {
  const V magic = splat<V>(12582912.0, 6755399441055744.0);
  const V ax = abs(x);
  const V t = fma(x, splat<V>(0.63661977236758134308), magic);
  const V n = t - magic;
  V r = reduced_quarter_turns(x, n);
  int_t<V> quadrant = bitcast_int(t);
  const auto huge = ax >= fast_turns_limit<V>();
  if (__builtin_expect(any(huge), 0)) {
    V unused = r;
    reduce_huge_lanes(x, huge, r, unused, quadrant);
  }
  const V u = r * r;
  // A product with r, not a sum: keeps -0 and the denormals.
  const V s = r * fma(u, poly_sin(u), splat<V>(1.0));
  const V c = fma(u, fma(u, poly_cos(u), splat<V>(-0.5)), splat<V>(1.0));
  return {s, c, quadrant};
}
/// The sine of an angle that is `quadrant` quarter turns more than that of `a`.
template <class V>
PHINTYS_INLINE V sine_in(int_t<V> quadrant, const QuarterTurn<V>& a) {
  using I = elem_t<int_t<V>>;
  constexpr int kSignShift = is_f32<V> ? 30 : 62;
  const V y = select(test_bits(quadrant, I{1}), a.cos, a.sin);
  return bitcast_float(bitcast_int(y) ^ shl(quadrant & I{2}, kSignShift));
}

template <bool Cosine, class V>
PHINTYS_INLINE V sine_or_cosine(V x) {
  using I = elem_t<int_t<V>>;
  const auto a = quarter_turn(x);
  return sine_in(Cosine ? a.quadrant + I{1} : a.quadrant, a);
}

/// Both, for little more than one.
template <class V>
struct SineAndCosine {
  V sin;
  V cos;
};
template <class V>
PHINTYS_INLINE SineAndCosine<V> sine_and_cosine(V x) {
  using I = elem_t<int_t<V>>;
  const auto a = quarter_turn(x);
  return {sine_in(a.quadrant, a), sine_in(a.quadrant + I{1}, a)};
}

/// sin x. All x, NaN at infinities; -0 stays -0. 2 ULP.
/// Cody and Waite's reduction, its products exact; huge x by integers, lane by lane.
template <class V>
PHINTYS_INLINE V sin(V x) {
  return sine_or_cosine<false>(x);
}

/// cos x. All x, NaN at infinities. 2 ULP.
template <class V>
PHINTYS_INLINE V cos(V x) {
  return sine_or_cosine<true>(x);
}

/// tan x. All x, NaN at infinities; -0 stays -0. 2 ULP. sin r / cos r or -cos r / sin r.
template <class V>
PHINTYS_INLINE V tan(V x) {
  const V magic = splat<V>(12582912.0, 6755399441055744.0);
  const V one = splat<V>(1.0);
  const V t = fma(x, splat<V>(0.63661977236758134308), magic);
  int_t<V> quadrant = bitcast_int(t);
  auto d = subtract_quarter_turns(x, t - magic);
  V r = d.hi + d.lo;
  V r_lo = (d.hi - r) + d.lo;
  const V ax = abs(x);
  const auto huge = ax >= fast_turns_limit<V>();
  if (__builtin_expect(any(huge), 0)) {
    reduce_huge_lanes(x, huge, r, r_lo, quadrant);
  }
  const auto odd = test_bits(quadrant, elem_t<int_t<V>>{1});
  const V u = r * r;
  // First-order corrections for r_lo: sin' = cos, cos' = -sin.
  const V h = splat<V>(0.5) * u;
  const auto s = fast_two_sum(r, fma(r * u, poly_sin(u), fma(-h, r_lo, r_lo)));
  const auto c = fast_two_sum(one, fma(u * u, poly_cos(u), fma(-r, r_lo, -h)));
  const V y = quotient<V>({select(odd, -c.hi, s.hi), select(odd, -c.lo, s.lo)},
                          {select(odd, s.hi, c.hi), select(odd, s.lo, c.lo)});
  return select(ax < splat<V>(1e-12, 1e-150), x, y);
}

}  // namespace phintys::math
