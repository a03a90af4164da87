// Value types of one instruction set: vectors, scalars of one lane, and their masks.
//
// Included by vec.h only. Nothing here may include a C++ library header: these files are compiled
// once per instruction set, and an inline library function emitted by the AVX-512 object could be
// the copy that the linker keeps for a processor without AVX-512.
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifndef PHINTYS_ISA
#define PHINTYS_ISA baseline
#endif

#ifndef PHINTYS_SIMD_BYTES
#if defined(__AVX512F__) && defined(__AVX512DQ__)
#define PHINTYS_SIMD_BYTES 64
#elif defined(__AVX2__)
#define PHINTYS_SIMD_BYTES 32
#else
#define PHINTYS_SIMD_BYTES 16
#endif
#endif

#ifndef PHINTYS_INLINE
#define PHINTYS_INLINE inline __attribute__((always_inline))
#endif

// PHINTYS_ONE_LANE leaves only the scalars and their masks, in plain C++: for compilers of devices.
//
// Native AVX-512 masks are used through gcc's builtins: g++ 12 turns combined masks of the vector
// extension into full vectors and back. Other compilers take the portable path.
// PHINTYS_SIMD_PORTABLE asks for that path anywhere, so that x86 machines can test it.
#if defined(PHINTYS_SIMD_PORTABLE) || defined(PHINTYS_ONE_LANE)
#elif defined(__AVX512F__) && defined(__AVX512DQ__) && PHINTYS_SIMD_BYTES == 64 && \
    defined(__GNUC__) && !defined(__clang__)
#define PHINTYS_SIMD_AVX512 1
#elif defined(__AVX2__) && PHINTYS_SIMD_BYTES == 32 && defined(__GNUC__) && !defined(__clang__)
#define PHINTYS_SIMD_AVX2 1
#elif defined(__SSE2__) && PHINTYS_SIMD_BYTES == 16 && defined(__GNUC__) && !defined(__clang__)
#define PHINTYS_SIMD_SSE2 1
#endif

#if defined(__FMA__) || defined(__ARM_FEATURE_FMA) || defined(PHINTYS_ONE_LANE_FMA)
#define PHINTYS_SIMD_FMA 1
#else
#define PHINTYS_SIMD_FMA 0
#endif

