#include "ops/sort/scan_isa.h"

#include "kernels/simd/vec.h"

namespace phintys::PHINTYS_ISA {
namespace {

template <class T>
struct Pair {
  T re, im;
};

template <class T>
inline constexpr bool kIsFloat = __is_same(T, float) || __is_same(T, double);

// Of the types that have vectors.
template <class T>
inline constexpr T kGreatest = 0;
template <>
inline constexpr float kGreatest<float> = __builtin_inff();
template <>
inline constexpr double kGreatest<double> = __builtin_inf();
template <>
inline constexpr int32_t kGreatest<int32_t> = INT32_MAX;
template <>
inline constexpr int64_t kGreatest<int64_t> = INT64_MAX;

struct Sum {
  template <class T>
    requires(!requires { T::is_number; })
  static PHINTYS_INLINE T join(T a, T b) {
    if constexpr (kIsFloat<T>) {
      return a + b;
    } else {
      return static_cast<T>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
    }
  }
  template <class T>
  static PHINTYS_INLINE Pair<T> join(Pair<T> a, Pair<T> b) {
    return {a.re + b.re, a.im + b.im};
  }
  template <Number V>
  static PHINTYS_INLINE V join(V a, V b) {
    return a + b;
  }
  template <class T>
  static constexpr T neutral = static_cast<T>(-0.0);
};
struct Prod {
  template <class T>
    requires(!requires { T::is_number; })
  static PHINTYS_INLINE T join(T a, T b) {
    if constexpr (kIsFloat<T>) {
      return a * b;
    } else {
      return static_cast<T>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
    }
  }
  template <class T>
  static PHINTYS_INLINE Pair<T> join(Pair<T> a, Pair<T> b) {
    return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
  }
  template <Number V>
  static PHINTYS_INLINE V join(V a, V b) {
    return a * b;
  }
  template <class T>
  static constexpr T neutral = 1;
};
// NaN, once met, stays.
struct Max {
  template <class T>
    requires(!requires { T::is_number; })
  static PHINTYS_INLINE T join(T a, T b) {
    return (a >= b) | (a != a) ? a : b;
  }
  template <class T>
  static PHINTYS_INLINE Pair<T> join(Pair<T> a, Pair<T>) {
    return a;
  }
  template <Number V>
  static PHINTYS_INLINE V join(V a, V b) {
    return select((a >= b) | (a != a), a, b);
  }
  template <class T>
  static constexpr T neutral = kIsFloat<T> ? -kGreatest<T> : -kGreatest<T> - 1;
};
struct Min {
  template <class T>
    requires(!requires { T::is_number; })
  static PHINTYS_INLINE T join(T a, T b) {
    return (a <= b) | (a != a) ? a : b;
  }
  template <class T>
  static PHINTYS_INLINE Pair<T> join(Pair<T> a, Pair<T>) {
    return a;
  }
  template <Number V>
  static PHINTYS_INLINE V join(V a, V b) {
    return select((a <= b) | (a != a), a, b);
  }
  template <class T>
  static constexpr T neutral = kGreatest<T>;
};

template <class T>
struct NoVector {};
template <class T>
struct VectorOf {
  using type = NoVector<T>;
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

// Lanes moved up by kBy (down, if kReverse); the free ones get those of `fill`.
template <int kBy, bool kReverse, class V, int... kIndex>
PHINTYS_INLINE V shift_lanes(V x, V fill, LaneList<kIndex...>) {
  constexpr int n = V::lanes;
  if constexpr (kReverse) {
    return V{__builtin_shufflevector(x.v, fill.v, (kIndex + kBy)...)};
  } else {
    return V{__builtin_shufflevector(fill.v, x.v, (kIndex + n - kBy)...)};
  }
}
template <int kLane, class V, int... kIndex>
PHINTYS_INLINE V spread_lane(V x, LaneList<kIndex...>) {
  return V{__builtin_shufflevector(x.v, x.v, (kIndex - kIndex + kLane)...)};
}

template <class R, bool kReverse, int kBy, class V>
PHINTYS_INLINE V scan_lanes(V x, V neutral) {
  if constexpr (kBy < V::lanes) {
    using Lanes = typename LaneRange<V::lanes>::type;
    const V y = R::join(shift_lanes<kBy, kReverse>(x, neutral, Lanes{}), x);
    return scan_lanes<R, kReverse, 2 * kBy>(y, neutral);
  } else {
    return x;
  }
}

template <class R, bool kReverse, bool kBase, class V>
void scan_vectors(const ScanRow& w) {
  using T = elem_of<V>;
  using Lanes = typename LaneRange<V::lanes>::type;
  const T* const x = static_cast<const T*>(w.x);
  T* const y = static_cast<T*>(w.y);
  const V neutral = V::broadcast(R::template neutral<T>);
  const V base = kBase ? V::broadcast(*static_cast<const T*>(w.base)) : neutral;
  V carry = neutral;
  auto step = [&](V v) {
    const V local = scan_lanes<R, kReverse, 1>(v, neutral);
    V out = R::join(carry, local);
    carry = R::join(carry, spread_lane<kReverse ? 0 : V::lanes - 1>(local, Lanes{}));
    if constexpr (kBase) out = R::join(base, out);
    return out;
  };
  const int64_t whole = w.n / V::lanes * V::lanes;
  const int64_t rest = w.n - whole;
  for (int64_t i = 0; i < whole; i += V::lanes) {
    const int64_t at = kReverse ? w.n - i - V::lanes : i;
    const V out = step(V::load(x + at));
    if (y) out.store(y + at);
  }
  if (rest > 0) {
    T part[V::lanes];
    const int64_t skip = kReverse ? V::lanes - rest : 0;
    const int64_t from = kReverse ? 0 : whole;
    neutral.store(part);
    for (int64_t i = 0; i < rest; ++i) part[skip + i] = x[from + i];
    const V out = step(V::load(part));
    out.store(part);
    if (y) {
      for (int64_t i = 0; i < rest; ++i) y[from + i] = part[skip + i];
    }
  }
  if (w.total) *static_cast<T*>(w.total) = get_lane(carry, 0);
}

template <class R, class T>
void scan_plain(const ScanRow& w) {
  const T* const x = static_cast<const T*>(w.x);
  T* const y = static_cast<T*>(w.y);
  const int64_t step = w.reverse ? -1 : 1;
  int64_t at = w.reverse ? w.n - 1 : 0;
  T carry = x[at];
  for (int64_t i = 0;;) {
    if (y) y[at] = w.base ? R::join(*static_cast<const T*>(w.base), carry) : carry;
    if (++i == w.n) break;
    at += step;
    carry = R::join(carry, x[at]);
  }
  if (w.total) *static_cast<T*>(w.total) = carry;
}

template <class R, class T>
void scan_columns_of(const ScanColumns& w) {
  const int64_t step = w.reverse ? -w.stride : w.stride;
  const char* from = w.reverse ? w.x + (w.n - 1) * w.stride : w.x;
  char* to = w.reverse ? w.y + (w.n - 1) * w.stride : w.y;
  if (from != to) __builtin_memcpy(to, from, sizeof(T) * static_cast<size_t>(w.width));
  for (int64_t i = 1; i < w.n; ++i) {
    const T* const last = reinterpret_cast<const T*>(to);
    from += step;
    to += step;
    const T* const x = reinterpret_cast<const T*>(from);
    T* const y = reinterpret_cast<T*>(to);
#pragma GCC ivdep
    for (int64_t j = 0; j < w.width; ++j) y[j] = R::join(last[j], x[j]);
  }
}

template <class T>
struct Tag {
  using type = T;
};

template <class F>
void with_kind(ScanKind kind, F f) {
  switch (kind) {
    case ScanKind::sum:
      return f(Tag<Sum>{});
    case ScanKind::prod:
      return f(Tag<Prod>{});
    case ScanKind::max:
      return f(Tag<Max>{});
    case ScanKind::min:
      return f(Tag<Min>{});
  }
}

// Unsigned sums and products are those of signed integers.
template <class F>
void with_type(DType dtype, ScanKind kind, F f) {
  const bool wraps = kind == ScanKind::sum || kind == ScanKind::prod;
  switch (dtype) {
    case DType::i8:
      return f(Tag<int8_t>{});
    case DType::i16:
      return f(Tag<int16_t>{});
    case DType::i32:
      return f(Tag<int32_t>{});
    case DType::i64:
      return f(Tag<int64_t>{});
    case DType::u8:
      return wraps ? f(Tag<int8_t>{}) : f(Tag<uint8_t>{});
    case DType::u16:
      return wraps ? f(Tag<int16_t>{}) : f(Tag<uint16_t>{});
    case DType::u32:
      return wraps ? f(Tag<int32_t>{}) : f(Tag<uint32_t>{});
    case DType::u64:
      return wraps ? f(Tag<int64_t>{}) : f(Tag<uint64_t>{});
    case DType::f32:
      return f(Tag<float>{});
    case DType::f64:
      return f(Tag<double>{});
    case DType::c64:
      return f(Tag<Pair<float>>{});
    case DType::c128:
      return f(Tag<Pair<double>>{});
    default:
      return;
  }
}

template <class T>
inline constexpr bool kHasVector = !__is_same(typename VectorOf<T>::type, NoVector<T>);

template <class R, class T>
PHINTYS_INLINE void scan_one(const ScanRow& w) {
  if constexpr (kHasVector<T>) {
    using V = typename VectorOf<T>::type;
    if (w.n >= 2 * V::lanes) {
      if (w.reverse) {
        w.base ? scan_vectors<R, true, true, V>(w) : scan_vectors<R, true, false, V>(w);
      } else {
        w.base ? scan_vectors<R, false, true, V>(w) : scan_vectors<R, false, false, V>(w);
      }
      return;
    }
  }
  scan_plain<R, T>(w);
}

}  // namespace

void scan_rows(const ScanRow& w) {
  with_kind(w.kind, [&w](auto kind) {
    using R = typename decltype(kind)::type;
    with_type(w.dtype, w.kind, [&w](auto tag) {
      using T = typename decltype(tag)::type;
      ScanRow row = w;
      for (int64_t r = 0; r < w.rows; ++r) {
        scan_one<R, T>(row);
        row.x = static_cast<const T*>(row.x) + w.n;
        if (row.y) row.y = static_cast<T*>(row.y) + w.n;
      }
    });
  });
}

void scan_columns(const ScanColumns& w) {
  with_kind(w.kind, [&w](auto kind) {
    using R = typename decltype(kind)::type;
    with_type(w.dtype, w.kind,
              [&w](auto tag) { scan_columns_of<R, typename decltype(tag)::type>(w); });
  });
}

void scan_join(DType dtype, ScanKind kind_of, const void* a, const void* b, void* to) {
  with_kind(kind_of, [=](auto kind) {
    using R = typename decltype(kind)::type;
    with_type(dtype, kind_of, [=](auto tag) {
      using T = typename decltype(tag)::type;
      *static_cast<T*>(to) = R::join(*static_cast<const T*>(a), *static_cast<const T*>(b));
    });
  });
}

}  // namespace phintys::PHINTYS_ISA
