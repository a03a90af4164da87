// See move.h.
#include "ops/indexing/move.h"

#include <string.h>

#if defined(__AVX512F__) && defined(__AVX512DQ__) && defined(__AVX512BW__)
// g++ 12 takes the undefined operands of some intrinsics for a mistake.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#include <immintrin.h>
#define PHINTYS_MOVE_AVX512 1
#endif

#include "kernels/simd/vec.h"

namespace phintys::PHINTYS_ISA {

namespace {

constexpr int64_t kLongRow = 32 * 1024;  // bytes from which rows are copied by memcpy()

struct Item16 {
  uint64_t a, b;
};
template <class T>
struct __attribute__((packed, may_alias)) Loose {
  T v;
};
template <class T>
PHINTYS_INLINE T load(const char* p) {
  return reinterpret_cast<const Loose<T>*>(p)->v;
}
template <class T>
PHINTYS_INLINE void store(char* p, T v) {
  reinterpret_cast<Loose<T>*>(p)->v = v;
}

// f with a value of an item's type.
template <class F>
PHINTYS_INLINE auto with_item(size_t item, F&& f) {
  switch (item) {
    case 1:
      return f(uint8_t{});
    case 2:
      return f(uint16_t{});
    case 4:
      return f(uint32_t{});
    case 8:
      return f(uint64_t{});
    default:
      return f(Item16{});
  }
}

// Eight mask bytes as a word whose bytes are not 0 where they are true.
PHINTYS_INLINE uint64_t mask_word(const char* p) { return load<uint64_t>(p); }

// Calls f(i) for the true bytes of a mask in turn; quick where they are rare.
template <class F>
PHINTYS_INLINE void each_true(const char* mask, int64_t n, F&& f) {
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    if (mask_word(mask + i) == 0) continue;
    for (int64_t k = i; k < i + 8; ++k) {
      if (mask[k]) f(k);
    }
  }
  for (; i < n; ++i) {
    if (mask[i]) f(i);
  }
}

template <class T>
PHINTYS_INLINE int64_t compress_scalar(char* out, int64_t room, const char* in, const char* mask,
                                       int64_t n) {
  int64_t j = 0;
  for (int64_t i = 0; i < n && j < room; ++i) {
    // Written always, kept where the mask is true: no branch that is hard to predict.
    store<T>(out + j * static_cast<int64_t>(sizeof(T)),
             load<T>(in + i * static_cast<int64_t>(sizeof(T))));
    j += mask[i] != 0;
  }
  return j;
}

template <class T>
PHINTYS_INLINE int64_t expand_scalar(char* out, const char* in, int64_t room, const char* mask,
                                     int64_t n) {
  int64_t j = 0;
  constexpr int64_t kItem = sizeof(T);
  each_true(mask, n, [&](int64_t i) {
    if (j < room) store<T>(out + i * kItem, load<T>(in + j++ * kItem));
  });
  return j;
}

#if defined(PHINTYS_MOVE_AVX512)

PHINTYS_INLINE uint64_t bits64(const char* mask) {
  const __m512i v = _mm512_loadu_si512(mask);
  return _mm512_test_epi8_mask(v, v);
}
PHINTYS_INLINE uint64_t bits_part(const char* mask, int64_t n) {
  const __m512i v = _mm512_maskz_loadu_epi8((uint64_t{1} << n) - 1, mask);
  return _mm512_test_epi8_mask(v, v);
}
PHINTYS_INLINE int ones(uint64_t bits) { return __builtin_popcountll(bits); }
PHINTYS_INLINE __mmask8 first8(int n) { return static_cast<__mmask8>((1u << n) - 1); }
PHINTYS_INLINE __mmask16 first16(int n) { return static_cast<__mmask16>((1u << n) - 1); }

// Calls f(i, bits) for runs of up to 64 mask bytes from i on.
template <class F>
PHINTYS_INLINE void each_word(const char* mask, int64_t n, F&& f) {
  int64_t i = 0;
  for (; i + 64 <= n; i += 64) f(i, bits64(mask + i));
  if (i < n) f(i, bits_part(mask + i, n - i));
}

// Values to `out` where `bits` are set. Whole vectors are stored while there is room for them.
PHINTYS_INLINE int put64(char* out, int64_t room, __m512i v, __mmask8 bits) {
  const int n = ones(bits);
  const __m512i packed = _mm512_maskz_compress_epi64(bits, v);
  if (room >= 8) {
    _mm512_storeu_si512(out, packed);
  } else {
    _mm512_mask_storeu_epi64(out, first8(n < room ? n : static_cast<int>(room)), packed);
  }
  return n;
}
PHINTYS_INLINE int put32(char* out, int64_t room, __m512i v, __mmask16 bits) {
  const int n = ones(bits);
  const __m512i packed = _mm512_maskz_compress_epi32(bits, v);
  if (room >= 16) {
    _mm512_storeu_si512(out, packed);
  } else {
    _mm512_mask_storeu_epi32(out, first16(n < room ? n : static_cast<int>(room)), packed);
  }
  return n;
}

PHINTYS_INLINE int64_t compress64(char* out, int64_t room, const char* in, const char* mask,
                                  int64_t n) {
  int64_t j = 0;
  each_word(mask, n, [&](int64_t i, uint64_t bits) {
    for (int64_t k = i; bits; k += 8, bits >>= 8) {
      const __mmask8 m = static_cast<__mmask8>(bits);
      if (!m || j >= room) continue;
      j += put64(out + j * 8, room - j, _mm512_maskz_loadu_epi64(m, in + k * 8), m);
    }
  });
  return j;
}
PHINTYS_INLINE int64_t compress32(char* out, int64_t room, const char* in, const char* mask,
                                  int64_t n) {
  int64_t j = 0;
  each_word(mask, n, [&](int64_t i, uint64_t bits) {
    for (int64_t k = i; bits; k += 16, bits >>= 16) {
      const __mmask16 m = static_cast<__mmask16>(bits);
      if (!m || j >= room) continue;
      j += put32(out + j * 4, room - j, _mm512_maskz_loadu_epi32(m, in + k * 4), m);
    }
  });
  return j;
}
PHINTYS_INLINE int64_t expand64(char* out, const char* in, int64_t room, const char* mask,
                                int64_t n) {
  int64_t j = 0;
  each_word(mask, n, [&](int64_t i, uint64_t bits) {
    for (int64_t k = i; bits; k += 8, bits >>= 8) {
      const __mmask8 m = static_cast<__mmask8>(bits);
      const int c = ones(m);
      if (!m || j + c > room) {
        j = m ? room + 1 : j;
        continue;
      }
      const __m512i v = _mm512_maskz_loadu_epi64(first8(c), in + j * 8);
      _mm512_mask_storeu_epi64(out + k * 8, m, _mm512_maskz_expand_epi64(m, v));
      j += c;
    }
  });
  return j;
}
PHINTYS_INLINE int64_t expand32(char* out, const char* in, int64_t room, const char* mask,
                                int64_t n) {
  int64_t j = 0;
  each_word(mask, n, [&](int64_t i, uint64_t bits) {
    for (int64_t k = i; bits; k += 16, bits >>= 16) {
      const __mmask16 m = static_cast<__mmask16>(bits);
      const int c = ones(m);
      if (!m || j + c > room) {
        j = m ? room + 1 : j;
        continue;
      }
      const __m512i v = _mm512_maskz_loadu_epi32(first16(c), in + j * 4);
      _mm512_mask_storeu_epi32(out + k * 4, m, _mm512_maskz_expand_epi32(m, v));
      j += c;
    }
  });
  return j;
}

#endif

template <class T>
PHINTYS_INLINE bool resolve(int64_t* offsets, const T* index, int64_t n, int64_t length,
                            int64_t stride, bool add) {
  uint64_t bad = 0;
  const uint64_t end = static_cast<uint64_t>(length);
  if (add) {
    for (int64_t i = 0; i < n; ++i) {
      int64_t v = index[i];
      v += v < 0 ? length : 0;
      bad |= static_cast<uint64_t>(v) >= end;
      offsets[i] = static_cast<int64_t>(static_cast<uint64_t>(offsets[i]) +
                                        static_cast<uint64_t>(v) * static_cast<uint64_t>(stride));
    }
  } else {
    for (int64_t i = 0; i < n; ++i) {
      int64_t v = index[i];
      v += v < 0 ? length : 0;
      bad |= static_cast<uint64_t>(v) >= end;
      offsets[i] = static_cast<int64_t>(static_cast<uint64_t>(v) * static_cast<uint64_t>(stride));
    }
  }
  return bad == 0;
}

template <class T>
PHINTYS_INLINE void gather(char* out, const char* base, const int64_t* offsets, int64_t n) {
  constexpr int64_t kItem = sizeof(T);
  int64_t i = 0;
  for (; i + 4 <= n; i += 4) {
#pragma GCC unroll 4
    for (int64_t k = i; k < i + 4; ++k) {
      const char* at = base + offsets[k];
      // One load each: gather instructions are slower on many processors, and never much faster.
      asm("" : "+r"(at));
      store<T>(out + k * kItem, load<T>(at));
    }
  }
  for (; i < n; ++i) store<T>(out + i * kItem, load<T>(base + offsets[i]));
}

PHINTYS_INLINE void prefetch(const Ahead& ahead, int64_t i) {
  const char* const at = ahead.row + i / 16 * ahead.step;
  for (int64_t b = 0; b < ahead.step; b += 64) __builtin_prefetch(at + b);
}

// Offsets are loaded two at a time: loads are what limits this.
template <class T>
PHINTYS_INLINE void gather_pairs(char* out, const char* base, const uint32_t* offsets, int64_t n,
                                 Ahead ahead) {
  constexpr int64_t kItem = sizeof(T);
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) {
    prefetch(ahead, i);
#pragma GCC unroll 8
    for (int64_t k = i; k < i + 16; k += 2) {
      uint64_t pair = load<uint64_t>(reinterpret_cast<const char*>(offsets + k));
      asm("" : "+r"(pair));
      const char *a = base + static_cast<uint32_t>(pair), *b = base + (pair >> 32);
      asm("" : "+r"(a), "+r"(b));  // no gather instructions, as above
      store<T>(out + k * kItem, load<T>(a));
      store<T>(out + (k + 1) * kItem, load<T>(b));
    }
  }
  for (; i < n; ++i) store<T>(out + i * kItem, load<T>(base + offsets[i]));
}