namespace phintys::PHINTYS_ISA {

/// True where fma(a, b, c) rounds once; elsewhere it is a * b + c with two roundings.
inline constexpr bool kHasFma = PHINTYS_SIMD_FMA;

#ifndef PHINTYS_ONE_LANE
using RawF32 = float __attribute__((vector_size(PHINTYS_SIMD_BYTES)));
using RawF64 = double __attribute__((vector_size(PHINTYS_SIMD_BYTES)));
using RawI32 = int32_t __attribute__((vector_size(PHINTYS_SIMD_BYTES)));
using RawI64 = int64_t __attribute__((vector_size(PHINTYS_SIMD_BYTES)));
using RawU32 = uint32_t __attribute__((vector_size(PHINTYS_SIMD_BYTES)));
using RawU64 = uint64_t __attribute__((vector_size(PHINTYS_SIMD_BYTES)));
#endif

struct VF32;
struct VF64;
struct VI32;
struct VI64;
struct SF32;
struct SF64;
struct SI32;
struct SI64;

/// Masks: one truth value per lane. `.v` is private to this directory: its form differs per ISA.
#ifndef PHINTYS_ONE_LANE
struct VM32 {
  static constexpr bool is_mask = true;
  static constexpr bool is_vector = true;
  static constexpr int lanes = PHINTYS_SIMD_BYTES / 4;
#ifdef PHINTYS_SIMD_AVX512
  using raw = uint16_t;
#else
  using raw = RawI32;
#endif
  raw v;
};

struct VM64 {
  static constexpr bool is_mask = true;
  static constexpr bool is_vector = true;
  static constexpr int lanes = PHINTYS_SIMD_BYTES / 8;
#ifdef PHINTYS_SIMD_AVX512
  using raw = uint8_t;
#else
  using raw = RawI64;
#endif
  raw v;
};
#endif

struct SM32 {
  static constexpr bool is_mask = true;
  static constexpr bool is_vector = false;
  static constexpr int lanes = 1;
  using raw = bool;
  bool v;
};

struct SM64 {
  static constexpr bool is_mask = true;
  static constexpr bool is_vector = false;
  static constexpr int lanes = 1;
  using raw = bool;
  bool v;
};

// broadcast subtracts a zero vector: adding one would turn -0 into +0.
// The unaligned views below make load and store one instruction without memcpy, which would
// become a call at -O0. may_alias because tiles are raw bytes.
#define PHINTYS_SIMD_VECTOR(NAME, ELEM, RAW, UNSIGNED, MASK, INT, FLOAT, FLOATING)       \
  struct NAME {                                                                          \
    static constexpr bool is_number = true;                                              \
    static constexpr bool is_vector = true;                                              \
    static constexpr bool has_fma = kHasFma;                                             \
    static constexpr bool is_float = FLOATING;                                           \
    static constexpr int lanes = PHINTYS_SIMD_BYTES / static_cast<int>(sizeof(ELEM));    \
    using elem = ELEM;                                                                   \
    using raw = RAW;                                                                     \
    using uraw = UNSIGNED;                                                               \
    using mask = MASK;                                                                   \
    using int_type = INT;                                                                \
    using float_type = FLOAT;                                                            \
    struct __attribute__((packed, aligned(alignof(ELEM)), may_alias)) unaligned {        \
      RAW v;                                                                             \
    };                                                                                   \
    RAW v;                                                                               \
    static PHINTYS_INLINE NAME broadcast(ELEM e) { return NAME{e - RAW{}}; }             \
    static PHINTYS_INLINE NAME load(const ELEM* p) {                                     \
      return NAME{reinterpret_cast<const unaligned*>(p)->v};                             \
    }                                                                                    \
    PHINTYS_INLINE void store(ELEM* p) const { reinterpret_cast<unaligned*>(p)->v = v; } \
  };

#define PHINTYS_SIMD_SCALAR(NAME, ELEM, UNSIGNED, MASK, INT, FLOAT, FLOATING) \
  struct NAME {                                                               \
    static constexpr bool is_number = true;                                   \
    static constexpr bool is_vector = false;                                  \
    static constexpr bool has_fma = kHasFma;                                  \
    static constexpr bool is_float = FLOATING;                                \
    static constexpr int lanes = 1;                                           \
    using elem = ELEM;                                                        \
    using raw = ELEM;                                                         \
    using uraw = UNSIGNED;                                                    \
    using mask = MASK;                                                        \
    using int_type = INT;                                                     \
    using float_type = FLOAT;                                                 \
    ELEM v;                                                                   \
    static PHINTYS_INLINE NAME broadcast(ELEM e) { return NAME{e}; }          \
    static PHINTYS_INLINE NAME load(const ELEM* p) { return NAME{*p}; }       \
    PHINTYS_INLINE void store(ELEM* p) const { *p = v; }                      \
  };

#ifndef PHINTYS_ONE_LANE
PHINTYS_SIMD_VECTOR(VF32, float, RawF32, RawU32, VM32, VI32, VF32, true)
PHINTYS_SIMD_VECTOR(VF64, double, RawF64, RawU64, VM64, VI64, VF64, true)
PHINTYS_SIMD_VECTOR(VI32, int32_t, RawI32, RawU32, VM32, VI32, VF32, false)
PHINTYS_SIMD_VECTOR(VI64, int64_t, RawI64, RawU64, VM64, VI64, VF64, false)
#endif
PHINTYS_SIMD_SCALAR(SF32, float, uint32_t, SM32, SI32, SF32, true)
PHINTYS_SIMD_SCALAR(SF64, double, uint64_t, SM64, SI64, SF64, true)
PHINTYS_SIMD_SCALAR(SI32, int32_t, uint32_t, SM32, SI32, SF32, false)
PHINTYS_SIMD_SCALAR(SI64, int64_t, uint64_t, SM64, SI64, SF64, false)

#undef PHINTYS_SIMD_VECTOR
#undef PHINTYS_SIMD_SCALAR

template <class V>
concept Number = V::is_number;
template <class V>
concept Float = Number<V> && V::is_float;
template <class V>
concept Int = Number<V> && !V::is_float;
template <class M>
concept Mask = M::is_mask;

}  // namespace phintys::PHINTYS_ISA

namespace phintys {

template <class V>
using elem_of = typename V::elem;
template <class V>
using mask_of = typename V::mask;
template <class V>
using int_of = typename V::int_type;
template <class V>
using float_of = typename V::float_type;

namespace PHINTYS_ISA {
using phintys::elem_of;
using phintys::float_of;
using phintys::int_of;
using phintys::mask_of;
}  // namespace PHINTYS_ISA

}  // namespace phintys
