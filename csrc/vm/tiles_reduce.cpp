// Reductions of contiguous rows, for one instruction set.
#include "vm/tiles_kernels.h"

PHINTYS_DECLARE_TILE_PARTS(PHINTYS_ISA)

namespace phintys::vm::PHINTYS_ISA {
namespace {

// `neutral` leaves every x as it is, bit for bit: -0 for sums (0 would turn -0 into 0).
struct Sum {
  static constexpr bool kSum = true;
  template <class T>
  static constexpr T neutral = static_cast<T>(-0.0);
  template <class V>
  static PHINTYS_INLINE V combine(V a, V b) {
    return a + b;
  }
};
struct Prod {
  static constexpr bool kSum = false;
  template <class T>
  static constexpr T neutral = 1;
  template <class V>
  static PHINTYS_INLINE V combine(V a, V b) {
    return a * b;
  }
};
struct Max {
  static constexpr bool kSum = false;
  template <class T>
  static constexpr T neutral = static_cast<T>(-__builtin_inf());
  template <class V>
  static PHINTYS_INLINE V combine(V a, V b) {
    return ops::maximum_of(a, b);
  }
};
struct Min {
  static constexpr bool kSum = false;
  template <class T>
  static constexpr T neutral = static_cast<T>(__builtin_inf());
  template <class V>
  static PHINTYS_INLINE V combine(V a, V b) {
    return ops::minimum_of(a, b);
  }
};

// ---- Floating point -----------------------------------------------------------------------------

template <int kBy, class V, int... kIndex>
PHINTYS_INLINE V rotate(V x, Indices<kIndex...>) {
  return V{__builtin_shufflevector(x.v, x.v, ((kIndex + kBy) % V::lanes)...)};
}

template <int kBy, class V, int... kIndex>
PHINTYS_INLINE Complex<V> rotate(Complex<V> x, Indices<kIndex...> indices) {
  return {rotate<kBy>(x.re, indices), rotate<kBy>(x.im, indices)};
}

// Lane 0 joined with lane lanes/2 and so on down to neighbours.
template <class R, int kBy, class V>
PHINTYS_INLINE V join_lanes(V x) {
  if constexpr (kBy == 0) {
    return x;
  } else {
    const V y = R::combine(x, rotate<kBy>(x, typename MakeIndices<V::lanes>::type{}));
    return join_lanes<R, kBy / 2>(y);
  }
}

template <class V>
using Value = typename Row<V>::Value;

template <class R, class V>
PHINTYS_INLINE Value<V> fold_vector(V x) {
  return Row<V>::first(join_lanes<R, V::lanes / 2>(x));
}

constexpr int kAccumulators = 8;
constexpr int kSteps = 16;

template <class R, class V>
PHINTYS_INLINE V join_accumulators(const V (&a)[kAccumulators]) {
  return R::combine(R::combine(R::combine(a[0], a[1]), R::combine(a[2], a[3])),
                    R::combine(R::combine(a[4], a[5]), R::combine(a[6], a[7])));
}

// Of complex numbers: without an imaginary part, but a sum's must keep -0 there too.
template <class R, class V>
PHINTYS_INLINE V neutral_vector() {
  const V x = V::broadcast(R::template neutral<typename V::elem>);
  if constexpr (math::is_complex<V>) {
    if (R::kSum) return {x.re, x.re};
  }
  return x;
}

// The vectors that are folded: of a row of n elements.
template <class V>
struct FoldRow {
  using T = typename V::elem;
  const T* row;
  int64_t n;
  V neutral;

  PHINTYS_INLINE V at(int64_t i) const { return Row<V>::load(row + Row<V>::width * i); }
  PHINTYS_INLINE V part(int64_t i) const {
    return Row<V>::load_part(row + Row<V>::width * i, static_cast<int>(n - i), neutral);
  }
};

// The same of the products of two rows.
template <class V>
struct FoldProducts {
  using T = typename V::elem;
  const T *a, *b;
  int64_t n;
  V neutral;