template <class T>
PHINTYS_INLINE int64_t gather_checked(char* out, const char* table, const int64_t* index, int64_t n,
                                      int64_t length, Ahead ahead) {
  constexpr int64_t kItem = sizeof(T);
  for (int64_t i = 0; i < n; ++i) {
    if (i % 16 == 0) prefetch(ahead, i);
    int64_t v = index[i];
    v += v < 0 ? length : 0;
    if (static_cast<uint64_t>(v) >= static_cast<uint64_t>(length)) return i;
    store<T>(out + i * kItem, load<T>(table + v * kItem));
  }
  return n;
}

// Copies a row; brings the one at `next` into the caches. memcpy() is slower for a few thousand
// bytes: there it uses an instruction that takes long to start.
PHINTYS_INLINE void copy_row(char* to, const char* from, int64_t bytes, const char* next) {
  int64_t i = 0;
  for (; i + 64 <= bytes; i += 64) {
    __builtin_prefetch(next + i);
    memcpy(to + i, from + i, 64);
  }
  memcpy(to + i, from + i, static_cast<size_t>(bytes - i));
}

// Rows of a size known when compiled, or of `bytes`.
template <int64_t kBytes>
PHINTYS_INLINE void rows_of(char* out, const char* base, const int64_t* offsets, int64_t n,
                            int64_t bytes) {
  for (int64_t i = 0; i < n; ++i) {
    const int64_t size = kBytes ? kBytes : bytes;
    memcpy(out + i * size, base + offsets[i], static_cast<size_t>(size));
  }
}

