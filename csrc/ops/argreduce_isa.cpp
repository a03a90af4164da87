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

template <class T>
struct VectorOf {
  using type = void;
};
template <>
struct VectorOf<float> {
  using type = VF32;
};
template <>
struct VectorOf<double> {
  using type = VF64;
};
template <>
struct VectorOf<int32_t> {
  using type = VI32;
};
template <>
struct VectorOf<int64_t> {
  using type = VI64;
};
template <class T>
inline constexpr bool kHasVector = !__is_same(typename VectorOf<T>::type, void);

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

template <int kMask, class V, int... kIndex>
PHINTYS_INLINE V xor_lanes(V x, LaneList<kIndex...>) {
  return V{__builtin_shufflevector(x.v, x.v, (kIndex ^ kMask)...)};
}

template <bool kMax, class V>
PHINTYS_INLINE V best_lanes(V a, V b) {
  return kMax ? max(a, b) : min(a, b);
}

template <bool kMax, int kBy, class V>
PHINTYS_INLINE elem_of<V> best_lane(V x) {
  if constexpr (kBy < V::lanes) {
    using Lanes = typename LaneRange<V::lanes>::type;
    return best_lane<kMax, 2 * kBy>(best_lanes<kMax>(x, xor_lanes<kBy>(x, Lanes{})));
  } else {
    return get_lane(x, 0);
  }
}

// n >= one vector. The last step overlaps the one before.
template <bool kMax, class V>
PHINTYS_INLINE elem_of<V> vector_block(const elem_of<V>* x, int64_t n, bool* nan) {
  constexpr bool kNaN = kIsFloat<elem_of<V>>;
  constexpr int64_t kUnroll = 4, kStep = kUnroll * V::lanes;
  V top = V::load(x);
  mask_of<V> odd = top != top;
  if (n >= kStep) {
    V tops[kUnroll];
    for (int k = 0; k < kUnroll; ++k) tops[k] = top;
    for (int64_t i = 0; i < n; i += kStep) {
      const int64_t at = i + kStep <= n ? i : n - kStep;
      for (int k = 0; k < kUnroll; ++k) {
        const V v = V::load(x + at + k * V::lanes);
        if constexpr (kNaN) odd = odd | isnan(v);
        tops[k] = best_lanes<kMax>(v, tops[k]);
      }
    }
    top = best_lanes<kMax>(best_lanes<kMax>(tops[0], tops[1]), best_lanes<kMax>(tops[2], tops[3]));
  } else {
    for (int64_t i = V::lanes; i < n; i += V::lanes) {
      const V v = V::load(x + (i + V::lanes <= n ? i : n - V::lanes));
      if constexpr (kNaN) odd = odd | isnan(v);
      top = best_lanes<kMax>(v, top);
    }
  }
  if constexpr (kNaN) *nan = any(odd);
  return best_lane<kMax, 1>(top);
}

template <bool kMax, class T>
PHINTYS_INLINE T block_best(const T* x, int64_t n, bool* nan) {
  if constexpr (kHasVector<T>) {
    using V = typename VectorOf<T>::type;
    if (n >= V::lanes) return vector_block<kMax, V>(x, n, nan);
  }
  T best = x[0];
  bool found = best != best;
  for (int64_t i = 1; i < n; ++i) {
    if constexpr (kIsFloat<T>) found |= x[i] != x[i];
    best = better<kMax>(x[i], best) ? x[i] : best;
  }
  *nan = found;
  return best;
}

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
PHINTYS_INLINE int64_t find_equal(const T* x, int64_t n, T value) {
  constexpr int64_t kStep = 64;
  int64_t i = 0;
  if constexpr (kHasVector<T>) {
    using V = typename VectorOf<T>::type;
    const V all = V::broadcast(value);
    for (; i + 4 * V::lanes <= n; i += 4 * V::lanes) {
      const T* p = x + i;
      if (any(((V::load(p) == all) | (V::load(p + V::lanes) == all)) |
              ((V::load(p + 2 * V::lanes) == all) | (V::load(p + 3 * V::lanes) == all)))) {
        break;
      }
    }
    for (; i + V::lanes <= n; i += V::lanes) {
      if (any(V::load(x + i) == all)) break;
    }
    while (!(x[i] == value)) ++i;
    return i;
  }
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
    const T here = block_best<kMax>(x + i, m, &nan);
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
PHINTYS_INLINE int64_t best_of_short_row(const T* x, int64_t n) {
  T top = x[0];
  int64_t at = 0;
  bool nan = top != top;
  for (int64_t i = 1; i < n; ++i) {
    const bool take = better<kMax>(x[i], top);
    if constexpr (kIsFloat<T>) nan |= x[i] != x[i];
    top = take ? x[i] : top;
    at = take ? i : at;
  }
  if (nan) {
    at = 0;
    while (x[at] == x[at]) ++at;
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
