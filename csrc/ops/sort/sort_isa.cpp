#include "ops/sort/sort_isa.h"

#include "ops/sort/network_isa.h"
#if defined(PHINTYS_SIMD_AVX2)
#include <immintrin.h>
#endif

namespace phintys::PHINTYS_ISA {
namespace {

// ---- Partition ----------------------------------------------------------------------------------

#if defined(PHINTYS_SIMD_AVX512) || defined(PHINTYS_SIMD_AVX2)
#define PHINTYS_VECTOR_PARTITION 1

#if defined(PHINTYS_SIMD_AVX2)
// For a mask of the lanes that go to the left: the lane numbers (of 32-bit lanes) of these, then of
// the others, one a byte.
struct Permutations {
  uint64_t of_8[256];
  uint64_t of_4[16];
  constexpr Permutations() : of_8{}, of_4{} {
    for (int m = 0; m < 256; ++m) {
      int at = 0;
      for (int side = 1; side >= 0; --side) {
        for (int i = 0; i < 8; ++i) {
          if (((m >> i) & 1) == side) of_8[m] |= static_cast<uint64_t>(i) << (8 * at++);
        }
      }
    }
    for (int m = 0; m < 16; ++m) {
      int at = 0;
      for (int side = 1; side >= 0; --side) {
        for (int i = 0; i < 4; ++i) {
          if (((m >> i) & 1) != side) continue;
          of_4[m] |= static_cast<uint64_t>(2 * i) << (8 * at++);
          of_4[m] |= static_cast<uint64_t>(2 * i + 1) << (8 * at++);
        }
      }
    }
  }
};
constexpr Permutations kPermutations;
#endif

// Stores the lanes of x that are less than the pivot at `left` and the others below `right`, and
// moves both on. The whole vector must fit on either side.
template <class V>
PHINTYS_INLINE void deal_out(V x, V pivot, elem_of<V>*& left, elem_of<V>*& right) {
#if defined(PHINTYS_SIMD_AVX512)
  const __m512i v = (__m512i)x.v;
  if constexpr (sizeof(elem_of<V>) == 4) {
    const __mmask16 less = _mm512_cmplt_epi32_mask(v, (__m512i)pivot.v);
    const unsigned n = static_cast<unsigned>(__builtin_popcount(less));
    _mm512_storeu_si512(left, _mm512_maskz_compress_epi32(less, v));
    left += n;
    right -= 16 - n;
    _mm512_mask_storeu_epi32(right, static_cast<__mmask16>(0xffffu >> n),
                             _mm512_maskz_compress_epi32(static_cast<__mmask16>(~less), v));
  } else {
    const __mmask8 less = _mm512_cmplt_epi64_mask(v, (__m512i)pivot.v);
    const unsigned n = static_cast<unsigned>(__builtin_popcount(less));
    _mm512_storeu_si512(left, _mm512_maskz_compress_epi64(less, v));
    left += n;
    right -= 8 - n;
    _mm512_mask_storeu_epi64(right, static_cast<__mmask8>(0xffu >> n),
                             _mm512_maskz_compress_epi64(static_cast<__mmask8>(~less), v));
  }
#else
  const __m256i v = (__m256i)x.v;
  unsigned less;
  uint64_t lanes;
  if constexpr (sizeof(elem_of<V>) == 4) {
    less = static_cast<unsigned>(_mm256_movemask_ps((__m256)(x.v < pivot.v)));
    lanes = kPermutations.of_8[less];
  } else {
    less = static_cast<unsigned>(_mm256_movemask_pd((__m256d)(x.v < pivot.v)));
    lanes = kPermutations.of_4[less];
  }
  const __m256i order = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128(static_cast<long long>(lanes)));
  const __m256i dealt = _mm256_permutevar8x32_epi32(v, order);
  const int n = __builtin_popcount(less);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(left), dealt);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(right - V::lanes), dealt);
  left += n;
  right -= V::lanes - n;
#endif
}
#endif

// Moves the elements less than the pivot to the front and returns their number.
template <class V>
int64_t partition_less(elem_of<V>* a, int64_t n, elem_of<V> pivot) {
  using T = elem_of<V>;
#ifdef PHINTYS_VECTOR_PARTITION
  constexpr int kUnroll = 4;
  constexpr int64_t kStep = kUnroll * V::lanes;
  if (n >= 4 * kStep) {
    // Both ends are set aside, so that there is room to write to. What is read next comes from the
    // side with less room: then a step always fits on both.
    T aside[3 * kStep];
    const int64_t extra = (n - 2 * kStep) % kStep;
    T* read_left = a + kStep + extra;
    T* read_right = a + n - kStep;
    __builtin_memcpy(aside, a, sizeof(T) * static_cast<size_t>(kStep + extra));
    __builtin_memcpy(aside + kStep + extra, read_right, sizeof(T) * static_cast<size_t>(kStep));
    const int64_t n_aside = 2 * kStep + extra;
    T* left = a;
    T* right = a + n;
    const V p = V::broadcast(pivot);
    while (read_left < read_right) {
      const bool from_left = read_left - left <= right - read_right;
      const T* from = from_left ? read_left : read_right - kStep;
      read_left += from_left ? kStep : 0;
      read_right -= from_left ? 0 : kStep;
      V v[kUnroll];
      for (int k = 0; k < kUnroll; ++k) v[k] = V::load(from + k * V::lanes);
      for (int k = 0; k < kUnroll; ++k) deal_out(v[k], p, left, right);
    }
    int64_t i = 0;
    for (; i + 2 * V::lanes <= n_aside; i += V::lanes) {
      deal_out(V::load(aside + i), p, left, right);
    }
    for (; i < n_aside; ++i) {
      const T x = aside[i];
      *left = x;
      right[-1] = x;
      left += x < pivot ? 1 : 0;
      right -= x < pivot ? 0 : 1;
    }
    return left - a;
  }
#endif
  int64_t m = 0;
  for (int64_t i = 0; i < n; ++i) {
    const T x = a[i];
    a[i] = a[m];
    a[m] = x;
    m += x < pivot;
  }
  return m;
}

