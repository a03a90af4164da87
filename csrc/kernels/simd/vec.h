// The vocabulary of branch-free kernels: one set of vector and scalar types per instruction set.
//
// A translation unit is compiled for one ISA; its types live in `phintys::<PHINTYS_ISA>`, so that
// two objects never define the same symbol with different instructions. All functions are found by
// argument-dependent lookup and work alike on vectors (VF32, VF64, VI32, VI64) and on scalars of
// one lane (SF32, SF64, SI32, SI64): a body instantiated with both gives the same bits.
//
// Flags: -std=c++20 -O3 -ffp-contract=off -fno-math-errno -fno-trapping-math, and per ISA
// -march=haswell | -march=skylake-avx512 -mprefer-vector-width=512. Never -ffast-math or any of its
// parts that drop NaN, infinities or signed zeros.
#pragma once

#include "vec_types.h"

namespace phintys::PHINTYS_ISA {

// ---- Making, loading, storing -------------------------------------------------------------------

template <Number V>
PHINTYS_INLINE V splat(elem_of<V> e) {
  return V::broadcast(e);
}
template <Number V>
PHINTYS_INLINE V load(const elem_of<V>* p) {
  return V::load(p);
}
template <Number V>
PHINTYS_INLINE void store(elem_of<V>* p, V x) {
  x.store(p);
}
template <Number V>
PHINTYS_INLINE elem_of<V> get_lane(V x, int i) {
  if constexpr (V::is_vector) {
    return x.v[i];
  } else {
    return x.v;
  }
}
template <Number V>
PHINTYS_INLINE V set_lane(V x, int i, elem_of<V> e) {
  if constexpr (V::is_vector) {
    x.v[i] = e;
  } else {
    x.v = e;
  }
  return x;
}

// ---- Bit casts ----------------------------------------------------------------------------------

template <Float V>
PHINTYS_INLINE int_of<V> bitcast_int(V x) {
  if constexpr (V::is_vector) {
    return int_of<V>{(typename int_of<V>::raw)x.v};
  } else {
    return int_of<V>{__builtin_bit_cast(typename int_of<V>::raw, x.v)};
  }
}
template <Int I>
PHINTYS_INLINE float_of<I> bitcast_float(I x) {
  if constexpr (I::is_vector) {
    return float_of<I>{(typename float_of<I>::raw)x.v};
  } else {
    return float_of<I>{__builtin_bit_cast(typename float_of<I>::raw, x.v)};
  }
}

// ---- Arithmetic (integers wrap around) ----------------------------------------------------------

#define PHINTYS_SIMD_ARITH(OP)                                                     \
  template <Number V>                                                              \
  PHINTYS_INLINE V operator OP(V a, V b) {                                         \
    if constexpr (V::is_float) {                                                   \
      return V{a.v OP b.v};                                                        \
    } else {                                                                       \
      return V{(typename V::raw)((typename V::uraw)a.v OP(typename V::uraw) b.v)}; \
    }                                                                              \
  }                                                                                \
  template <Number V>                                                              \
  PHINTYS_INLINE V operator OP(V a, elem_of<V> b) {                                \
    return a OP V::broadcast(b);                                                   \
  }                                                                                \
  template <Number V>                                                              \
  PHINTYS_INLINE V operator OP(elem_of<V> a, V b) {                                \
    return V::broadcast(a) OP b;                                                   \
  }
PHINTYS_SIMD_ARITH(+)
PHINTYS_SIMD_ARITH(-)
PHINTYS_SIMD_ARITH(*)
#undef PHINTYS_SIMD_ARITH

template <Float V>
PHINTYS_INLINE V operator/(V a, V b) {
  return V{a.v / b.v};
}
template <Float V>
PHINTYS_INLINE V operator/(V a, elem_of<V> b) {
  return V{a.v / V::broadcast(b).v};
}
template <Float V>
PHINTYS_INLINE V operator/(elem_of<V> a, V b) {
  return V{V::broadcast(a).v / b.v};
}
template <Number V>
PHINTYS_INLINE V operator-(V a) {
  if constexpr (V::is_float) {
    return V{-a.v};
  } else {
    return V{(typename V::raw)(-(typename V::uraw)a.v)};
  }
}
template <Number V>
PHINTYS_INLINE V& operator+=(V& a, V b) {
  return a = a + b;
}
template <Number V>
PHINTYS_INLINE V& operator-=(V& a, V b) {
  return a = a - b;
}
template <Number V>
PHINTYS_INLINE V& operator*=(V& a, V b) {
  return a = a * b;
}

// ---- Integer bits -------------------------------------------------------------------------------

#define PHINTYS_SIMD_BITS(OP)                       \
  template <Int V>                                  \
  PHINTYS_INLINE V operator OP(V a, V b) {          \
    return V{a.v OP b.v};                           \
  }                                                 \
  template <Int V>                                  \
  PHINTYS_INLINE V operator OP(V a, elem_of<V> b) { \
    return V{a.v OP V::broadcast(b).v};             \
  }
PHINTYS_SIMD_BITS(&)
PHINTYS_SIMD_BITS(|)
PHINTYS_SIMD_BITS(^)
#undef PHINTYS_SIMD_BITS

template <Int V>
PHINTYS_INLINE V operator~(V a) {
  return V{~a.v};
}
template <Int V>
PHINTYS_INLINE V shl(V a, int n) {
  return V{(typename V::raw)((typename V::uraw)a.v << n)};
}
template <Int V>
PHINTYS_INLINE V shr_logical(V a, int n) {
  return V{(typename V::raw)((typename V::uraw)a.v >> n)};
}
template <Int V>
PHINTYS_INLINE V shr_arith(V a, int n) {
#ifdef PHINTYS_SIMD_AVX512
  return V{a.v >> n};
#else
  // No 64-bit arithmetic shift before AVX-512, and gcc would go lane by lane: flip the negative
  // numbers to the non-negative ones before and after a logical shift.
  if constexpr (V::is_vector && sizeof(elem_of<V>) == 8) {
    const V flip = V{a.v < 0};
    return shr_logical(a ^ flip, n) ^ flip;
  } else {
    return V{a.v >> n};
  }
#endif
}
template <Int V>
PHINTYS_INLINE V operator<<(V a, int n) {
  return shl(a, n);
}
/// Arithmetic, as for signed numbers in C++20.
template <Int V>
PHINTYS_INLINE V operator>>(V a, int n) {
  return shr_arith(a, n);
}

// ---- Comparisons --------------------------------------------------------------------------------

// The codes are those of vcmpps and vpcmpd; the quiet forms for floats.
enum class Compare : int { kEqual = 0, kLess = 1, kLessEqual = 2, kNotEqual = 4 };

template <Compare C, Number V>
PHINTYS_INLINE mask_of<V> compare(V a, V b) {
#ifdef PHINTYS_SIMD_AVX512
  constexpr int kInt = static_cast<int>(C);
  constexpr int kQuiet = (C == Compare::kLess || C == Compare::kLessEqual) ? kInt | 16 : kInt;
  using R = typename V::raw;
  if constexpr (__is_same(R, RawF32)) {
    return VM32{static_cast<uint16_t>(__builtin_ia32_cmpps512_mask(a.v, b.v, kQuiet, -1, 4))};
  } else if constexpr (__is_same(R, RawF64)) {
    return VM64{static_cast<uint8_t>(__builtin_ia32_cmppd512_mask(a.v, b.v, kQuiet, -1, 4))};
  } else if constexpr (__is_same(R, RawI32)) {
    using T = int __attribute__((vector_size(64)));
    return VM32{static_cast<uint16_t>(__builtin_ia32_cmpd512_mask((T)a.v, (T)b.v, kInt, -1))};
  } else if constexpr (__is_same(R, RawI64)) {
    using T = long long __attribute__((vector_size(64)));
    return VM64{static_cast<uint8_t>(__builtin_ia32_cmpq512_mask((T)a.v, (T)b.v, kInt, -1))};
  } else  // NOLINT: the scalar case below
#endif
  {
    using M = mask_of<V>;
    using MR = typename M::raw;
    if constexpr (C == Compare::kEqual) {
      return M{(MR)(a.v == b.v)};
    } else if constexpr (C == Compare::kLess) {
      return M{(MR)(a.v < b.v)};
    } else if constexpr (C == Compare::kLessEqual) {
      return M{(MR)(a.v <= b.v)};
    } else {
      return M{(MR)(a.v != b.v)};
    }
  }
}

#define PHINTYS_SIMD_COMPARE(OP, CODE, A, B)                 \
  template <Number V>                                        \
  PHINTYS_INLINE mask_of<V> operator OP(V a, V b) {          \
    return compare<Compare::CODE>(A, B);                     \
  }                                                          \
  template <Number V>                                        \
  PHINTYS_INLINE mask_of<V> operator OP(V a, elem_of<V> b) { \
    return a OP V::broadcast(b);                             \
  }
PHINTYS_SIMD_COMPARE(==, kEqual, a, b)
PHINTYS_SIMD_COMPARE(!=, kNotEqual, a, b)
PHINTYS_SIMD_COMPARE(<, kLess, a, b)
PHINTYS_SIMD_COMPARE(<=, kLessEqual, a, b)
PHINTYS_SIMD_COMPARE(>, kLess, b, a)
PHINTYS_SIMD_COMPARE(>=, kLessEqual, b, a)
#undef PHINTYS_SIMD_COMPARE

// ---- Masks --------------------------------------------------------------------------------------

template <Mask M>
PHINTYS_INLINE M operator&(M a, M b) {
  return M{static_cast<typename M::raw>(a.v & b.v)};
}
template <Mask M>
PHINTYS_INLINE M operator|(M a, M b) {
  return M{static_cast<typename M::raw>(a.v | b.v)};
}
template <Mask M>
PHINTYS_INLINE M operator^(M a, M b) {
  return M{static_cast<typename M::raw>(a.v ^ b.v)};
}
template <Mask M>
PHINTYS_INLINE M operator!(M a) {
  if constexpr (M::is_vector) {
    return M{static_cast<typename M::raw>(~a.v)};
  } else {
    return M{!a.v};
  }
}
template <Mask M>
PHINTYS_INLINE M operator~(M a) {
  return !a;
}
template <Mask M>
PHINTYS_INLINE M splat_mask(bool b) {
#ifdef PHINTYS_SIMD_AVX512
  return M{static_cast<typename M::raw>(b ? -1 : 0)};
#else
  if constexpr (M::is_vector) {
    return M{typename M::raw{} - (b ? 1 : 0)};
  } else {
    return M{b};
  }
#endif
}

/// True when some lane is true: the one uniform test by which a kernel may skip a rare path.
template <Mask M>
PHINTYS_INLINE bool any(M m) {
  if constexpr (!M::is_vector) {
    return m.v;
  } else {
#if defined(PHINTYS_SIMD_AVX512)
    return m.v != 0;
#elif defined(PHINTYS_SIMD_AVX2)
    if constexpr (sizeof(m.v[0]) == 4) {
      return __builtin_ia32_movmskps256((RawF32)m.v) != 0;
    } else {
      return __builtin_ia32_movmskpd256((RawF64)m.v) != 0;
    }
#elif defined(PHINTYS_SIMD_SSE2)
    if constexpr (sizeof(m.v[0]) == 4) {
      return __builtin_ia32_movmskps((RawF32)m.v) != 0;
    } else {
      return __builtin_ia32_movmskpd((RawF64)m.v) != 0;
    }
#else
    auto r = m.v[0];
    for (int i = 1; i < M::lanes; ++i) r |= m.v[i];
    return r != 0;
#endif
  }
}
template <Mask M>
PHINTYS_INLINE bool all(M m) {
  return !any(!m);
}
template <Mask M>
PHINTYS_INLINE bool get_lane(M m, int i) {
  if constexpr (!M::is_vector) {
    return m.v;
  } else {
#ifdef PHINTYS_SIMD_AVX512
    return (m.v >> i) & 1;
#else
    return m.v[i] != 0;
#endif
  }
}

/// a where m, else b.
template <Number V>
PHINTYS_INLINE V select(mask_of<V> m, V a, V b) {
#ifdef PHINTYS_SIMD_AVX512
  using R = typename V::raw;
  if constexpr (__is_same(R, RawF32)) {
    return V{__builtin_ia32_blendmps_512_mask(b.v, a.v, m.v)};
  } else if constexpr (__is_same(R, RawF64)) {
    return V{__builtin_ia32_blendmpd_512_mask(b.v, a.v, m.v)};
  } else if constexpr (__is_same(R, RawI32)) {
    using T = int __attribute__((vector_size(64)));
    return V{(R)__builtin_ia32_blendmd_512_mask((T)b.v, (T)a.v, m.v)};
  } else if constexpr (__is_same(R, RawI64)) {
    using T = long long __attribute__((vector_size(64)));
    return V{(R)__builtin_ia32_blendmq_512_mask((T)b.v, (T)a.v, m.v)};
  } else  // NOLINT: the scalar case below
#endif
  {
    return V{m.v ? a.v : b.v};
  }
}
template <Number V>
PHINTYS_INLINE V select(mask_of<V> m, V a, elem_of<V> b) {
  return select(m, a, V::broadcast(b));
}
template <Number V>
PHINTYS_INLINE V select(mask_of<V> m, elem_of<V> a, V b) {
  return select(m, V::broadcast(a), b);
}
/// select, but over masks.
template <Mask M>
PHINTYS_INLINE M select_mask(M m, M a, M b) {
  return (m & a) | (!m & b);
}

template <Float V>
PHINTYS_INLINE mask_of<V> isnan(V x) {
  return x != x;
}

/// True where some bit of `bits` is set in x.
template <Int V>
PHINTYS_INLINE mask_of<V> test_bits(V x, elem_of<V> bits) {
#ifdef PHINTYS_SIMD_AVX512
  if constexpr (__is_same(V, VI32)) {
    using T = int __attribute__((vector_size(64)));
    return VM32{
        static_cast<uint16_t>(__builtin_ia32_ptestmd512((T)x.v, (T)V::broadcast(bits).v, -1))};
  } else if constexpr (__is_same(V, VI64)) {
    using T = long long __attribute__((vector_size(64)));
    return VM64{
        static_cast<uint8_t>(__builtin_ia32_ptestmq512((T)x.v, (T)V::broadcast(bits).v, -1))};
  } else  // NOLINT
#endif
  {
    return (x & bits) != V::broadcast(0);
  }
}

// ---- Sign bit -----------------------------------------------------------------------------------

/// Only the sign bit set, as integer bits.
template <Float V>
PHINTYS_INLINE int_of<V> sign_bit() {
  using E = elem_of<int_of<V>>;
  return int_of<V>::broadcast(sizeof(E) == 4 ? static_cast<E>(INT32_MIN)
                                             : static_cast<E>(INT64_MIN));
}
template <Float V>
PHINTYS_INLINE V abs(V x) {
  return bitcast_float(bitcast_int(x) & ~sign_bit<V>());
}
template <Float V>
PHINTYS_INLINE V copysign(V magnitude, V sign) {
  const auto s = sign_bit<V>();
  return bitcast_float((bitcast_int(magnitude) & ~s) | (bitcast_int(sign) & s));
}
/// x with its sign flipped where `sign` has its sign bit set.
template <Float V>
PHINTYS_INLINE V flip_sign(V x, V sign) {
  return bitcast_float(bitcast_int(x) ^ (bitcast_int(sign) & sign_bit<V>()));
}
/// True for -0 and NaN with a sign too, unlike x < 0.
template <Float V>
PHINTYS_INLINE mask_of<V> signbit(V x) {
  return bitcast_int(x) < 0;
}
template <Int V>
PHINTYS_INLINE V abs(V x) {
  return select(x < 0, -x, x);
}

// ---- Raw minimum and maximum: b where either is NaN, as the SSE instructions --------------------

template <Number V>
PHINTYS_INLINE V min(V a, V b) {
  using R = typename V::raw;
  (void)sizeof(R);
#if defined(PHINTYS_SIMD_AVX512)
  if constexpr (__is_same(R, RawF32)) {
    return V{__builtin_ia32_minps512_mask(a.v, b.v, R{}, -1, 4)};
  } else if constexpr (__is_same(R, RawF64)) {
    return V{__builtin_ia32_minpd512_mask(a.v, b.v, R{}, -1, 4)};
  } else  // NOLINT
#elif defined(PHINTYS_SIMD_AVX2)
  if constexpr (__is_same(R, RawF32)) {
    return V{__builtin_ia32_minps256(a.v, b.v)};
  } else if constexpr (__is_same(R, RawF64)) {
    return V{__builtin_ia32_minpd256(a.v, b.v)};
  } else  // NOLINT
#elif defined(PHINTYS_SIMD_SSE2)
  if constexpr (__is_same(R, RawF32)) {
    return V{__builtin_ia32_minps(a.v, b.v)};
  } else if constexpr (__is_same(R, RawF64)) {
    return V{__builtin_ia32_minpd(a.v, b.v)};
  } else  // NOLINT
#endif
  {
    return select(a < b, a, b);
  }
}
template <Number V>
PHINTYS_INLINE V max(V a, V b) {
  using R = typename V::raw;
  (void)sizeof(R);
#if defined(PHINTYS_SIMD_AVX512)
  if constexpr (__is_same(R, RawF32)) {
    return V{__builtin_ia32_maxps512_mask(a.v, b.v, R{}, -1, 4)};
  } else if constexpr (__is_same(R, RawF64)) {
    return V{__builtin_ia32_maxpd512_mask(a.v, b.v, R{}, -1, 4)};
  } else  // NOLINT
#elif defined(PHINTYS_SIMD_AVX2)
  if constexpr (__is_same(R, RawF32)) {
    return V{__builtin_ia32_maxps256(a.v, b.v)};
  } else if constexpr (__is_same(R, RawF64)) {
    return V{__builtin_ia32_maxpd256(a.v, b.v)};
  } else  // NOLINT
#elif defined(PHINTYS_SIMD_SSE2)
  if constexpr (__is_same(R, RawF32)) {
    return V{__builtin_ia32_maxps(a.v, b.v)};
  } else if constexpr (__is_same(R, RawF64)) {
    return V{__builtin_ia32_maxpd(a.v, b.v)};
  } else  // NOLINT
#endif
  {
    return select(a > b, a, b);
  }
}
template <Number V>
PHINTYS_INLINE V min(V a, elem_of<V> b) {
  return min(a, V::broadcast(b));
}
template <Number V>
PHINTYS_INLINE V max(V a, elem_of<V> b) {
  return max(a, V::broadcast(b));
}

// ---- Fused multiply-add and square root ---------------------------------------------------------

/// a * b + c. One rounding where kHasFma; elsewhere two, so that an error term fma(a, b, -(a * b))
/// would be zero there: exact products go through two_prod in ops/math/double_word.h.
template <Float V>
PHINTYS_INLINE V fma(V a, V b, V c) {
#if PHINTYS_SIMD_FMA
  using R = typename V::raw;
#if defined(PHINTYS_SIMD_AVX512)
  if constexpr (__is_same(R, RawF32)) {
    return V{__builtin_ia32_vfmaddps512_mask(a.v, b.v, c.v, -1, 4)};
  } else if constexpr (__is_same(R, RawF64)) {
    return V{__builtin_ia32_vfmaddpd512_mask(a.v, b.v, c.v, -1, 4)};
  } else  // NOLINT
#elif defined(PHINTYS_SIMD_AVX2)
  if constexpr (__is_same(R, RawF32)) {
    return V{__builtin_ia32_vfmaddps256(a.v, b.v, c.v)};
  } else if constexpr (__is_same(R, RawF64)) {
    return V{__builtin_ia32_vfmaddpd256(a.v, b.v, c.v)};
  } else  // NOLINT
#endif
      if constexpr (__is_same(R, float)) {
    return V{__builtin_fmaf(a.v, b.v, c.v)};
  } else if constexpr (__is_same(R, double)) {
    return V{__builtin_fma(a.v, b.v, c.v)};
  } else {
    V r = c;
    for (int i = 0; i < V::lanes; ++i) {
      r.v[i] = sizeof(elem_of<V>) == 4 ? __builtin_fmaf(a.v[i], b.v[i], c.v[i])
                                       : __builtin_fma(a.v[i], b.v[i], c.v[i]);
    }
    return r;
  }
#else
  return a * b + c;
#endif
}
template <Float V>
PHINTYS_INLINE V fma(V a, V b, elem_of<V> c) {
  return fma(a, b, V::broadcast(c));
}
template <Float V>
PHINTYS_INLINE V fma(V a, elem_of<V> b, V c) {
  return fma(a, V::broadcast(b), c);
}

template <Float V>
PHINTYS_INLINE V sqrt(V x) {
  using R = typename V::raw;
#if defined(PHINTYS_SIMD_AVX512)
  if constexpr (__is_same(R, RawF32)) {
    return V{__builtin_ia32_sqrtps512_mask(x.v, R{}, -1, 4)};
  } else if constexpr (__is_same(R, RawF64)) {
    return V{__builtin_ia32_sqrtpd512_mask(x.v, R{}, -1, 4)};
  } else  // NOLINT
#elif defined(PHINTYS_SIMD_AVX2)
  if constexpr (__is_same(R, RawF32)) {
    return V{__builtin_ia32_sqrtps256(x.v)};
  } else if constexpr (__is_same(R, RawF64)) {
    return V{__builtin_ia32_sqrtpd256(x.v)};
  } else  // NOLINT
#elif defined(PHINTYS_SIMD_SSE2)
  if constexpr (__is_same(R, RawF32)) {
    return V{__builtin_ia32_sqrtps(x.v)};
  } else if constexpr (__is_same(R, RawF64)) {
    return V{__builtin_ia32_sqrtpd(x.v)};
  } else  // NOLINT
#endif
      if constexpr (__is_same(R, float)) {
    return V{__builtin_sqrtf(x.v)};
  } else if constexpr (__is_same(R, double)) {
    return V{__builtin_sqrt(x.v)};
  } else {
    V r = x;
    for (int i = 0; i < V::lanes; ++i) {
      r.v[i] = sizeof(elem_of<V>) == 4 ? __builtin_sqrtf(x.v[i]) : __builtin_sqrt(x.v[i]);
    }
    return r;
  }
}

// ---- Rounding -----------------------------------------------------------------------------------

/// The codes are the immediates of roundps without the inexact flag.
enum class Rounding : int { kEven = 8, kFloor = 9, kCeil = 10, kTrunc = 11 };

template <Rounding R, Float V>
PHINTYS_INLINE V round_portable(V x) {
  using E = elem_of<V>;
  constexpr E kMagic =
      sizeof(E) == 4 ? static_cast<E>(8388608.0) : static_cast<E>(4503599627370496.0);
  const V ax = abs(x);
  const V zero = V::broadcast(0);
  const V one = V::broadcast(1);
  V r = (ax + kMagic) - kMagic;  // nearest even, as ax < kMagic below
  if constexpr (R == Rounding::kTrunc) {
    r = r - select(r > ax, one, zero);
  }
  r = copysign(r, x);
  if constexpr (R == Rounding::kFloor) {
    r = r - select(r > x, one, zero);
  } else if constexpr (R == Rounding::kCeil) {
    r = copysign(r + select(r < x, one, zero), x);
  }
  return select(ax < kMagic, r, x);
}

template <Rounding M, Float V>
PHINTYS_INLINE V round_to(V x) {
  using R = typename V::raw;
  (void)sizeof(R);
#if defined(PHINTYS_SIMD_AVX512)
  if constexpr (__is_same(R, RawF32)) {
    return V{__builtin_ia32_rndscaleps_mask(x.v, static_cast<int>(M), R{}, -1, 4)};
  } else if constexpr (__is_same(R, RawF64)) {
    return V{__builtin_ia32_rndscalepd_mask(x.v, static_cast<int>(M), R{}, -1, 4)};
  } else  // NOLINT
#elif defined(PHINTYS_SIMD_AVX2)
  if constexpr (__is_same(R, RawF32)) {
    return V{__builtin_ia32_roundps256(x.v, static_cast<int>(M))};
  } else if constexpr (__is_same(R, RawF64)) {
    return V{__builtin_ia32_roundpd256(x.v, static_cast<int>(M))};
  } else  // NOLINT
#endif
  {
#if defined(PHINTYS_ONE_LANE)
    constexpr bool kSingle = sizeof(R) == 4;
    if constexpr (M == Rounding::kEven) {
      return V{kSingle ? R(__builtin_rintf(x.v)) : R(__builtin_rint(x.v))};
    } else if constexpr (M == Rounding::kFloor) {
      return V{kSingle ? R(__builtin_floorf(x.v)) : R(__builtin_floor(x.v))};
    } else if constexpr (M == Rounding::kCeil) {
      return V{kSingle ? R(__builtin_ceilf(x.v)) : R(__builtin_ceil(x.v))};
    } else if constexpr (M == Rounding::kTrunc) {
      return V{kSingle ? R(__builtin_truncf(x.v)) : R(__builtin_trunc(x.v))};
    } else  // NOLINT
#elif defined(__SSE4_1__)
    using F = float __attribute__((vector_size(16)));
    using D = double __attribute__((vector_size(16)));
    if constexpr (__is_same(R, float)) {
      return V{__builtin_ia32_roundss(F{x.v}, F{x.v}, static_cast<int>(M))[0]};
    } else if constexpr (__is_same(R, double)) {
      return V{__builtin_ia32_roundsd(D{x.v}, D{x.v}, static_cast<int>(M))[0]};
    } else  // NOLINT
#endif
    {
      return round_portable<M>(x);
    }
  }
}
template <Float V>
PHINTYS_INLINE V floor(V x) {
  return round_to<Rounding::kFloor>(x);
}
template <Float V>
PHINTYS_INLINE V ceil(V x) {
  return round_to<Rounding::kCeil>(x);
}
template <Float V>
PHINTYS_INLINE V trunc(V x) {
  return round_to<Rounding::kTrunc>(x);
}
template <Float V>
PHINTYS_INLINE V round_even(V x) {
  return round_to<Rounding::kEven>(x);
}

// ---- Conversions --------------------------------------------------------------------------------

/// Truncates, as a C cast. Out of range and NaN: unspecified. 64-bit is slow before AVX-512.
template <Float V>
PHINTYS_INLINE int_of<V> to_int(V x) {
  if constexpr (V::is_vector) {
    return int_of<V>{__builtin_convertvector(x.v, typename int_of<V>::raw)};
  } else {
    return int_of<V>{static_cast<elem_of<int_of<V>>>(x.v)};
  }
}
/// Rounds once. 64-bit is slow before AVX-512: to_float_small is not.
template <Int V>
PHINTYS_INLINE float_of<V> to_float(V x) {
  if constexpr (V::is_vector) {
    return float_of<V>{__builtin_convertvector(x.v, typename float_of<V>::raw)};
  } else {
    return float_of<V>{static_cast<elem_of<float_of<V>>>(x.v)};
  }
}

/// 1.5 * 2^52 (2^23 for f32): adding it leaves the nearest integer in the low bits.
template <Float V>
PHINTYS_INLINE V round_magic() {
  return V::broadcast(sizeof(elem_of<V>) == 4 ? static_cast<elem_of<V>>(12582912.0)
                                              : static_cast<elem_of<V>>(6755399441055744.0));
}
/// Nearest even, for |x| <= 2^51 (2^22 for f32) only; one addition and one subtraction everywhere.
template <Float V>
PHINTYS_INLINE int_of<V> to_int_small(V x) {
  return bitcast_int(x + round_magic<V>()) - bitcast_int(round_magic<V>());
}
/// Exact, for |i| <= 2^51 (2^22 for i32) only.
template <Int V>
PHINTYS_INLINE float_of<V> to_float_small(V i) {
  const float_of<V> magic = round_magic<float_of<V>>();
  return bitcast_float(i + bitcast_int(magic)) - magic;
}

/// x * 2^n, rounded once, for integral n of at most 2100 (280 for f32) in size and x in [0.25, 4).
template <Float V>
PHINTYS_INLINE V ldexp_small(V x, V n) {
#ifdef PHINTYS_SIMD_AVX512
  if constexpr (__is_same(V, VF32)) {
    return V{__builtin_ia32_scalefps512_mask(x.v, n.v, RawF32{}, -1, 4)};
  } else if constexpr (__is_same(V, VF64)) {
    return V{__builtin_ia32_scalefpd512_mask(x.v, n.v, RawF64{}, -1, 4)};
  } else  // NOLINT
#endif
  {
    // Two exact powers of two, so that only the last product rounds. Adding magic + bias leaves the
    // biased exponent in the low bits of the significand.
    using E = elem_of<V>;
    constexpr int kShift = sizeof(E) == 4 ? 23 : 52;
    const V bias = round_magic<V>() + (sizeof(E) == 4 ? E{127} : E{1023});
    const V half = (n * E{0.5} + round_magic<V>()) - round_magic<V>();
    const V rest = n - half;
    return x * bitcast_float(shl(bitcast_int(half + bias), kShift)) *
           bitcast_float(shl(bitcast_int(rest + bias), kShift));
  }
}

#ifndef PHINTYS_ONE_LANE
/// The two halves of a VF32 as VF64, and back (rounding to nearest).
PHINTYS_INLINE VF64 widen_low(VF32 x) {
  using Half = float __attribute__((vector_size(PHINTYS_SIMD_BYTES / 2)));
#if PHINTYS_SIMD_BYTES == 64
  const Half h = __builtin_shufflevector(x.v, x.v, 0, 1, 2, 3, 4, 5, 6, 7);
#elif PHINTYS_SIMD_BYTES == 32
  const Half h = __builtin_shufflevector(x.v, x.v, 0, 1, 2, 3);
#else
  const Half h = __builtin_shufflevector(x.v, x.v, 0, 1);
#endif
  return VF64{__builtin_convertvector(h, RawF64)};
}
PHINTYS_INLINE VF64 widen_high(VF32 x) {
  using Half = float __attribute__((vector_size(PHINTYS_SIMD_BYTES / 2)));
#if PHINTYS_SIMD_BYTES == 64
  const Half h = __builtin_shufflevector(x.v, x.v, 8, 9, 10, 11, 12, 13, 14, 15);
#elif PHINTYS_SIMD_BYTES == 32
  const Half h = __builtin_shufflevector(x.v, x.v, 4, 5, 6, 7);
#else
  const Half h = __builtin_shufflevector(x.v, x.v, 2, 3);
#endif
  return VF64{__builtin_convertvector(h, RawF64)};
}
PHINTYS_INLINE VF32 narrow(VF64 low, VF64 high) {
  using Half = float __attribute__((vector_size(PHINTYS_SIMD_BYTES / 2)));
  const Half a = __builtin_convertvector(low.v, Half);
  const Half b = __builtin_convertvector(high.v, Half);
#if PHINTYS_SIMD_BYTES == 64
  return VF32{__builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)};
#elif PHINTYS_SIMD_BYTES == 32
  return VF32{__builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7)};
#else
  return VF32{__builtin_shufflevector(a, b, 0, 1, 2, 3)};
#endif
}

/// Computes f in double precision on every lane of f32 arguments: f takes VF64 or SF64 values.
template <class F>
PHINTYS_INLINE VF32 map_wide(F f, VF32 x) {
  return narrow(f(widen_low(x)), f(widen_high(x)));
}
template <class F>
PHINTYS_INLINE VF32 map_wide(F f, VF32 x, VF32 y) {
  return narrow(f(widen_low(x), widen_low(y)), f(widen_high(x), widen_high(y)));
}
#endif
template <class F>
PHINTYS_INLINE SF32 map_wide(F f, SF32 x) {
  return SF32{static_cast<float>(f(SF64{x.v}).v)};
}
template <class F>
PHINTYS_INLINE SF32 map_wide(F f, SF32 x, SF32 y) {
  return SF32{static_cast<float>(f(SF64{x.v}, SF64{y.v}).v)};
}

}  // namespace phintys::PHINTYS_ISA