template <class V>
PHINTYS_INLINE void sum_row(elem_of<V>* to, const elem_of<V>* a, const elem_of<V>* b, int64_t n,
                            const elem_of<V>* next) {
  constexpr int64_t kLine = 64 / sizeof(elem_of<V>);
  int64_t i = 0;
  for (; i + kLine <= n; i += kLine) {
    __builtin_prefetch(next + i);
    for (int64_t k = i; k < i + kLine; k += V::lanes) {
      (V::load(a + k) + V::load(b + k)).store(to + k);
    }
  }
  for (; i < n; ++i) to[i] = a[i] + b[i];
}

template <class T>
PHINTYS_INLINE void scatter_add(char* base, const int64_t* offsets, const char* in, int64_t step,
                                int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    char* at = base + offsets[i];
    store<T>(at, load<T>(at) + load<T>(in + i * step));
  }
}

}  // namespace

int64_t count_true(const char* mask, int64_t n) {
  int64_t count = 0;
#if defined(PHINTYS_MOVE_AVX512)
  each_word(mask, n, [&](int64_t, uint64_t bits) { count += ones(bits); });
#else
  // Sums of at most 255 bytes of 0 or 1 fit a byte each.
  for (int64_t i = 0; i < n;) {
    const int64_t end = n - i > 4096 ? i + 4096 : n;
    uint32_t part = 0;
    for (; i < end; ++i) part += mask[i] != 0;
    count += part;
  }
#endif
  return count;
}

