// Moving rows into vectors and back: bool rows, float16 and complex rows.
#pragma once

#include "kernels/simd/partial.h"
#include "kernels/simd/vec.h"
#include "ops/elementwise/int_value.h"
#include "ops/math/complex_value.h"

namespace phintys::PHINTYS_ISA {

// ---- Complex rows: pairs (real part, imaginary part) --------------------------------------------

using math::Complex;

template <int... kIndex>
struct Indices {};
template <int kSize, int... kIndex>
struct MakeIndices {
  using type = typename MakeIndices<kSize - 1, kSize - 1, kIndex...>::type;
};
template <int... kIndex>
struct MakeIndices<0, kIndex...> {
  using type = Indices<kIndex...>;
};

template <class V, int... kIndex>
PHINTYS_INLINE Complex<V> split_pairs(V a, V b, Indices<kIndex...>) {
  return {V{__builtin_shufflevector(a.v, b.v, (2 * kIndex)...)},
          V{__builtin_shufflevector(a.v, b.v, (2 * kIndex + 1)...)}};
}
// The lower (kHalf = 0) or upper half of the pairs.
template <int kHalf, class V, int... kIndex>
PHINTYS_INLINE V join_pairs(Complex<V> x, Indices<kIndex...>) {
  return V{__builtin_shufflevector(x.re.v, x.im.v,
                                   (kHalf * V::lanes / 2 + kIndex / 2 + kIndex % 2 * V::lanes)...)};
}

// How elements of the value type V lie in memory: `width` numbers each.
template <class V>
struct Row {
  static constexpr int width = 1;
  using elem = typename V::elem;
  struct Value {
    elem v;
  };
  static PHINTYS_INLINE V load(const elem* p) { return V::load(p); }
  static PHINTYS_INLINE V load_one(const elem* p) { return V::broadcast(*p); }
  static PHINTYS_INLINE V load_part(const elem* p, int r, V fill) {
    return PHINTYS_ISA::load_part<V>(p, r, fill);
  }
  static PHINTYS_INLINE void store(elem* p, V x) { x.store(p); }
  static PHINTYS_INLINE void store_part(elem* p, V x, int r) { PHINTYS_ISA::store_part(p, x, r); }
  static PHINTYS_INLINE Value first(V x) { return {get_lane(x, 0)}; }
};
template <class V>
struct Row<Complex<V>> {
  static constexpr int width = 2;
  using elem = typename V::elem;
  using indices = typename MakeIndices<V::lanes>::type;
  struct Value {
    elem re;
    elem im;
  };
  static PHINTYS_INLINE Complex<V> load(const elem* p) {
    return split_pairs(V::load(p), V::load(p + V::lanes), indices{});
  }
  static PHINTYS_INLINE Complex<V> load_one(const elem* p) {
    return {V::broadcast(p[0]), V::broadcast(p[1])};
  }
  static PHINTYS_INLINE Complex<V> load_part(const elem* p, int r, Complex<V> fill) {
    elem buffer[2 * V::lanes];
    store(buffer, fill);
    for (int i = 0; i < 2 * r; ++i) buffer[i] = p[i];
    return load(buffer);
  }
  static PHINTYS_INLINE void store(elem* p, Complex<V> x) {
    join_pairs<0>(x, indices{}).store(p);
    join_pairs<1>(x, indices{}).store(p + V::lanes);
  }
  static PHINTYS_INLINE void store_part(elem* p, Complex<V> x, int r) {
    elem buffer[2 * V::lanes];
    store(buffer, x);
    for (int i = 0; i < 2 * r; ++i) p[i] = buffer[i];
  }
  static PHINTYS_INLINE Value first(Complex<V> x) { return {get_lane(x.re, 0), get_lane(x.im, 0)}; }
};

// ---- Bool rows as masks: every byte is exactly 0 or 1 -------------------------------------------

#if defined(__SSE2__)
using Bytes16 = char __attribute__((vector_size(16)));
#endif

struct __attribute__((packed, may_alias)) Word64 {
  uint64_t v;
};
struct __attribute__((packed, may_alias)) Word32 {
  uint32_t v;
};
struct __attribute__((packed, may_alias)) Word16 {
  uint16_t v;
};

template <class M>
PHINTYS_INLINE M load_mask(const uint8_t* p) {
  if constexpr (M::lanes == 1) {
    if constexpr (__is_same(M, BoolV)) {
      return M{*p};
    } else {
      return M{*p != 0};
    }
  } else {
#if defined(PHINTYS_SIMD_AVX512)
    struct __attribute__((packed, may_alias)) Unaligned {
      Bytes16 v;
    };
    if constexpr (M::lanes == 16) {
      const Bytes16 x = reinterpret_cast<const Unaligned*>(p)->v;
      return M{static_cast<uint16_t>(__builtin_ia32_ptestmb128(x, x, static_cast<uint16_t>(-1)))};
    } else {
      using Longs = long long __attribute__((vector_size(16)));
      const Bytes16 x =
          (Bytes16)Longs{static_cast<long long>(reinterpret_cast<const Word64*>(p)->v), 0};
      return M{static_cast<uint8_t>(__builtin_ia32_ptestmb128(x, x, static_cast<uint16_t>(-1)))};
    }
#elif defined(PHINTYS_SIMD_AVX2)
    using Longs = long long __attribute__((vector_size(16)));
    if constexpr (M::lanes == 8) {
      const Bytes16 x =
          (Bytes16)Longs{static_cast<long long>(reinterpret_cast<const Word64*>(p)->v), 0};
      return M{RawI32{} - (RawI32)__builtin_ia32_pmovsxbd256(x)};
    } else {
      const Bytes16 x =
          (Bytes16)Longs{static_cast<long long>(reinterpret_cast<const Word32*>(p)->v), 0};
      return M{RawI64{} - (RawI64)__builtin_ia32_pmovsxbq256(x)};
    }
#elif defined(PHINTYS_SIMD_SSE2)
    using Ints = int __attribute__((vector_size(16)));
    const uint32_t word = M::lanes == 4 ? reinterpret_cast<const Word32*>(p)->v
                                        : reinterpret_cast<const Word16*>(p)->v;
    const Bytes16 x = (Bytes16)Ints{static_cast<int>(word), 0, 0, 0};
    using Shorts = short __attribute__((vector_size(16)));
    // The unpack instructions by name: gcc 12 builds a general shuffle out of single bytes.
    const Shorts shorts = (Shorts)__builtin_ia32_punpcklbw128(x, Bytes16{});
    const Ints ints = Ints{} - (Ints)__builtin_ia32_punpcklwd128(shorts, Shorts{});
    if constexpr (M::lanes == 4) {
      return M{(RawI32)ints};
    } else {
      return M{(RawI64)__builtin_ia32_punpckldq128(ints, ints)};
    }
#else
    typename M::raw m{};
    for (int i = 0; i < M::lanes; ++i) m[i] = -static_cast<int>(p[i]);
    return M{m};
#endif
  }
}

template <class M>
PHINTYS_INLINE void store_mask(uint8_t* p, M m) {
  if constexpr (M::lanes == 1) {
    *p = static_cast<uint8_t>(m.v);
  } else {
#if defined(PHINTYS_SIMD_AVX512)
    struct __attribute__((packed, may_alias)) Unaligned {
      Bytes16 v;
    };
    const Bytes16 ones = Bytes16{} + 1;
    const Bytes16 x = (Bytes16)__builtin_ia32_movdquqi128_mask(ones, Bytes16{}, m.v);
    if constexpr (M::lanes == 16) {
      reinterpret_cast<Unaligned*>(p)->v = x;
    } else {
      using Longs = long long __attribute__((vector_size(16)));
      reinterpret_cast<Word64*>(p)->v = static_cast<uint64_t>(((Longs)x)[0]);
    }
#elif defined(PHINTYS_SIMD_AVX2)
    if constexpr (M::lanes == 8) {
      using Ints = int __attribute__((vector_size(16)));
      using Shorts = short __attribute__((vector_size(16)));
      using Longs = long long __attribute__((vector_size(16)));
      const Ints low = __builtin_shufflevector(m.v, m.v, 0, 1, 2, 3);
      const Ints high = __builtin_shufflevector(m.v, m.v, 4, 5, 6, 7);
      const Shorts s = __builtin_ia32_packssdw128(low, high);
      const Bytes16 b = (Bytes16)__builtin_ia32_packsswb128(s, s);
      reinterpret_cast<Word64*>(p)->v = static_cast<uint64_t>(((Longs)b)[0]) & 0x0101010101010101u;
    } else {
      // Bit i moves to bit 8 i: the product holds the four bits at all multiples of 7.
      const auto bits = static_cast<uint32_t>(__builtin_ia32_movmskpd256((RawF64)m.v));
      reinterpret_cast<Word32*>(p)->v = bits * 0x00204081u & 0x01010101u;
    }
#elif defined(PHINTYS_SIMD_SSE2)
    if constexpr (M::lanes == 4) {
      const auto bits = static_cast<uint32_t>(__builtin_ia32_movmskps((RawF32)m.v));
      reinterpret_cast<Word32*>(p)->v = bits * 0x00204081u & 0x01010101u;
    } else {
      const auto bits = static_cast<uint32_t>(__builtin_ia32_movmskpd((RawF64)m.v));
      reinterpret_cast<Word16*>(p)->v = static_cast<uint16_t>(bits * 0x81u & 0x0101u);
    }
#else
    for (int i = 0; i < M::lanes; ++i) p[i] = m.v[i] != 0;
#endif
  }
}

template <class M>
PHINTYS_INLINE M load_mask_part(const uint8_t* p, int r) {
  uint8_t buffer[M::lanes];
  for (int i = 0; i < M::lanes; ++i) buffer[i] = i < r ? p[i] : 0;
  return load_mask<M>(buffer);
}
template <class M>
PHINTYS_INLINE void store_mask_part(uint8_t* p, M m, int r) {
  uint8_t buffer[M::lanes];
  store_mask(buffer, m);
  for (int i = 0; i < r; ++i) p[i] = buffer[i];
}

// ---- float16 ------------------------------------------------------------------------------------

PHINTYS_INLINE float half_to_single(uint16_t h) {
  const uint32_t magnitude = h & 0x7fffu;
  const uint32_t sign = static_cast<uint32_t>(h & 0x8000u) << 16;
  // The bits moved into place are the value times 2^-112, subnormals included.
  const uint32_t finite =
      __builtin_bit_cast(uint32_t, __builtin_bit_cast(float, magnitude << 13) * 0x1p112f);
  const uint32_t quiet = magnitude > 0x7c00u ? 0x00400000u : 0u;
  const uint32_t special = 0x7f800000u | (magnitude & 0x3ffu) << 13 | quiet;
  return __builtin_bit_cast(float, (magnitude >= 0x7c00u ? special : finite) | sign);
}

// To nearest, halves to even.
PHINTYS_INLINE uint16_t single_to_half(float f) {
  const uint32_t bits = __builtin_bit_cast(uint32_t, f);
  const uint32_t sign = bits >> 16 & 0x8000u;
  const uint32_t magnitude = bits & 0x7fffffffu;
  // Adding 0.5 lines the half's last subnormal bit up with the float's last bit, so the addition
  // itself rounds.
  const uint32_t small =
      __builtin_bit_cast(uint32_t, __builtin_bit_cast(float, magnitude) + 0.5f) - 0x3f000000u;
  const uint32_t normal = (magnitude + 0xfffu + (magnitude >> 13 & 1u) - 0x38000000u) >> 13;
  uint32_t r = magnitude < 0x38800000u ? small : normal;
  r = magnitude >= 0x47800000u ? 0x7c00u : r;
  r = magnitude > 0x7f800000u ? 0x7e00u | (magnitude >> 13 & 0x3ffu) : r;
  return static_cast<uint16_t>(r | sign);
}

PHINTYS_INLINE void halves_to_singles(float* out, const uint16_t* in, int64_t n) {
  int64_t i = 0;
#if defined(__F16C__)
  using Shorts = short __attribute__((vector_size(16)));
  using Singles = float __attribute__((vector_size(32)));
  struct __attribute__((packed, may_alias)) UnalignedShorts {
    Shorts v;
  };
  struct __attribute__((packed, may_alias)) UnalignedSingles {
    Singles v;
  };
  for (; i + 8 <= n; i += 8) {
    reinterpret_cast<UnalignedSingles*>(out + i)->v =
        __builtin_ia32_vcvtph2ps256(reinterpret_cast<const UnalignedShorts*>(in + i)->v);
  }
#endif
  for (; i < n; ++i) out[i] = half_to_single(in[i]);
}

PHINTYS_INLINE void singles_to_halves(uint16_t* out, const float* in, int64_t n) {
  int64_t i = 0;
#if defined(__F16C__)
  using Shorts = short __attribute__((vector_size(16)));
  using Singles = float __attribute__((vector_size(32)));
  struct __attribute__((packed, may_alias)) UnalignedShorts {
    Shorts v;
  };
  struct __attribute__((packed, may_alias)) UnalignedSingles {
    Singles v;
  };
  for (; i + 8 <= n; i += 8) {
    reinterpret_cast<UnalignedShorts*>(out + i)->v =
        __builtin_ia32_vcvtps2ph256(reinterpret_cast<const UnalignedSingles*>(in + i)->v, 0);
  }
#endif
  for (; i < n; ++i) out[i] = single_to_half(in[i]);
}

}  // namespace phintys::PHINTYS_ISA