// ---- Pivots -------------------------------------------------------------------------------------

// The element of rank about n * at / 256 of an evenly spaced sample.
template <class V>
elem_of<V> choose_pivot(const elem_of<V>* a, int64_t n, int at) {
  constexpr int kMost = 16 * V::lanes;
  elem_of<V> sample[kMost];
  const int count = n < 2048 ? V::lanes : n < (1 << 16) ? 4 * V::lanes : kMost;
  const int64_t step = n / count;
  const elem_of<V>* p = a + step / 2;
  for (int i = 0; i < count; ++i, p += step) sample[i] = *p;
  sort_small<V>(sample, count);
  return sample[count * at / 256];
}

// a[0..m) <= a[m..n) afterwards, with 0 < m; m == n: all are equal.
template <class V>
int64_t split(elem_of<V>* a, int64_t n, int at) {
  const elem_of<V> pivot = choose_pivot<V>(a, n, at);
  const int64_t m = partition_less<V>(a, n, pivot);
  if (m > 0) return m;
  // The pivot is the least element: all that are equal to it are in their place.
  if (pivot == VectorOf<elem_of<V>>::greatest) return n;
  return partition_less<V>(a, n, static_cast<elem_of<V>>(pivot + 1));
}

template <class T>
void heap_sort(T* a, int64_t n) {
  auto sift = [&](int64_t i, int64_t end) {
    const T x = a[i];
    for (int64_t child; (child = 2 * i + 1) < end; i = child) {
      if (child + 1 < end && a[child] < a[child + 1]) ++child;
      if (!(x < a[child])) break;
      a[i] = a[child];
    }
    a[i] = x;
  };
  for (int64_t i = n / 2 - 1; i >= 0; --i) sift(i, n);
  for (int64_t end = n - 1; end > 0; --end) {
    const T top = a[0];
    a[0] = a[end];
    a[end] = top;
    sift(0, end);
  }
}

int64_t allowed_steps(int64_t n) {
  return 2 * (64 - __builtin_clzll(static_cast<uint64_t>(n | 1)));
}

// Recursive in the shorter part only: at most 64 deep.
template <class V>
void quick_sort(elem_of<V>* a, int64_t n, int64_t steps) {
  while (n > kNetwork<V>) {
    if (steps-- == 0) {
      heap_sort(a, n);
      return;
    }
    const elem_of<V> pivot = choose_pivot<V>(a, n, 128);
    const int64_t m = partition_less<V>(a, n, pivot);
    if (m == 0) {
      if (pivot == VectorOf<elem_of<V>>::greatest) return;
      const int64_t same = partition_less<V>(a, n, static_cast<elem_of<V>>(pivot + 1));
      a += same;
      n -= same;
    } else if (m < n - m) {
      quick_sort<V>(a, m, steps);
      a += m;
      n -= m;
    } else {
      quick_sort<V>(a + m, n - m, steps);
      n = m;
    }
  }
  sort_small<V>(a, n);
}

template <class V>
void select_nth(elem_of<V>* a, int64_t n, int64_t k) {
  int64_t steps = 2 * allowed_steps(n);
  while (n > kNetwork<V>) {
    if (steps-- == 0) {
      heap_sort(a, n);
      return;
    }
    // A pivot a little beyond the wanted rank leaves the least to look at.
    const double rank = 256.0 * static_cast<double>(k) / static_cast<double>(n);
    int at = static_cast<int>(rank);
    at += at < 128 ? 8 : -7;
    at = at < 1 ? 1 : at > 254 ? 254 : at;
    const elem_of<V> pivot = choose_pivot<V>(a, n, at);
    int64_t m = partition_less<V>(a, n, pivot);
    if (m == 0) {
      if (pivot == VectorOf<elem_of<V>>::greatest) return;
      m = partition_less<V>(a, n, static_cast<elem_of<V>>(pivot + 1));
      if (k < m) return;
    }
    if (k < m) {
      n = m;
    } else {
      a += m;
      n -= m;
      k -= m;
    }
  }
  sort_small<V>(a, n);
}

}  // namespace

void sort_i32(int32_t* a, int64_t n) { quick_sort<VI32>(a, n, allowed_steps(n)); }
void sort_i64(int64_t* a, int64_t n) { quick_sort<VI64>(a, n, allowed_steps(n)); }
int64_t split_i32(int32_t* a, int64_t n) { return split<VI32>(a, n, 128); }
int64_t split_i64(int64_t* a, int64_t n) { return split<VI64>(a, n, 128); }
void select_i32(int32_t* a, int64_t n, int64_t k) { select_nth<VI32>(a, n, k); }
void select_i64(int64_t* a, int64_t n, int64_t k) { select_nth<VI64>(a, n, k); }

}  // namespace phintys::PHINTYS_ISA