int64_t true_positions(int64_t* out, int64_t room, const char* mask, int64_t n, int64_t start,
                       int64_t step) {
  int64_t j = 0;
#if defined(PHINTYS_MOVE_AVX512)
  const __m512i iota =
      _mm512_mullo_epi64(_mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7), _mm512_set1_epi64(step));
  each_word(mask, n, [&](int64_t i, uint64_t bits) {
    for (int64_t k = i; bits; k += 8, bits >>= 8) {
      const __mmask8 m = static_cast<__mmask8>(bits);
      if (!m || j >= room) continue;
      const __m512i v = _mm512_add_epi64(iota, _mm512_set1_epi64(start + k * step));
      j += put64(reinterpret_cast<char*>(out + j), room - j, v, m);
    }
  });
#else
  each_true(mask, n, [&](int64_t i) {
    if (j < room) out[j++] = start + i * step;
  });
#endif
  return j;
}

int64_t compress_items(char* out, int64_t room, const char* in, const char* mask, int64_t n,
                       size_t item) {
#if defined(PHINTYS_MOVE_AVX512)
  if (item == 8) return compress64(out, room, in, mask, n);
  if (item == 4) return compress32(out, room, in, mask, n);
#endif
  return with_item(item, [&]<class T>(T) { return compress_scalar<T>(out, room, in, mask, n); });
}

int64_t expand_items(char* out, const char* in, int64_t room, const char* mask, int64_t n,
                     size_t item) {
#if defined(PHINTYS_MOVE_AVX512)
  if (item == 8) return expand64(out, in, room, mask, n);
  if (item == 4) return expand32(out, in, room, mask, n);
#endif
  return with_item(item, [&]<class T>(T) { return expand_scalar<T>(out, in, room, mask, n); });
}

bool resolve_i64(int64_t* offsets, const int64_t* index, int64_t n, int64_t length, int64_t stride,
                 bool add) {
  return resolve(offsets, index, n, length, stride, add);
}
bool resolve_i32(int64_t* offsets, const int32_t* index, int64_t n, int64_t length, int64_t stride,
                 bool add) {
  return resolve(offsets, index, n, length, stride, add);
}

void gather_items(char* out, const char* base, const int64_t* offsets, int64_t n, size_t item) {
  with_item(item, [&]<class T>(T) { gather<T>(out, base, offsets, n); });
}

void gather_shared(char* out, const char* base, const uint32_t* offsets, int64_t n, size_t item,
                   Ahead ahead) {
  with_item(item, [&]<class T>(T) { gather_pairs<T>(out, base, offsets, n, ahead); });
}

