// Sorting networks in vector registers: up to 16 vectors of integers, for one instruction set.
//
// The elements are numbered by lane * R + row. First the R values of every lane are sorted by a
// network over whole vectors; then runs of 1, 2, 4, ... neighbouring lanes are merged bitonically,
// with shuffles between lanes and plain minima and maxima between rows; last the block is
// transposed on its way to memory.
#pragma once

#include "kernels/simd/vec.h"
#ifdef PHINTYS_SIMD_AVX512
#include <immintrin.h>
#endif

namespace phintys::PHINTYS_ISA {

template <class T>
struct VectorOf;
template <>
struct VectorOf<int32_t> {
  using type = VI32;
  static constexpr int32_t greatest = INT32_MAX;
};
template <>
struct VectorOf<int64_t> {
  using type = VI64;
  static constexpr int64_t greatest = INT64_MAX;
};

template <int... kIndex>
struct LaneList {};
template <int kSize, int... kIndex>
struct LaneRange {
  using type = typename LaneRange<kSize - 1, kSize - 1, kIndex...>::type;
};
template <int... kIndex>
struct LaneRange<0, kIndex...> {
  using type = LaneList<kIndex...>;
};
template <class V>
using LanesOf = typename LaneRange<V::lanes>::type;

// Lane i holds what lane i ^ kMask held.
template <int kMask, class V, int... kIndex>
PHINTYS_INLINE V xor_lanes(V x, LaneList<kIndex...>) {
  return V{__builtin_shufflevector(x.v, x.v, (kIndex ^ kMask)...)};
}
// Lanes of b where the bit kBit of the lane number is set, else of a.
template <int kBit, class V, int... kIndex>
PHINTYS_INLINE V blend_lanes(V a, V b, LaneList<kIndex...>) {
  return V{__builtin_shufflevector(a.v, b.v, ((kIndex & kBit) ? kIndex + V::lanes : kIndex)...)};
}
// Steps of a transposition: the two blocks of kBit lanes that change places.
template <int kBit, class V, int... kIndex>
PHINTYS_INLINE void swap_blocks(V& a, V& b, LaneList<kIndex...>) {
  const auto x =
      __builtin_shufflevector(a.v, b.v, ((kIndex & kBit) ? kIndex - kBit + V::lanes : kIndex)...);
  const auto y =
      __builtin_shufflevector(a.v, b.v, ((kIndex & kBit) ? kIndex + V::lanes : kIndex + kBit)...);
  a.v = x;
  b.v = y;
}

PHINTYS_INLINE VI32 least(VI32 a, VI32 b) {
#ifdef PHINTYS_SIMD_AVX512
  return VI32{(RawI32)_mm512_maskz_min_epi32(0xffff, (__m512i)a.v, (__m512i)b.v)};
#else
  return VI32{a.v < b.v ? a.v : b.v};
#endif
}
PHINTYS_INLINE VI32 most(VI32 a, VI32 b) {
#ifdef PHINTYS_SIMD_AVX512
  return VI32{(RawI32)_mm512_maskz_max_epi32(0xffff, (__m512i)a.v, (__m512i)b.v)};
#else
  return VI32{a.v < b.v ? b.v : a.v};
#endif
}
PHINTYS_INLINE VI64 least(VI64 a, VI64 b) {
#ifdef PHINTYS_SIMD_AVX512
  return VI64{(RawI64)_mm512_maskz_min_epi64(0xff, (__m512i)a.v, (__m512i)b.v)};
#else
  return VI64{a.v < b.v ? a.v : b.v};
#endif
}
PHINTYS_INLINE VI64 most(VI64 a, VI64 b) {
#ifdef PHINTYS_SIMD_AVX512
  return VI64{(RawI64)_mm512_maskz_max_epi64(0xff, (__m512i)a.v, (__m512i)b.v)};
#else
  return VI64{a.v < b.v ? b.v : a.v};
#endif
}

// The lesser of a and b in lanes without kBit, the greater in lanes with it.
template <int kBit, class V>
PHINTYS_INLINE V order_lanes(V a, V b) {
#ifdef PHINTYS_SIMD_AVX512
  constexpr unsigned kMask = kBit == 1   ? 0xaaaau
                             : kBit == 2 ? 0xccccu
                             : kBit == 4 ? 0xf0f0u
                                         : 0xff00u;
  const V low = least(a, b);
  if constexpr (sizeof(elem_of<V>) == 4) {
    return V{
        (typename V::raw)_mm512_mask_max_epi32((__m512i)low.v, kMask, (__m512i)a.v, (__m512i)b.v)};
  } else {
    return V{(typename V::raw)_mm512_mask_max_epi64((__m512i)low.v, kMask & 0xff, (__m512i)a.v,
                                                    (__m512i)b.v)};
  }
#else
  return blend_lanes<kBit>(least(a, b), most(a, b), LanesOf<V>{});
#endif
}

template <class V>
PHINTYS_INLINE void order_rows(V& a, V& b) {
  const V low = least(a, b);
  b = most(a, b);
  a = low;
}

// Batcher's odd-even merge sort of the R values of every lane.
template <int R, class V>
PHINTYS_INLINE void sort_columns(V* v) {
#define CE(i, j) order_rows(v[i], v[j]);
  // clang-format off
  if constexpr (R == 2) {
    CE(0,1)
  } else if constexpr (R == 4) {
    CE(0,1) CE(2,3) CE(0,2) CE(1,3) CE(1,2)
  } else if constexpr (R == 8) {
    CE(0,1) CE(2,3) CE(4,5) CE(6,7) CE(0,2) CE(1,3) CE(4,6) CE(5,7) CE(1,2) CE(5,6)
    CE(0,4) CE(1,5) CE(2,6) CE(3,7) CE(2,4) CE(3,5) CE(1,2) CE(3,4) CE(5,6)
  } else if constexpr (R == 16) {
    CE(0,1) CE(2,3) CE(4,5) CE(6,7) CE(8,9) CE(10,11) CE(12,13) CE(14,15)
    CE(0,2) CE(1,3) CE(4,6) CE(5,7) CE(8,10) CE(9,11) CE(12,14) CE(13,15)
    CE(1,2) CE(5,6) CE(9,10) CE(13,14)
    CE(0,4) CE(1,5) CE(2,6) CE(3,7) CE(8,12) CE(9,13) CE(10,14) CE(11,15)
    CE(2,4) CE(3,5) CE(10,12) CE(11,13)
    CE(1,2) CE(3,4) CE(5,6) CE(9,10) CE(11,12) CE(13,14)
    CE(0,8) CE(1,9) CE(2,10) CE(3,11) CE(4,12) CE(5,13) CE(6,14) CE(7,15)
    CE(4,8) CE(5,9) CE(6,10) CE(7,11)
    CE(2,4) CE(3,5) CE(6,8) CE(7,9) CE(10,12) CE(11,13)
    CE(1,2) CE(3,4) CE(5,6) CE(7,8) CE(9,10) CE(11,12) CE(13,14)
  }
  // clang-format on
#undef CE
}

template <int D, int R, class V>
PHINTYS_INLINE void merge_rows(V* v) {
  if constexpr (D > 0) {
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      if (!(r & D)) order_rows(v[r], v[r | D]);
    }
    merge_rows<D / 2, R>(v);
  }
}
template <int D, int R, class V>
PHINTYS_INLINE void merge_lanes(V* v) {
  if constexpr (D > 0) {
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) v[r] = order_lanes<D>(v[r], xor_lanes<D>(v[r], LanesOf<V>{}));
    merge_lanes<D / 2, R>(v);
  }
}
// Sorted runs of W lanes become sorted runs of 2 W lanes, and so on up to all lanes.
template <int W, int R, class V>
PHINTYS_INLINE void merge_runs(V* v) {
  if constexpr (W < V::lanes) {
    constexpr int kMirror = 2 * W - 1;
    if constexpr (R == 1) {
      v[0] = order_lanes<W>(v[0], xor_lanes<kMirror>(v[0], LanesOf<V>{}));
    } else {
#pragma GCC unroll 8
      for (int r = 0; r < R / 2; ++r) {
        const V a = v[r], b = v[R - 1 - r];
        v[r] = order_lanes<W>(a, xor_lanes<kMirror>(b, LanesOf<V>{}));
        v[R - 1 - r] = order_lanes<W>(b, xor_lanes<kMirror>(a, LanesOf<V>{}));
      }
    }
    merge_lanes<W / 2, R>(v);
    merge_rows<R / 2, R>(v);
    merge_runs<2 * W, R>(v);
  }
}

