// Walking a row in vectors: whole ones, and the rest in a masked one. Included by files that are
// compiled once for each instruction set.
#pragma once

#include "kernels/simd/vec.h"

namespace phintys::PHINTYS_ISA {

// A whole vector.
template <class V>
struct WholeVector {
  PHINTYS_INLINE V load(const elem_of<V>* p) const { return V::load(p); }
  PHINTYS_INLINE void store(elem_of<V>* p, V v) const { v.store(p); }
  // Past the caches, to an address that is a multiple of the vector's size.
  PHINTYS_INLINE void stream(elem_of<V>* p, V v) const {
#if defined(PHINTYS_SIMD_AVX512)
    if constexpr (sizeof(elem_of<V>) == 4) {
      __builtin_ia32_movntps512(p, v.v);
    } else {
      __builtin_ia32_movntpd512(p, v.v);
    }
#elif defined(PHINTYS_SIMD_AVX2)
    if constexpr (sizeof(elem_of<V>) == 4) {
      __builtin_ia32_movntps256(p, v.v);
    } else {
      __builtin_ia32_movntpd256(p, v.v);
    }
#else
    v.store(p);
#endif
  }
  // v, with 0 (or `other`) in lanes that the row does not have.
  PHINTYS_INLINE V only(V v) const { return v; }
  PHINTYS_INLINE V only(V v, V) const { return v; }
};

// The first n < lanes elements; the other lanes are loaded as 0 and not stored.
template <class V>
struct PartVector {
  using E = elem_of<V>;
  int n;

  PHINTYS_INLINE V load(const E* p) const {
#if defined(PHINTYS_SIMD_AVX512)
    if constexpr (sizeof(E) == 4) {
      return V{__builtin_ia32_loadups512_mask(p, typename V::raw{}, bits())};
    } else {
      return V{__builtin_ia32_loadupd512_mask(p, typename V::raw{}, bits())};
    }
#else
    E values[V::lanes] = {};
    for (int i = 0; i < n; ++i) values[i] = p[i];
    return V::load(values);
#endif
  }
  PHINTYS_INLINE void store(E* p, V v) const {
#if defined(PHINTYS_SIMD_AVX512)
    if constexpr (sizeof(E) == 4) {
      __builtin_ia32_storeups512_mask(p, v.v, bits());
    } else {
      __builtin_ia32_storeupd512_mask(p, v.v, bits());
    }
#else
    E values[V::lanes];
    v.store(values);
    for (int i = 0; i < n; ++i) p[i] = values[i];
#endif
  }
  PHINTYS_INLINE void stream(E* p, V v) const { store(p, v); }
  PHINTYS_INLINE V only(V v) const { return only(v, V::broadcast(0)); }
  PHINTYS_INLINE V only(V v, V other) const {
    E numbers[V::lanes];
    for (int i = 0; i < V::lanes; ++i) numbers[i] = static_cast<E>(i);
    return select(V::load(numbers) < V::broadcast(static_cast<E>(n)), v, other);
  }

 private:
#if defined(PHINTYS_SIMD_AVX512)
  PHINTYS_INLINE auto bits() const {
    if constexpr (sizeof(E) == 4) {
      return static_cast<uint16_t>((1u << n) - 1);
    } else {
      return static_cast<uint8_t>((1u << n) - 1);
    }
  }
#endif
};

// After stream(), before others look.
PHINTYS_INLINE void stream_fence() {
#if defined(PHINTYS_SIMD_AVX512) || defined(PHINTYS_SIMD_AVX2)
  __builtin_ia32_sfence();
#endif
}

// f(i, form) for the vectors of n elements.
template <class V, class F>
PHINTYS_INLINE void for_vectors(int64_t n, F&& f) {
  int64_t i = 0;
  for (; i + V::lanes <= n; i += V::lanes) f(i, WholeVector<V>{});
  if (i < n) f(i, PartVector<V>{static_cast<int>(n - i)});
}

template <int... kIndex>
struct LaneNumbers {};
template <int kSize, int... kIndex>
struct MakeLaneNumbers {
  using type = typename MakeLaneNumbers<kSize - 1, kSize - 1, kIndex...>::type;
};
template <int... kIndex>
struct MakeLaneNumbers<0, kIndex...> {
  using type = LaneNumbers<kIndex...>;
};
template <int kBy, class V, int... kIndex>
PHINTYS_INLINE V rotate_lanes(V x, LaneNumbers<kIndex...>) {
  return V{__builtin_shufflevector(x.v, x.v, ((kIndex + kBy) % V::lanes)...)};
}
// All lanes joined in a tree: lane 0 with lane lanes / 2 and so on, down to neighbours.
template <int kBy, class V, class F>
PHINTYS_INLINE V join_lanes(V x, F&& join) {
  if constexpr (kBy == 0) {
    return x;
  } else {
    return join_lanes<kBy / 2>(
        join(x, rotate_lanes<kBy>(x, typename MakeLaneNumbers<V::lanes>::type{})), join);
  }
}
template <class V>
PHINTYS_INLINE elem_of<V> sum_lanes(V v) {
  return get_lane(join_lanes<V::lanes / 2>(v, [](V a, V b) { return a + b; }), 0);
}

// The sum of n terms, term(i, form) being those from i on: in four chains of vectors.
template <class V, class F>
PHINTYS_INLINE V sum_vectors(int64_t n, F&& term) {
  constexpr int kLanes = V::lanes;
  const V zero = V::broadcast(0);
  V a = zero, b = zero, c = zero, d = zero;
  int64_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
    a += term(i, WholeVector<V>{});
    b += term(i + kLanes, WholeVector<V>{});
    c += term(i + 2 * kLanes, WholeVector<V>{});
    d += term(i + 3 * kLanes, WholeVector<V>{});
  }
  for (; i + kLanes <= n; i += kLanes) a += term(i, WholeVector<V>{});
  if (i < n) {
    const PartVector<V> part{static_cast<int>(n - i)};
    b += part.only(term(i, part));
  }
  return (a + b) + (c + d);
}

}  // namespace phintys::PHINTYS_ISA