  PHINTYS_INLINE V at(int64_t i) const { return V::load(a + i) * V::load(b + i); }
  PHINTYS_INLINE V part(int64_t i) const {
    const int r = static_cast<int>(n - i);
    return load_part(a + i, r, neutral) * load_part(b + i, r, V::broadcast(1));
  }
};

// The elements from *i on, kAccumulators * kSteps vectors of them. Each accumulator of a sum takes
// kSteps vectors that follow each other, by one load: of eight loads that each step over eight
// vectors, processors do not foresee the stream that they are together. What else is folded has
// longer steps, and accumulators that take turns.
template <class R, class V, class Source>
PHINTYS_INLINE void fold_block(const Source& x, int64_t* i, V (&a)[kAccumulators]) {
  constexpr int kLanes = V::lanes;
  if constexpr (!R::kSum) {
    for (int k = 0; k < kAccumulators; ++k, *i += kLanes) a[k] = x.at(*i);
    for (int step = 1; step < kSteps; ++step) {
      for (int k = 0; k < kAccumulators; ++k, *i += kLanes) a[k] = R::combine(a[k], x.at(*i));
    }
  } else {
    for (int k = 0; k < kAccumulators; ++k) {
      a[k] = x.at(*i);
      *i += kLanes;
#pragma GCC unroll 1
      for (int step = 1; step < kSteps; ++step, *i += kLanes) a[k] = R::combine(a[k], x.at(*i));
    }
  }
}

// The elements from i to the end, which are less than a block.
template <class R, class V, class Source>
PHINTYS_INLINE V fold_rest(const Source& x, int64_t i) {
  constexpr int kLanes = V::lanes;
  V a[kAccumulators];
  for (int k = 0; k < kAccumulators; ++k) a[k] = x.neutral;
  while (i + kAccumulators * kLanes <= x.n) {
    for (int k = 0; k < kAccumulators; ++k, i += kLanes) a[k] = R::combine(a[k], x.at(i));
  }
  for (; i + kLanes <= x.n; i += kLanes) a[0] = R::combine(a[0], x.at(i));
  if (i < x.n) a[1] = R::combine(a[1], x.part(i));
  return join_accumulators<R>(a);
}

// Blocks of kAccumulators * kSteps vectors; their results are joined pairwise, as a binary counter
// carries, so that the rounding error grows with the logarithm of n.
template <class R, class V, class Source>
PHINTYS_INLINE Value<V> fold_source(const Source& x) {
  const int64_t n = x.n;
  // One infinite complex number must not be multiplied by 1 + 0i.
  if (math::is_complex<V> && n == 1) return Row<V>::first(x.part(0));
  if (n < V::lanes) return fold_vector<R>(x.part(0));

  V levels[48];
  uint64_t n_blocks = 0;
  int64_t i = 0;
  for (; i + int64_t{kAccumulators} * kSteps * V::lanes <= n; ++n_blocks) {
    V a[kAccumulators];
    fold_block<R>(x, &i, a);
    V block = join_accumulators<R>(a);
    int level = 0;
    for (uint64_t c = n_blocks; c & 1; c >>= 1) block = R::combine(levels[level++], block);
    levels[level] = block;
  }
  V total = fold_rest<R, V>(x, i);
  int level = 0;
  for (uint64_t c = n_blocks; c != 0; c >>= 1, ++level) {
    if (c & 1) total = R::combine(levels[level], total);
  }
  return fold_vector<R>(total);
}

template <class R, class V>
Value<V> fold_row(const typename V::elem* row, int64_t n) {
  return fold_source<R, V>(FoldRow<V>{row, n, neutral_vector<R, V>()});
}

template <class R, class V>
void fold_products(void* out, const void* a, const void* b, const void*, int64_t n) {
  using T = typename V::elem;
  const FoldProducts<V> x{static_cast<const T*>(a), static_cast<const T*>(b), n,
                          neutral_vector<R, V>()};
  *static_cast<Value<V>*>(out) = fold_source<R, V>(x);
}

template <class R, class V>
void fold_float(void* out, const void* row, int64_t n) {
  using T = typename V::elem;
  *static_cast<Value<V>*>(out) = fold_row<R, V>(static_cast<const T*>(row), n);
}

template <class R, class V>
void fold_complex_rows(void* out, const void* rows, int64_t n_rows, int64_t len) {
  using T = typename V::elem;
  for (int64_t r = 0; r < n_rows; ++r) {
    static_cast<Value<V>*>(out)[r] = fold_row<R, V>(static_cast<const T*>(rows) + 2 * r * len, len);
  }
}

// Rows of kLen <= lanes values, one row per lane: the same tree as fold_vector's over the columns.
// Columns beyond the row are neutral, so joining with them is left out.
template <class R, class V, int kLen>
PHINTYS_INLINE V fold_columns(const typename V::elem* rows) {
  V column[kLen];
  for (int j = 0; j < kLen; ++j) {
    typename V::elem values[V::lanes];
    for (int r = 0; r < V::lanes; ++r) values[r] = rows[r * kLen + j];
    column[j] = V::load(values);
  }
  constexpr int kHalf = kLen > 8 ? 8 : kLen > 4 ? 4 : kLen > 2 ? 2 : kLen > 1 ? 1 : 0;
  for (int half = kHalf; half > 0; half /= 2) {
    for (int j = 0; j < half && j + half < kLen; ++j) {
      column[j] = R::combine(column[j], column[j + half]);
    }
  }
  return column[0];
}

template <class R, class V, int kLen>
PHINTYS_INLINE int64_t fold_short_rows(typename V::elem* out, const typename V::elem* rows,
                                       int64_t n_rows) {
  int64_t r = 0;
  if constexpr (kLen < V::lanes) {
    for (; r + V::lanes <= n_rows; r += V::lanes) {
      fold_columns<R, V, kLen>(rows + r * kLen).store(out + r);
    }
  }
  return r;
}

template <class R, class V>
void fold_float_rows(void* out, const void* rows, int64_t n_rows, int64_t len) {
  using T = typename V::elem;
  T* const o = static_cast<T*>(out);
  const T* const x = static_cast<const T*>(rows);
  int64_t r = 0;
  switch (len) {
    case 1:
      r = fold_short_rows<R, V, 1>(o, x, n_rows);
      break;
    case 2:
      r = fold_short_rows<R, V, 2>(o, x, n_rows);
      break;
    case 3:
      r = fold_short_rows<R, V, 3>(o, x, n_rows);
      break;
    case 4:
      r = fold_short_rows<R, V, 4>(o, x, n_rows);
      break;
    case 5:
      r = fold_short_rows<R, V, 5>(o, x, n_rows);
      break;
    case 6:
      r = fold_short_rows<R, V, 6>(o, x, n_rows);
      break;
    case 7:
      r = fold_short_rows<R, V, 7>(o, x, n_rows);
      break;
    default:
      break;
  }
  for (; r < n_rows; ++r) o[r] = fold_row<R, V>(x + r * len, len).v;
}

// float16: in float32, rounded once at the end.
template <class R>
void fold_half(void* out, const void* row, int64_t n) {
  constexpr int kChunk = 1024;
  float values[kChunk];
  float total = R::template neutral<float>;
  for (int64_t i = 0; i < n; i += kChunk) {
    const int64_t m = n - i < kChunk ? n - i : kChunk;
    halves_to_singles(values, static_cast<const uint16_t*>(row) + i, m);
    const SF32 part{fold_row<R, VF32>(values, m).v};
    total = R::combine(SF32{total}, part).v;
  }
  *static_cast<uint16_t*>(out) = single_to_half(total);
}

template <class R>
void fold_half_rows(void* out, const void* rows, int64_t n_rows, int64_t len) {
  for (int64_t r = 0; r < n_rows; ++r) {
    fold_half<R>(static_cast<uint16_t*>(out) + r, static_cast<const uint16_t*>(rows) + r * len,
                 len);
  }
}

// ---- Integers and bool: the order does not matter, the compiler vectorises ----------------------

template <class R, class V>
PHINTYS_INLINE typename V::elem fold_int_row(const typename V::elem* row, int64_t n) {
  V total{row[0]};
  for (int64_t i = 1; i < n; ++i) total = R::combine(total, V{row[i]});
  return total.v;
}

template <class R, class V>
void fold_int(void* out, const void* row, int64_t n) {
  using T = typename V::elem;
  *static_cast<T*>(out) = fold_int_row<R, V>(static_cast<const T*>(row), n);
}

template <class R, class V>
void fold_int_rows(void* out, const void* rows, int64_t n_rows, int64_t len) {
  using T = typename V::elem;
  for (int64_t r = 0; r < n_rows; ++r) {
    static_cast<T*>(out)[r] = fold_int_row<R, V>(static_cast<const T*>(rows) + r * len, len);
  }
}

// ---- Filling tables -----------------------------------------------------------------------------

template <class R>
void fill_floats(KernelTables* t, ReduceKind kind) {
  ReduceKernels* const k = t->reduce[static_cast<int>(kind)];
  k[static_cast<int>(DType::f16)] = {fold_half<R>, fold_half_rows<R>};
  k[static_cast<int>(DType::f32)] = {fold_float<R, VF32>, fold_float_rows<R, VF32>};
  k[static_cast<int>(DType::f64)] = {fold_float<R, VF64>, fold_float_rows<R, VF64>};
  if constexpr (R::kSum) {
    k[static_cast<int>(DType::f32)].fold_products = fold_products<R, VF32>;
    k[static_cast<int>(DType::f64)].fold_products = fold_products<R, VF64>;
  }
}

template <class R>
void fill_complex_sums(KernelTables* t, ReduceKind kind) {
  using C64 = Complex<VF32>;
  using C128 = Complex<VF64>;
  ReduceKernels* const k = t->reduce[static_cast<int>(kind)];
  k[static_cast<int>(DType::c64)] = {fold_float<R, C64>, fold_complex_rows<R, C64>};
  k[static_cast<int>(DType::c128)] = {fold_float<R, C128>, fold_complex_rows<R, C128>};
}

template <class R, class V>
void fill_one(KernelTables* t, ReduceKind kind, DType d) {
  t->reduce[static_cast<int>(kind)][static_cast<int>(d)] = {fold_int<R, V>, fold_int_rows<R, V>};
}

template <class R>
void fill_numbers(KernelTables* t, ReduceKind kind) {
  fill_floats<R>(t, kind);
  fill_one<R, IntV<int8_t>>(t, kind, DType::i8);
  fill_one<R, IntV<int16_t>>(t, kind, DType::i16);
  fill_one<R, IntV<int32_t>>(t, kind, DType::i32);
  fill_one<R, IntV<int64_t>>(t, kind, DType::i64);
  fill_one<R, IntV<uint8_t>>(t, kind, DType::u8);
  fill_one<R, IntV<uint16_t>>(t, kind, DType::u16);
  fill_one<R, IntV<uint32_t>>(t, kind, DType::u32);
  fill_one<R, IntV<uint64_t>>(t, kind, DType::u64);
}

}  // namespace

void fill_reduce(KernelTables* tables) {
  fill_numbers<Sum>(tables, ReduceKind::sum);
  fill_numbers<Prod>(tables, ReduceKind::prod);
  fill_complex_sums<Sum>(tables, ReduceKind::sum);
  fill_complex_sums<Prod>(tables, ReduceKind::prod);
  fill_numbers<Max>(tables, ReduceKind::max);
  fill_numbers<Min>(tables, ReduceKind::min);
  // On bool, + is or and * is and.
  fill_one<Sum, BoolV>(tables, ReduceKind::max, DType::b8);
  fill_one<Prod, BoolV>(tables, ReduceKind::min, DType::b8);
  fill_one<Sum, BoolV>(tables, ReduceKind::any, DType::b8);
  fill_one<Prod, BoolV>(tables, ReduceKind::all, DType::b8);
}

}  // namespace phintys::vm::PHINTYS_ISA
