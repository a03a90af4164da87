#include "ops/argreduce_isa.h"

#include "kernels/simd/vec.h"

namespace phintys::PHINTYS_ISA {
namespace {

template <class T>
inline constexpr bool kIsFloat = __is_same(T, float) || __is_same(T, double);

template <bool kMax, class T>
PHINTYS_INLINE bool better(T a, T b) {
  return kMax ? a > b : a < b;
}

// ---- The best of a block, and whether it holds a NaN ------------------------------------------

template <bool kMax, class T>
struct BlockBest {
  static T find(const T* x, int64_t n, bool*) {
    T best = x[0];
    for (int64_t i = 1; i < n; ++i) best = better<kMax>(x[i], best) ? x[i] : best;
    return best;
  }
};

template <bool kMax, class V>
elem_of<V> float_block(const elem_of<V>* x, int64_t n, bool* nan) {
  using T = elem_of<V>;
  constexpr int kUnroll = 4;
  T best = x[0];
  bool found = best != best;
  int64_t i = 0;
  if (n >= kUnroll * V::lanes) {
    V top[kUnroll];
    for (int k = 0; k < kUnroll; ++k) top[k] = V::load(x + k * V::lanes);
    mask_of<V> odd = isnan(top[0]) | isnan(top[1]) | isnan(top[2]) | isnan(top[3]);
    for (i = kUnroll * V::lanes; i + kUnroll * V::lanes <= n; i += kUnroll * V::lanes) {
      for (int k = 0; k < kUnroll; ++k) {
        const V v = V::load(x + i + k * V::lanes);
        odd = odd | isnan(v);
        top[k] = kMax ? max(v, top[k]) : min(v, top[k]);
      }
    }
    found = any(odd);
    T lanes[V::lanes];
    for (int k = 0; k < kUnroll; ++k) {
      top[k].store(lanes);
      for (int j = 0; j < V::lanes; ++j) best = better<kMax>(lanes[j], best) ? lanes[j] : best;
    }
  }
  for (; i < n; ++i) {
    found |= x[i] != x[i];
    best = better<kMax>(x[i], best) ? x[i] : best;
  }
  *nan = found;
  return best;
}
template <bool kMax>
struct BlockBest<kMax, float> {
  static float find(const float* x, int64_t n, bool* nan) {
    return float_block<kMax, VF32>(x, n, nan);
  }
};
template <bool kMax>
struct BlockBest<kMax, double> {
  static double find(const double* x, int64_t n, bool* nan) {
    return float_block<kMax, VF64>(x, n, nan);
  }
};

template <class T>
PHINTYS_INLINE T from_bits(uint64_t bits) {
  T value;
  __builtin_memcpy(&value, &bits, sizeof(T));
  return value;
}
template <class T>
PHINTYS_INLINE uint64_t to_bits(T value) {
  uint64_t bits = 0;
  __builtin_memcpy(&bits, &value, sizeof(T));
  return bits;
}

constexpr int64_t kBlock = 4096;

// The first of n elements that equals `value`, which is among them.
template <class T>
int64_t find_equal(const T* x, int64_t n, T value) {
  constexpr int64_t kStep = 64;
  int64_t i = 0;
  for (; i + kStep <= n; i += kStep) {
    int hit = 0;
    for (int64_t j = 0; j < kStep; ++j) hit |= x[i + j] == value;
    if (hit) break;
  }
  while (!(x[i] == value)) ++i;
  return i;
}

template <bool kMax, class T>
void best_of(const T* x, int64_t n, int64_t first, ArgBest* best) {
  if (best->nan || n == 0) return;
  bool have = best->at >= 0;
  T top = from_bits<T>(best->bits);
  int64_t block = -1;
  for (int64_t i = 0; i < n; i += kBlock) {
    const int64_t m = n - i < kBlock ? n - i : kBlock;
    bool nan = false;
    const T here = BlockBest<kMax, T>::find(x + i, m, &nan);
    if (nan) {
      int64_t j = i;
      while (x[j] == x[j]) ++j;
      *best = {to_bits(x[j]), first + j, true};
      return;
    }
    if (!have || better<kMax>(here, top)) {
      top = here;
      block = i;
      have = true;
    }
  }
  if (block < 0) return;
  const int64_t m = n - block < kBlock ? n - block : kBlock;
  *best = {to_bits(top), first + block + find_equal(x + block, m, top), false};
}

constexpr int64_t kShortRow = 24;

template <bool kMax, class T>
int64_t best_of_short_row(const T* x, int64_t n) {
  T top = x[0];
  int64_t at = 0;
  for (int64_t i = 1; i < n; ++i) {
    bool take = better<kMax>(x[i], top);
    if constexpr (kIsFloat<T>) take = take | ((x[i] != x[i]) & (top == top));
    top = take ? x[i] : top;
    at = take ? i : at;
  }
  return at;
}

template <bool kMax, class T>
void best_of_rows(const T* x, int64_t n, int64_t rows, int64_t* places) {
  for (int64_t r = 0; r < rows; ++r, x += n) {
    if (n <= kShortRow) {
      places[r] = best_of_short_row<kMax>(x, n);
    } else {
      ArgBest best;
      best_of<kMax>(x, n, 0, &best);
      places[r] = best.at;
    }
  }
}

template <bool kMax, class T>
void join_best(const ArgBest& later, ArgBest* best) {
  if (best->nan || later.at < 0) return;
  if (later.nan || best->at < 0 ||
      better<kMax>(from_bits<T>(later.bits), from_bits<T>(best->bits))) {
    *best = later;
  }
}

// ---- Columns ------------------------------------------------------------------------------------

constexpr int kColumns = 128;

template <class T>
struct CopyRow {
  using Key = T;
  static const T* row(const char* p, int64_t, T*) { return reinterpret_cast<const T*>(p); }
};

// The index that is selected together with an element has its size, so that both fill vectors.
template <class T>
struct IndexOf {
  using type = int32_t;
};
template <>
struct IndexOf<double> {
  using type = int64_t;
};
template <>
struct IndexOf<int64_t> {
  using type = int64_t;
};
template <>
struct IndexOf<uint64_t> {
  using type = int64_t;
};

template <bool kMax, class T, class I, class Row>
void best_of_columns(const ArgColumns& w, int64_t begin, int64_t end, T* best, int64_t* places,
                     int64_t column) {
  T memory[kColumns];
  I at[kColumns];
  const int width = static_cast<int>(w.width - column < kColumns ? w.width - column : kColumns);
  const char* p = w.x + begin * w.stride + column * static_cast<int64_t>(sizeof(T));
  int64_t i = begin;
  if (begin == 0) {
    const T* const x = Row::row(p, width, memory);
    for (int j = 0; j < width; ++j) best[j] = x[j];
    i = 1;
    p += w.stride;
  }
  for (int j = 0; j < width; ++j) at[j] = -1;
  for (; i < end; ++i, p += w.stride) {
    const T* const x = Row::row(p, width, memory);
    const I here = static_cast<I>(i - begin);
    for (int j = 0; j < width; ++j) {
      bool take = better<kMax>(x[j], best[j]);
      if constexpr (kIsFloat<T>) take = take | ((x[j] != x[j]) & (best[j] == best[j]));
      best[j] = take ? x[j] : best[j];
      at[j] = take ? here : at[j];
    }
  }
  for (int j = 0; j < width; ++j) {
    if (at[j] >= 0) places[j] = begin + at[j];
  }
}

template <bool kMax, class T, class Row>
void columns(const ArgColumns& w) {
  using I = typename IndexOf<T>::type;
  constexpr int64_t kRows = int64_t{1} << 30;  // that an index of 32 bits counts
  for (int64_t c = 0; c < w.width; c += kColumns) {
    T best[kColumns];
    int64_t* const places = w.places + c;
    const int64_t width = w.width - c < kColumns ? w.width - c : kColumns;
    for (int64_t j = 0; j < width; ++j) places[j] = 0;
    for (int64_t i = 0; i < w.n; i += kRows) {
      best_of_columns<kMax, T, I, Row>(w, i, w.n - i < kRows ? w.n : i + kRows, best, places, c);
    }
  }
}

// ---- float16: as integers of the same order, NaN beyond the infinities --------------------------

template <bool kMax>
void half_keys(const int16_t* x, int64_t n, int16_t* keys) {
  for (int64_t i = 0; i < n; ++i) {
    const int16_t h = x[i];
    const int16_t folded = static_cast<int16_t>(h ^ ((h >> 15) & 0x7fff));
    const int16_t key = folded == -1 ? int16_t{0} : folded;  // -0 is 0
    keys[i] = (h & 0x7fff) > 0x7c00 ? (kMax ? INT16_MAX : INT16_MIN) : key;
  }
}

template <bool kMax>
struct HalfRow {
  static const int16_t* row(const char* p, int64_t width, int16_t* memory) {
    half_keys<kMax>(reinterpret_cast<const int16_t*>(p), width, memory);
    return memory;
  }
};

template <bool kMax>
void best_of_halves(const int16_t* x, int64_t n, int64_t first, ArgBest* best) {
  int16_t keys[kBlock];
  for (int64_t i = 0; i < n; i += kBlock) {
    const int64_t m = n - i < kBlock ? n - i : kBlock;
    half_keys<kMax>(x + i, m, keys);
    best_of<kMax, int16_t>(keys, m, first + i, best);
  }
}

template <class T>
struct Tag {
  using type = T;
};

// f(tag of the C++ type); float16 is left to the caller.
template <class F>
void with_type(DType dtype, F f) {
  switch (dtype) {
    case DType::b8:
    case DType::u8:
      return f(Tag<uint8_t>{});
    case DType::i8:
      return f(Tag<int8_t>{});
    case DType::i16:
    case DType::f16:
      return f(Tag<int16_t>{});
    case DType::u16:
      return f(Tag<uint16_t>{});
    case DType::i32:
      return f(Tag<int32_t>{});
    case DType::u32:
      return f(Tag<uint32_t>{});
    case DType::i64:
      return f(Tag<int64_t>{});
    case DType::u64:
      return f(Tag<uint64_t>{});
    case DType::f32:
      return f(Tag<float>{});
    case DType::f64:
      return f(Tag<double>{});
    default:
      return;
  }
}

}  // namespace

void arg_best(DType dtype, bool is_max, const void* x, int64_t n, int64_t first, ArgBest* best) {
  if (dtype == DType::f16) {
    const auto* const h = static_cast<const int16_t*>(x);
    return is_max ? best_of_halves<true>(h, n, first, best)
                  : best_of_halves<false>(h, n, first, best);
  }
  with_type(dtype, [=](auto tag) {
    using T = typename decltype(tag)::type;
    const T* const p = static_cast<const T*>(x);
    is_max ? best_of<true>(p, n, first, best) : best_of<false>(p, n, first, best);
  });
}

void arg_rows(DType dtype, bool is_max, const void* x, int64_t n, int64_t rows, int64_t* places) {
  if (dtype == DType::f16) {
    const auto* h = static_cast<const int16_t*>(x);
    for (int64_t r = 0; r < rows; ++r, h += n) {
      ArgBest best;
      arg_best(dtype, is_max, h, n, 0, &best);
      places[r] = best.at;
    }
    return;
  }
  with_type(dtype, [=](auto tag) {
    using T = typename decltype(tag)::type;
    const T* const p = static_cast<const T*>(x);
    is_max ? best_of_rows<true>(p, n, rows, places) : best_of_rows<false>(p, n, rows, places);
  });
}

void arg_join(DType dtype, bool is_max, const ArgBest& later, ArgBest* best) {
  with_type(dtype, [&, is_max](auto tag) {
    using T = typename decltype(tag)::type;
    is_max ? join_best<true, T>(later, best) : join_best<false, T>(later, best);
  });
}

void arg_columns(const ArgColumns& w) {
  if (w.dtype == DType::f16) {
    return w.is_max ? columns<true, int16_t, HalfRow<true>>(w)
                    : columns<false, int16_t, HalfRow<false>>(w);
  }
  with_type(w.dtype, [&w](auto tag) {
    using T = typename decltype(tag)::type;
    w.is_max ? columns<true, T, CopyRow<T>>(w) : columns<false, T, CopyRow<T>>(w);
  });
}

}  // namespace phintys::PHINTYS_ISA
