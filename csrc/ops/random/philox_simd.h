// Philox on vectors, and the pieces of which distributions are made. For *_isa.cpp files only.
#pragma once

// The same bits from every instruction set: multiplications and additions round separately.
#undef __FMA__
#undef __ARM_FEATURE_FMA

#include "kernels/simd/vec.h"
#include "ops/math/math.h"
#include "ops/random/philox_kernels.h"

namespace phintys::PHINTYS_ISA {

static_assert(!kHasFma);

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

/// The four words of a block for each lane, in the low halves; the high halves are noise.
struct WordLanes {
  VI64 word[4];
  PHINTYS_INLINE VI64 low() const { return (word[0] & int64_t{0xffffffff}) | shl(word[1], 32); }
  PHINTYS_INLINE VI64 high() const { return (word[2] & int64_t{0xffffffff}) | shl(word[3], 32); }
};

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

// --- numbers from bits
// ----------------------------------------------------------------------------

/// The 64-bit lanes as twice as many 32-bit ones.
PHINTYS_INLINE VI32 halves(VI64 x) { return VI32{(RawI32)x.v}; }

/// 0 <= i < 2^52 as a float, exactly.
PHINTYS_INLINE VF64 small_to_float(VI64 i) {
  return bitcast_float(i | int64_t{0x4330000000000000}) - 4503599627370496.0;
}
/// The upper 53 bits as an integral number.
PHINTYS_INLINE VF64 upper_53(VI64 x) {
#ifdef PHINTYS_SIMD_AVX512
  return to_float(shr_logical(x, 11));
#else
  const VF64 high = small_to_float(shr_logical(x, 32)) * 2097152.0;
  return high + small_to_float(shr_logical(x, 11) & int64_t{0x1fffff});
#endif
}
/// [0, 1), multiples of 2^-53 (2^-24).
PHINTYS_INLINE VF64 unit_interval(VI64 x) { return upper_53(x) * 0x1p-53; }
PHINTYS_INLINE VF32 unit_interval(VI32 x) { return to_float(shr_logical(x, 8)) * 0x1p-24f; }
/// (0, 1): the logarithm is finite and not 0.
PHINTYS_INLINE VF64 unit_positive(VI64 x) {
  return min((upper_53(x) + 0.5) * 0x1p-53, 1.0 - 0x1p-53);
}
PHINTYS_INLINE VF32 unit_positive(VI32 x) {
  return min(to_float(shr_logical(x, 1)) * 0x1p-31f + 0x1p-32f, 1.0f - 0x1p-24f);
}
/// (0, 1) from 32 bits in the low half of a lane.
PHINTYS_INLINE VF64 unit_short(VI64 word) {
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
PHINTYS_INLINE CosSin<VF64> unit_circle(VI64 x) {
  const VI64 part = x & int64_t{0x000fffffffffffff};
  const VF64 angle = (small_to_float(part) + 0.5) * (0.78539816339744830962 * 0x1p-52);
  const auto t = cos_sin_octant(angle);
  const auto swap = test_bits(x, int64_t{1} << 61);
  const VF64 c = select(swap, t.s, t.c);
  const VF64 s = select(swap, t.c, t.s);
  return {flip_sign(c, bitcast_float(x)), flip_sign(s, bitcast_float(shl(x, 1)))};
}
PHINTYS_INLINE CosSin<VF32> unit_circle(VI32 x) {
  const VI32 part = x & int32_t{0x1fffffff};
  const float unit = 0.78539816339744830962f * 0x1p-29f;
  const VF32 angle = to_float(part) * unit + 0.5f * unit;
  const auto t = cos_sin_octant(angle);
  const auto swap = test_bits(x, int32_t{1} << 29);
  const VF32 c = select(swap, t.s, t.c);
  const VF32 s = select(swap, t.c, t.s);
  return {flip_sign(c, bitcast_float(x)), flip_sign(s, bitcast_float(shl(x, 1)))};
}

}  // namespace phintys::PHINTYS_ISA
