// Integer and bool value types for op bodies: one element each, in the style of vec.h's scalars.
//
// Arithmetic wraps around in two's complement, as NumPy's does; plain C++ signed arithmetic would
// be undefined behaviour. The kernels loop over these and leave vectorising to the compiler.
#pragma once

#include "kernels/simd/vec.h"

namespace phintys::PHINTYS_ISA {

template <int kBytes>
struct UnsignedOfSize;
template <>
struct UnsignedOfSize<1> {
  using type = uint8_t;
};
template <>
struct UnsignedOfSize<2> {
  using type = uint16_t;
};
template <>
struct UnsignedOfSize<4> {
  using type = uint32_t;
};
template <>
struct UnsignedOfSize<8> {
  using type = uint64_t;
};

// A bool, kept as its byte (exactly 0 or 1); also the mask type of IntV.
struct BoolV {
  static constexpr bool is_float = false;
  static constexpr bool is_bool = true;
  static constexpr int lanes = 1;
  using elem = uint8_t;
  using mask = BoolV;
  uint8_t v;

  static PHINTYS_INLINE BoolV of(bool b) { return BoolV{static_cast<uint8_t>(b)}; }
  static PHINTYS_INLINE BoolV broadcast(uint8_t e) { return BoolV{e}; }

  // NumPy's bool arithmetic: + is or, * is and.
  friend PHINTYS_INLINE BoolV operator+(BoolV a, BoolV b) { return a | b; }
  friend PHINTYS_INLINE BoolV operator*(BoolV a, BoolV b) { return a & b; }
  friend PHINTYS_INLINE BoolV operator&(BoolV a, BoolV b) {
    return BoolV{static_cast<uint8_t>(a.v & b.v)};
  }
  friend PHINTYS_INLINE BoolV operator|(BoolV a, BoolV b) {
    return BoolV{static_cast<uint8_t>(a.v | b.v)};
  }
  friend PHINTYS_INLINE BoolV operator^(BoolV a, BoolV b) {
    return BoolV{static_cast<uint8_t>(a.v ^ b.v)};
  }
  friend PHINTYS_INLINE BoolV operator~(BoolV a) { return BoolV{static_cast<uint8_t>(a.v ^ 1)}; }
  friend PHINTYS_INLINE BoolV operator!(BoolV a) { return ~a; }
  friend PHINTYS_INLINE BoolV operator==(BoolV a, BoolV b) { return of(a.v == b.v); }
  friend PHINTYS_INLINE BoolV operator!=(BoolV a, BoolV b) { return of(a.v != b.v); }
  friend PHINTYS_INLINE BoolV operator<(BoolV a, BoolV b) { return of(a.v < b.v); }
  friend PHINTYS_INLINE BoolV operator<=(BoolV a, BoolV b) { return of(a.v <= b.v); }
  friend PHINTYS_INLINE BoolV operator>(BoolV a, BoolV b) { return of(a.v > b.v); }
  friend PHINTYS_INLINE BoolV operator>=(BoolV a, BoolV b) { return of(a.v >= b.v); }
  friend PHINTYS_INLINE BoolV select(BoolV m, BoolV a, BoolV b) { return m.v ? a : b; }
};

template <class T>
struct IntV {
  static constexpr bool is_float = false;
  static constexpr bool is_bool = false;
  static constexpr bool is_signed = static_cast<T>(-1) < static_cast<T>(0);
  static constexpr int lanes = 1;
  using elem = T;
  using mask = BoolV;
  using U = typename UnsignedOfSize<sizeof(T)>::type;
  T v;

  static PHINTYS_INLINE IntV broadcast(T e) { return IntV{e}; }