template <int D, int B, int R, class V>
PHINTYS_INLINE void transpose_blocks(V* v) {
  if constexpr (D < B) {
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      if (!(r & D)) swap_blocks<D>(v[r], v[r | D], LanesOf<V>{});
    }
    transpose_blocks<2 * D, B, R>(v);
  }
}

template <class V>
PHINTYS_INLINE V load_padded(const elem_of<V>* p, int64_t n, elem_of<V> pad) {
#ifdef PHINTYS_SIMD_AVX512
  const V rest = V::broadcast(pad);
  const unsigned mask = n >= V::lanes ? ~0u : n <= 0 ? 0u : (1u << n) - 1;
  if constexpr (sizeof(elem_of<V>) == 4) {
    return V{
        (typename V::raw)_mm512_mask_loadu_epi32((__m512i)rest.v, static_cast<__mmask16>(mask), p)};
  } else {
    return V{
        (typename V::raw)_mm512_mask_loadu_epi64((__m512i)rest.v, static_cast<__mmask8>(mask), p)};
  }
#else
  if (n >= V::lanes) return V::load(p);
  elem_of<V> values[V::lanes];
  for (int i = 0; i < V::lanes; ++i) values[i] = i < n ? p[i] : pad;
  return V::load(values);
#endif
}

// Sorts n <= R * lanes elements.
template <int R, class V>
inline __attribute__((noinline)) void sort_network(elem_of<V>* a, int64_t n) {
  constexpr int kLanes = V::lanes;
  constexpr int kBlock = R < kLanes ? R : kLanes;
  V v[R];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
    v[r] = load_padded<V>(a + r * kLanes, n - r * kLanes, VectorOf<elem_of<V>>::greatest);
  }
  sort_columns<R>(v);
  merge_runs<1, R>(v);
  transpose_blocks<1, kBlock, R>(v);
  alignas(64) elem_of<V> out[R * kLanes];
  const bool full = n == R * kLanes;
  elem_of<V>* const to = full ? a : out;
  if constexpr (R >= kLanes) {
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) v[r].store(to + (r % kLanes) * R + (r / kLanes) * kLanes);
  } else {
    alignas(64) elem_of<V> rows[R * kLanes];
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) v[r].store(rows + r * kLanes);
    for (int r = 0; r < R; ++r) {
      for (int q = 0; q < kLanes / kBlock; ++q) {
        __builtin_memcpy(to + (q * kBlock + r) * R, rows + r * kLanes + q * kBlock,
                         sizeof(elem_of<V>) * kBlock);
      }
    }
  }
  if (!full) __builtin_memcpy(a, out, sizeof(elem_of<V>) * static_cast<size_t>(n));
}

// The most elements that sort_small takes.
template <class V>
inline constexpr int64_t kNetwork = 16 * V::lanes;

template <class V>
PHINTYS_INLINE void sort_small(elem_of<V>* a, int64_t n) {
  if (n <= 6) {
    for (int64_t i = 1; i < n; ++i) {
      const elem_of<V> x = a[i];
      int64_t j = i;
      for (; j > 0 && x < a[j - 1]; --j) a[j] = a[j - 1];
      a[j] = x;
    }
  } else if (n <= V::lanes) {
    sort_network<1, V>(a, n);
  } else if (n <= 2 * V::lanes) {
    sort_network<2, V>(a, n);
  } else if (n <= 4 * V::lanes) {
    sort_network<4, V>(a, n);
  } else if (n <= 8 * V::lanes) {
    sort_network<8, V>(a, n);
  } else {
    sort_network<16, V>(a, n);
  }
}

}  // namespace phintys::PHINTYS_ISA
