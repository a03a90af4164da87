// Philox on vectors, and the pieces of which distributions are made. For *_isa.cpp files, and for
// devices, which define PHINTYS_ONE_LANE.
#pragma once

// The same bits from every instruction set: multiplications and additions round separately.
#undef __FMA__
#undef __ARM_FEATURE_FMA

#include "kernels/simd/vec.h"
#include "ops/math/exponential.h"
#include "ops/math/logarithm.h"
#include "ops/math/trigonometric.h"
#include "ops/random/philox.h"

namespace phintys::PHINTYS_ISA {

static_assert(!kHasFma);

// Values of as many lanes as are computed together.
#ifdef PHINTYS_ONE_LANE
using LF32 = SF32;
using LF64 = SF64;
using LI32 = SI32;
using LI64 = SI64;
#else
using LF32 = VF32;
using LF64 = VF64;
using LI32 = VI32;
using LI64 = VI64;
#endif

/// The four words of a block for each lane, in the low halves; the high halves are noise.
struct WordLanes {
  LI64 word[4];
  PHINTYS_INLINE LI64 low() const { return (word[0] & int64_t{0xffffffff}) | shl(word[1], 32); }
  PHINTYS_INLINE LI64 high() const { return (word[2] & int64_t{0xffffffff}) | shl(word[3], 32); }
};

#ifdef PHINTYS_ONE_LANE

struct PhiloxKeys {
  uint32_t k0, k1;
};
PHINTYS_INLINE PhiloxKeys philox_keys(const PhiloxState& s) {
  return {static_cast<uint32_t>(s.key), static_cast<uint32_t>(s.key >> 32)};
}
PHINTYS_INLINE WordLanes philox_lanes(const PhiloxKeys& keys, LI64 a, LI64 b, LI64 c, LI64 d) {
  const PhiloxBlock x = philox({{static_cast<uint32_t>(a.v), static_cast<uint32_t>(b.v),
                                 static_cast<uint32_t>(c.v), static_cast<uint32_t>(d.v)}},
                               keys.k0, keys.k1);
  return {{LI64{x.word[0]}, LI64{x.word[1]}, LI64{x.word[2]}, LI64{x.word[3]}}};
}

#else

// The keys of all rounds.
struct PhiloxKeys {
  int64_t k0[kPhiloxRounds], k1[kPhiloxRounds];
};
PHINTYS_INLINE PhiloxKeys philox_keys(const PhiloxState& s) {
  PhiloxKeys keys;
  uint32_t k0 = static_cast<uint32_t>(s.key), k1 = static_cast<uint32_t>(s.key >> 32);
  for (int i = 0; i < kPhiloxRounds; ++i, k0 += kPhiloxW0, k1 += kPhiloxW1) {
    keys.k0[i] = k0;
    keys.k1[i] = k1;
  }
  return keys;
}

/// The 64-bit products of the low halves of the lanes.
PHINTYS_INLINE VI64 multiply_low(VI64 a, VI64 b) {
#if defined(PHINTYS_SIMD_AVX512)
  using T = int __attribute__((vector_size(64)));
  using L = long long __attribute__((vector_size(64)));
  return VI64{(RawI64)__builtin_ia32_pmuludq512_mask((T)a.v, (T)b.v, L{}, -1)};
#elif defined(PHINTYS_SIMD_AVX2)
  using T = int __attribute__((vector_size(32)));
  return VI64{(RawI64)__builtin_ia32_pmuludq256((T)a.v, (T)b.v)};
#elif defined(PHINTYS_SIMD_SSE2)
  using T = int __attribute__((vector_size(16)));
  return VI64{(RawI64)__builtin_ia32_pmuludq128((T)a.v, (T)b.v)};
#else
  return VI64{(RawI64)(((RawU64)a.v & 0xffffffffu) * ((RawU64)b.v & 0xffffffffu))};
#endif
}

PHINTYS_INLINE WordLanes philox_lanes(const PhiloxKeys& keys, VI64 a, VI64 b, VI64 c, VI64 d) {
  const VI64 m0 = VI64::broadcast(kPhiloxM0);
  const VI64 m1 = VI64::broadcast(kPhiloxM1);
#pragma GCC unroll 10
  for (int i = 0; i < kPhiloxRounds; ++i) {
    const VI64 p = multiply_low(a, m0);
    const VI64 q = multiply_low(c, m1);
    a = shr_logical(q, 32) ^ b ^ VI64::broadcast(keys.k0[i]);
    c = shr_logical(p, 32) ^ d ^ VI64::broadcast(keys.k1[i]);
    b = q;
    d = p;
  }
  return {{a, b, c, d}};
}

/// 0, 1, 2, ...
PHINTYS_INLINE VI64 lane_numbers() {
  VI64 r = VI64::broadcast(0);
  for (int i = 0; i < VI64::lanes; ++i) r.v[i] = i;
  return r;
}

/// The 64-bit lanes as twice as many 32-bit ones.
PHINTYS_INLINE VI32 halves(VI64 x) { return VI32{(RawI32)x.v}; }

#endif

// --- numbers from bits
// ----------------------------------------------------------------------------

/// 0 <= i < 2^52 as a float, exactly.
PHINTYS_INLINE LF64 small_to_float(LI64 i) {
  return bitcast_float(i | int64_t{0x4330000000000000}) - 4503599627370496.0;
}
/// The upper 53 bits as an integral number.
PHINTYS_INLINE LF64 upper_53(LI64 x) {
#if defined(PHINTYS_SIMD_AVX512) || defined(PHINTYS_ONE_LANE)
  return to_float(shr_logical(x, 11));
#else
  const LF64 high = small_to_float(shr_logical(x, 32)) * 2097152.0;
  return high + small_to_float(shr_logical(x, 11) & int64_t{0x1fffff});
#endif
}
/// [0, 1), multiples of 2^-53 (2^-24).
PHINTYS_INLINE LF64 unit_interval(LI64 x) { return upper_53(x) * 0x1p-53; }
PHINTYS_INLINE LF32 unit_interval(LI32 x) { return to_float(shr_logical(x, 8)) * 0x1p-24f; }
/// (0, 1): the logarithm is finite and not 0.
PHINTYS_INLINE LF64 unit_positive(LI64 x) {
  return min((upper_53(x) + 0.5) * 0x1p-53, 1.0 - 0x1p-53);
}
PHINTYS_INLINE LF32 unit_positive(LI32 x) {
  return min(to_float(shr_logical(x, 1)) * 0x1p-31f + 0x1p-32f, 1.0f - 0x1p-24f);
}
/// (0, 1) from 32 bits in the low half of a lane.
PHINTYS_INLINE LF64 unit_short(LI64 word) {
  return (small_to_float(word & int64_t{0xffffffff}) + 0.5) * 0x1p-32;
}

/// log x for normal x > 0.
template <class V>
PHINTYS_INLINE V log_of_normal(V x) {
  const auto s = math::split_normal(x, V::broadcast(0));
  return math::log_sum(s.k, s.f);
}

/// Cosine and sine of an angle between 0 and pi/4.
template <class V>
struct CosSin {
  V c, s;
};
template <class V>
PHINTYS_INLINE CosSin<V> cos_sin_octant(V x) {
  const V u = x * x;
  const V s = x + x * (u * math::poly_sin(u));
  const V c = V::broadcast(1) + u * (u * math::poly_cos(u) - math::splat<V>(0.5));
  return {c, s};
}

/// A point on the unit circle from an octant's angle and three bits: whether the coordinates are
/// exchanged, and their signs.
PHINTYS_INLINE CosSin<LF64> unit_circle(LI64 x) {
  const LI64 part = x & int64_t{0x000fffffffffffff};
  const LF64 angle = (small_to_float(part) + 0.5) * (0.78539816339744830962 * 0x1p-52);
  const auto t = cos_sin_octant(angle);
  const auto swap = test_bits(x, int64_t{1} << 61);
  const LF64 c = select(swap, t.s, t.c);
  const LF64 s = select(swap, t.c, t.s);
  return {flip_sign(c, bitcast_float(x)), flip_sign(s, bitcast_float(shl(x, 1)))};
}
PHINTYS_INLINE CosSin<LF32> unit_circle(LI32 x) {
  const LI32 part = x & int32_t{0x1fffffff};
  const float unit = 0.78539816339744830962f * 0x1p-29f;
  const LF32 angle = to_float(part) * unit + 0.5f * unit;
  const auto t = cos_sin_octant(angle);
  const auto swap = test_bits(x, int32_t{1} << 29);
  const LF32 c = select(swap, t.s, t.c);
  const LF32 s = select(swap, t.c, t.s);
  return {flip_sign(c, bitcast_float(x)), flip_sign(s, bitcast_float(shl(x, 1)))};
}

/// An exponential number of u in (0, 1).
template <class V>
PHINTYS_INLINE V minus_log(V u) {
  return V::broadcast(0) - log_of_normal(u);
}

/// Box and Muller: the low word gives the radius, the high word the angle.
template <class I>
PHINTYS_INLINE CosSin<float_of<I>> box_muller(I low, I high) {
  using V = float_of<I>;
  const V radius = sqrt(minus_log(unit_positive(low)) * math::splat<V>(2.0));
  const auto point = unit_circle(high);
  return {radius * point.c, radius * point.s};
}

}  // namespace phintys::PHINTYS_ISA