int64_t gather_indexed(char* out, const char* table, const int64_t* index, int64_t n,
                       int64_t length, size_t item, Ahead ahead) {
  int64_t i = 0;
#if defined(PHINTYS_MOVE_AVX512)
  // Here gathers do pay: indices need not pass through memory, and whole lines are stored, of which
  // many more than of single items can wait for memory.
  const __m512i end = _mm512_set1_epi64(length);
  for (; i + 16 <= n; i += 16) {
    prefetch(ahead, i);
    __m512i v = _mm512_loadu_si512(index + i), w = _mm512_loadu_si512(index + i + 8);
    v = _mm512_mask_add_epi64(v, _mm512_movepi64_mask(v), v, end);
    w = _mm512_mask_add_epi64(w, _mm512_movepi64_mask(w), w, end);
    if (_mm512_cmpge_epu64_mask(v, end) | _mm512_cmpge_epu64_mask(w, end)) break;
    if (item == 8) {
      _mm512_storeu_si512(out + i * 8, _mm512_i64gather_epi64(v, table, 8));
      _mm512_storeu_si512(out + i * 8 + 64, _mm512_i64gather_epi64(w, table, 8));
    } else {
      const __m256i a = _mm512_i64gather_epi32(v, table, 4);
      const __m256i b = _mm512_i64gather_epi32(w, table, 4);
      _mm512_storeu_si512(out + i * 4, _mm512_inserti64x4(_mm512_castsi256_si512(a), b, 1));
    }
  }
  ahead.step = 0;
#endif
  const int64_t size = static_cast<int64_t>(item);
  return i +
         (item == 8
              ? gather_checked<uint64_t>(out + i * size, table, index + i, n - i, length, ahead)
              : gather_checked<uint32_t>(out + i * size, table, index + i, n - i, length, ahead));
}

bool all_in_range(const int64_t* index, int64_t n, int64_t length) {
  uint64_t bad = 0;
  const uint64_t shift = static_cast<uint64_t>(length), span = 2 * shift;
  for (int64_t i = 0; i < n; ++i) bad |= static_cast<uint64_t>(index[i]) + shift >= span;
  return bad == 0;
}

void add_ramp(int64_t* offsets, int64_t n, int64_t start, int64_t step) {
  for (int64_t i = 0; i < n; ++i) offsets[i] += start + i * step;
}

void gather_rows(char* out, const char* base, const int64_t* offsets, int64_t n, int64_t bytes) {
  switch (bytes) {
    case 12:
      return rows_of<12>(out, base, offsets, n, bytes);
    case 24:
      return rows_of<24>(out, base, offsets, n, bytes);
    case 32:
      return rows_of<32>(out, base, offsets, n, bytes);
    case 64:
      return rows_of<64>(out, base, offsets, n, bytes);
    case 128:
      return rows_of<128>(out, base, offsets, n, bytes);
    case 256:
      return rows_of<256>(out, base, offsets, n, bytes);
    default:
      break;
  }
  if (bytes < 64 || bytes > kLongRow) return rows_of<0>(out, base, offsets, n, bytes);
  for (int64_t i = 0; i < n; ++i) {
    const char* const next = base + offsets[i + 1 < n ? i + 1 : i];
    copy_row(out + i * bytes, base + offsets[i], bytes, next);
  }
}

void scatter_items(char* base, const int64_t* offsets, const char* in, int64_t step, int64_t n,
                   size_t item) {
  with_item(item, [&]<class T>(T) {
    for (int64_t i = 0; i < n; ++i) store<T>(base + offsets[i], load<T>(in + i * step));
  });
}

void scatter_add_f32(char* base, const int64_t* offsets, const char* in, int64_t step, int64_t n) {
  scatter_add<float>(base, offsets, in, step, n);
}
void scatter_add_f64(char* base, const int64_t* offsets, const char* in, int64_t step, int64_t n) {
  scatter_add<double>(base, offsets, in, step, n);
}

void add_row_f32(float* to, const float* from, int64_t n) {
  for (int64_t i = 0; i < n; ++i) to[i] += from[i];
}
void add_row_f64(double* to, const double* from, int64_t n) {
  for (int64_t i = 0; i < n; ++i) to[i] += from[i];
}
void sum_row_f32(float* to, const float* a, const float* b, int64_t n, const float* next) {
  sum_row<VF32>(to, a, b, n, next);
}
void sum_row_f64(double* to, const double* a, const double* b, int64_t n, const double* next) {
  sum_row<VF64>(to, a, b, n, next);
}

}  // namespace phintys::PHINTYS_ISA
