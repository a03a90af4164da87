// What all math functions share: constants by element type, polynomials, double-word arithmetic.
//
// A function here is a branch-free template over a value type V that offers the vocabulary of
// csrc/kernels/simd/vec.h (found by argument-dependent lookup). Include that header, or another
// that defines such types, first. No C++ library header may be included.
#pragma once

#ifndef PHINTYS_INLINE
#define PHINTYS_INLINE inline __attribute__((always_inline))
#endif

// A long kernel: kept out of line, so that float16, float32 and float64 share one copy. Static, so
// that each instruction set keeps its own.
#ifndef PHINTYS_KERNEL
#define PHINTYS_KERNEL [[maybe_unused]] static __attribute__((noinline))
#endif
// Before functions that are declared here and defined elsewhere, and before tables that are indexed
// at run time: what a compiler of devices wants to see there.
#ifndef PHINTYS_DEVICE
#define PHINTYS_DEVICE
#endif

namespace phintys::math {

template <class V>
using elem_t = typename V::elem;
template <class V>
using mask_t = typename V::mask;
template <class V>
using int_t = typename V::int_type;

template <class V>
inline constexpr bool is_f32 = sizeof(typename V::elem) == 4;

/// The constant c, rounded to the element type of V.
template <class V>
PHINTYS_INLINE V splat(double c) {
  return V::broadcast(static_cast<elem_t<V>>(c));
}
/// The constant that the two element types see differently.
template <class V>
PHINTYS_INLINE V splat(double f32, double f64) {
  return V::broadcast(is_f32<V> ? static_cast<elem_t<V>>(f32) : static_cast<elem_t<V>>(f64));
}
template <class V>
PHINTYS_INLINE V infinity() {
  return splat<V>(__builtin_inf());
}
template <class V>
PHINTYS_INLINE V quiet_nan() {
  return splat<V>(__builtin_nan(""));
}

template <class V>
PHINTYS_INLINE V horner(V, double c) {
  return splat<V>(c);
}
/// c + x * (c1 + x * (...)): Horner's rule, as the loops over tiles overlap the latency.
template <class V, class... C>
PHINTYS_INLINE V horner(V x, double c, C... higher) {
  return fma(horner(x, higher...), x, splat<V>(c));
}

/// hi + lo, with |lo| at most half a unit in the last place of hi.
template <class V>
struct DoubleWord {
  V hi;
  V lo;
};

template <class V>
PHINTYS_INLINE DoubleWord<V> two_sum(V a, V b) {
  const V s = a + b;
  const V t = s - a;
  return {s, (a - (s - t)) + (b - t)};
}
/// Needs |a| >= |b| or a == 0.
template <class V>
PHINTYS_INLINE DoubleWord<V> fast_two_sum(V a, V b) {
  const V s = a + b;
  return {s, b - (s - a)};
}
/// a * b exactly, barring underflow; without FMA also barring |a| or |b| over 2^996 (2^115 for
/// f32).
template <class V>
PHINTYS_INLINE DoubleWord<V> two_prod(V a, V b) {
  const V p = a * b;
  if constexpr (V::has_fma) {
    return {p, fma(a, b, -p)};
  } else {
    const V split = splat<V>(4097.0, 134217729.0);
    const V ta = a * split;
    const V tb = b * split;
    const V ah = ta - (ta - a);
    const V bh = tb - (tb - b);
    const V al = a - ah;
    const V bl = b - bh;
    return {p, ((ah * bh - p) + ah * bl + al * bh) + al * bl};
  }
}

/// n / d of two double words, rounded to one.
template <class V>
PHINTYS_INLINE V quotient(DoubleWord<V> n, DoubleWord<V> d) {
  const V inv = splat<V>(1.0) / d.hi;
  const V q = n.hi * inv;
  V rest;
  if constexpr (V::has_fma) {
    rest = fma(-q, d.hi, n.hi);
  } else {
    const auto back = two_prod(q, d.hi);
    rest = (n.hi - back.hi) - back.lo;
  }
  return fma(rest + fma(-q, d.lo, n.lo), inv, q);
}

}  // namespace phintys::math