  // 8 and 16 bits promote to int, where a product of two uint16 could overflow: 1u makes the
  // computation unsigned.
  friend PHINTYS_INLINE IntV operator+(IntV a, IntV b) {
    return IntV{static_cast<T>(static_cast<U>(static_cast<U>(a.v) + static_cast<U>(b.v)))};
  }
  friend PHINTYS_INLINE IntV operator-(IntV a, IntV b) {
    return IntV{static_cast<T>(static_cast<U>(static_cast<U>(a.v) - static_cast<U>(b.v)))};
  }
  friend PHINTYS_INLINE IntV operator*(IntV a, IntV b) {
    return IntV{static_cast<T>(static_cast<U>(1u * static_cast<U>(a.v) * static_cast<U>(b.v)))};
  }
  friend PHINTYS_INLINE IntV operator-(IntV a) { return IntV{0} - a; }
  friend PHINTYS_INLINE IntV operator&(IntV a, IntV b) { return IntV{static_cast<T>(a.v & b.v)}; }
  friend PHINTYS_INLINE IntV operator|(IntV a, IntV b) { return IntV{static_cast<T>(a.v | b.v)}; }
  friend PHINTYS_INLINE IntV operator^(IntV a, IntV b) { return IntV{static_cast<T>(a.v ^ b.v)}; }
  friend PHINTYS_INLINE IntV operator~(IntV a) { return IntV{static_cast<T>(~a.v)}; }
  friend PHINTYS_INLINE BoolV operator==(IntV a, IntV b) { return BoolV::of(a.v == b.v); }
  friend PHINTYS_INLINE BoolV operator!=(IntV a, IntV b) { return BoolV::of(a.v != b.v); }
  friend PHINTYS_INLINE BoolV operator<(IntV a, IntV b) { return BoolV::of(a.v < b.v); }
  friend PHINTYS_INLINE BoolV operator<=(IntV a, IntV b) { return BoolV::of(a.v <= b.v); }
  friend PHINTYS_INLINE BoolV operator>(IntV a, IntV b) { return BoolV::of(a.v > b.v); }
  friend PHINTYS_INLINE BoolV operator>=(IntV a, IntV b) { return BoolV::of(a.v >= b.v); }
  friend PHINTYS_INLINE IntV select(BoolV m, IntV a, IntV b) { return m.v ? a : b; }
};

// Quotient rounded toward zero. The divisor is neither zero nor, with the least dividend, -1.
template <class T>
PHINTYS_INLINE T quotient(T a, T b) {
  // Up to 32 bits through floating point, which has vector division: the quotient's distance to
  // the next integer is at least 1/|b|, far above the rounding error, so truncation is exact.
  if constexpr (sizeof(T) <= 2) {
    return static_cast<T>(static_cast<int32_t>(static_cast<float>(a) / static_cast<float>(b)));
  } else if constexpr (sizeof(T) == 4 && static_cast<T>(-1) < static_cast<T>(0)) {
    return static_cast<T>(static_cast<double>(a) / static_cast<double>(b));
  } else {
    return static_cast<T>(a / b);
  }
}

// Python's floor division; 0 for a zero divisor. INT_MIN // -1 wraps to INT_MIN, as in NumPy.
template <class T>
PHINTYS_INLINE IntV<T> floor_div(IntV<T> a, IntV<T> b) {
  if constexpr (IntV<T>::is_signed) {
    const T safe = b.v == 0 || b.v == -1 ? T{1} : b.v;
    const T q = quotient(a.v, safe);
    const T r = static_cast<T>(a.v - q * safe);
    const T down = static_cast<T>(r != 0 && (r ^ safe) < 0);
    const IntV<T> floored{static_cast<T>(q - down)};
    return IntV<T>{b.v == 0 ? T{0} : b.v == -1 ? (-a).v : floored.v};
  } else {
    const T safe = b.v == 0 ? T{1} : b.v;
    const T q = quotient(a.v, safe);
    return IntV<T>{b.v == 0 ? T{0} : q};
  }
}

// Python's remainder, with the divisor's sign; 0 for a zero divisor.
template <class T>
PHINTYS_INLINE IntV<T> floor_mod(IntV<T> a, IntV<T> b) {
  const IntV<T> r = a - floor_div(a, b) * b;
  return IntV<T>{b.v == 0 ? T{0} : r.v};
}

// Repeated squaring, wrapping. A negative exponent gives the integer part of the power (0 unless
// the base is 1 or -1); 0 to a negative power is 0.
template <class T>
PHINTYS_INLINE IntV<T> int_pow(IntV<T> base, IntV<T> exponent) {
  using V = IntV<T>;
  if constexpr (V::is_signed) {
    if (exponent.v < 0) {
      const V minus_one = V{static_cast<T>(-1)};
      if (base.v == 1) return base;
      if (base.v == -1) return (exponent.v & 1) ? minus_one : V{1};
      return V{0};
    }
  }
  V r{1};
  typename V::U e = static_cast<typename V::U>(exponent.v);
  while (e != 0) {
    if (e & 1) r = r * base;
    base = base * base;
    e = static_cast<typename V::U>(e >> 1);
  }
  return r;
}

}  // namespace phintys::PHINTYS_ISA
