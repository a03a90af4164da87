// Conversions between real element types, defined for every value.
//
// Floating point to integer is C's truncation where the value fits, and otherwise what x86-64
// processors and hence NumPy give there; other processors are made to agree:
//   to int32, int64    the least value of the type, for NaN too
//   to int8..uint16    the low bits of the conversion to int32
//   to uint32          the low bits of the conversion to int64
//   to uint64          the bits of the conversion to int64 below 2^63 and for NaN; exact from 2^63
//                      to 2^64; 0 above
#pragma once

#include "kernels/simd/vec.h"

namespace phintys::PHINTYS_ISA {

template <class F>
PHINTYS_INLINE int32_t float_to_int32(F x) {
  // float64 holds the numbers between -2^31 - 1 and -2^31, which truncate into range.
  constexpr F kAbove =
      sizeof(F) == 8 ? static_cast<F>(-2147483649.0) : static_cast<F>(-2147483904.0);
  const bool fits = (x > kAbove) & (x < static_cast<F>(2147483648.0));
  return static_cast<int32_t>(fits ? x : static_cast<F>(-2147483648.0));
}

template <class F>
PHINTYS_INLINE int64_t float_to_int64(F x) {
  constexpr F kLimit = static_cast<F>(9223372036854775808.0);
  const bool fits = (x >= -kLimit) & (x < kLimit);
  return static_cast<int64_t>(fits ? x : -kLimit);
}

template <class F>
PHINTYS_INLINE uint64_t float_to_uint64(F x) {
  constexpr F kLimit = static_cast<F>(9223372036854775808.0);
  const bool large = x >= kLimit;
  const auto bits = static_cast<uint64_t>(float_to_int64(large ? x - kLimit : x));
  return large ? bits ^ 0x8000000000000000u : bits;
}

template <class T>
constexpr bool kIsFloating = __is_same(T, float) || __is_same(T, double);

template <class To, class From>
PHINTYS_INLINE To convert(From x) {
  if constexpr (__is_same(To, bool)) {
    return x != From{0};
  } else if constexpr (!kIsFloating<From> || kIsFloating<To>) {
    return static_cast<To>(x);
  } else if constexpr (__is_same(To, int64_t)) {
    return float_to_int64(x);
  } else if constexpr (__is_same(To, uint64_t)) {
    return float_to_uint64(x);
  } else if constexpr (__is_same(To, uint32_t)) {
    return static_cast<uint32_t>(float_to_int64(x));
  } else {
    return static_cast<To>(float_to_int32(x));
  }
}

// To the float32 that rounds to the same float16 as x does: rounding to odd on the way keeps the
// second rounding from seeing a false tie.
PHINTYS_INLINE float to_single_for_half(double x) {
  const auto f = static_cast<float>(x);
  const double back = f;
  const bool inexact = back != x;
  const bool away = __builtin_fabs(back) > __builtin_fabs(x);
  auto bits = __builtin_bit_cast(uint32_t, f);
  bits -= away ? 1u : 0u;
  bits |= inexact ? 1u : 0u;
  return __builtin_bit_cast(float, bits);
}

}  // namespace phintys::PHINTYS_ISA
