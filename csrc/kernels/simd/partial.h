// Vectors of which only the first lanes are in memory.
#pragma once

#include "vec.h"

namespace phintys::PHINTYS_ISA {

#ifdef PHINTYS_SIMD_AVX2
// All bits of the first `count` lanes.
PHINTYS_INLINE RawI32 first_lanes_32(int count) {
  return RawI32{0, 1, 2, 3, 4, 5, 6, 7} < (RawI32{} + count);
}
PHINTYS_INLINE RawI64 first_lanes_64(int count) {
  return RawI64{0, 1, 2, 3} < (RawI64{} + static_cast<int64_t>(count));
}
#endif

/// The first `count` elements of a row, from 0 to all; the lanes beyond are those of `fill`, and
/// their memory is not touched.
template <Float V>
PHINTYS_INLINE V load_part(const elem_of<V>* p, int count, V fill) {
  [[maybe_unused]] constexpr bool kShort = sizeof(elem_of<V>) == 4;
  if constexpr (V::lanes == 1) {
    return count > 0 ? V{*p} : fill;
  } else {
#if defined(PHINTYS_SIMD_AVX512)
    const unsigned mask = (1u << count) - 1;
    if constexpr (kShort) {
      return V{__builtin_ia32_loadups512_mask(p, fill.v, static_cast<uint16_t>(mask))};
    } else {
      return V{__builtin_ia32_loadupd512_mask(p, fill.v, static_cast<uint8_t>(mask))};
    }
#elif defined(PHINTYS_SIMD_AVX2)
    if constexpr (kShort) {
      const RawI32 mask = first_lanes_32(count);
      const V x{__builtin_ia32_maskloadps256(reinterpret_cast<const RawF32*>(p), mask)};
      return select(mask_of<V>{mask}, x, fill);
    } else {
      using M = long long __attribute__((vector_size(32)));
      const RawI64 mask = first_lanes_64(count);
      const V x{__builtin_ia32_maskloadpd256(reinterpret_cast<const RawF64*>(p), (M)mask)};
      return select(mask_of<V>{mask}, x, fill);
    }
#else
    elem_of<V> lanes[V::lanes];
    fill.store(lanes);
    for (int i = 0; i < count; ++i) lanes[i] = p[i];
    return V::load(lanes);
#endif
  }
}

/// Stores the first `count` lanes, from 0 to all.
template <Float V>
PHINTYS_INLINE void store_part(elem_of<V>* p, V x, int count) {
  [[maybe_unused]] constexpr bool kShort = sizeof(elem_of<V>) == 4;
  if constexpr (V::lanes == 1) {
    if (count > 0) *p = x.v;
  } else {
#if defined(PHINTYS_SIMD_AVX512)
    const unsigned mask = (1u << count) - 1;
    if constexpr (kShort) {
      __builtin_ia32_storeups512_mask(p, x.v, static_cast<uint16_t>(mask));
    } else {
      __builtin_ia32_storeupd512_mask(p, x.v, static_cast<uint8_t>(mask));
    }
#elif defined(PHINTYS_SIMD_AVX2)
    if constexpr (kShort) {
      __builtin_ia32_maskstoreps256(reinterpret_cast<RawF32*>(p), first_lanes_32(count), x.v);
    } else {
      using M = long long __attribute__((vector_size(32)));
      __builtin_ia32_maskstorepd256(reinterpret_cast<RawF64*>(p), (M)first_lanes_64(count), x.v);
    }
#else
    for (int i = 0; i < count; ++i) p[i] = get_lane(x, i);
#endif
  }
}

}  // namespace phintys::PHINTYS_ISA
