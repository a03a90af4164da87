// From op bodies to tile kernels: the loops, and their entries in the tables.
//
// Everything here is in an anonymous namespace: each file compiled per instruction set keeps its
// instantiations to itself, so that the linker can never prefer another file's copy of them.
#pragma once

#include "ops/elementwise/registry.h"
#include "vm/tiles_convert.h"
#include "vm/tiles_memory.h"
#include "vm/tiles_tables.h"

namespace phintys::vm::PHINTYS_ISA {
namespace {

using namespace phintys::PHINTYS_ISA;  // NOLINT: value types of this instruction set
using ops::OpList;

template <class Op>
constexpr bool kMaskResult =
    Op::info.rule == DTypeRule::compare || Op::info.rule == DTypeRule::predicate;
template <class Op>
constexpr bool kIntResult = Op::info.rule == DTypeRule::to_int64;
template <class Op, int kOperand>
constexpr bool kMaskOperand = Op::info.rule == DTypeRule::select && kOperand == 0;

// ---- Operands and results -----------------------------------------------------------------------

template <class V, bool kScalar>
struct ValueRow {
  using value = V;
  const typename V::elem* p;
  V all;

  explicit PHINTYS_INLINE ValueRow(const void* q) : p(static_cast<const typename V::elem*>(q)) {
    if constexpr (kScalar) all = Row<V>::load_one(p);
  }
  PHINTYS_INLINE V at(int64_t i) const {
    if constexpr (kScalar) {
      return all;
    } else {
      return Row<V>::load(p + Row<V>::width * i);
    }
  }
  // Ones beyond the end keep bodies off their rare paths: no zero divisor, no log(0).
  PHINTYS_INLINE V part(int64_t i, int r) const {
    if constexpr (kScalar) {
      return all;
    } else {
      return Row<V>::load_part(p + Row<V>::width * i, r, V::broadcast(1));
    }
  }
};

// VF32 and the like have load(); plain values are read directly.
template <class V, bool kScalar>
struct PlainRow {
  using value = V;
  const typename V::elem* p;
  V all;

  explicit PHINTYS_INLINE PlainRow(const void* q)
      : p(static_cast<const typename V::elem*>(q)), all{*p} {}
  PHINTYS_INLINE V at(int64_t i) const { return kScalar ? all : V{p[i]}; }
};

template <class M, bool kScalar>
struct MaskRow {
  using value = M;
  const uint8_t* p;
  M all;

  explicit PHINTYS_INLINE MaskRow(const void* q) : p(static_cast<const uint8_t*>(q)) {
    if constexpr (kScalar) all = splat_mask<M>(*p != 0);
  }
  PHINTYS_INLINE M at(int64_t i) const {
    if constexpr (kScalar) {
      return all;
    } else {
      return load_mask<M>(p + i);
    }
  }
  PHINTYS_INLINE M part(int64_t i, int r) const {
    if constexpr (kScalar) {
      return all;
    } else {
      return load_mask_part<M>(p + i, r);
    }
  }
};

template <bool kUseFirst, class A, class B>
struct Either {
  using type = A;
};
template <class A, class B>
struct Either<false, A, B> {
  using type = B;
};

template <class Op, class V, int kOperand, int kMask>
using FloatRow =
    typename Either<kMaskOperand<Op, kOperand>, MaskRow<typename V::mask, (kMask >> kOperand) & 1>,
                    ValueRow<V, (kMask >> kOperand) & 1>>::type;
template <class Op, class V, int kOperand, int kMask>
using IntRow = typename Either<kMaskOperand<Op, kOperand>, PlainRow<BoolV, (kMask >> kOperand) & 1>,
                               PlainRow<V, (kMask >> kOperand) & 1>>::type;

template <class Op, class R>
PHINTYS_INLINE void put(void* out, int64_t i, R r) {
  if constexpr (kMaskResult<Op>) {
    store_mask(static_cast<uint8_t*>(out) + i, r);
  } else if constexpr (kIntResult<Op>) {
    for (int k = 0; k < R::lanes; ++k) {
      static_cast<int64_t*>(out)[i + k] = convert<int64_t>(get_lane(r, k));
    }
  } else {
    Row<R>::store(static_cast<typename R::elem*>(out) + Row<R>::width * i, r);
  }
}

template <class Op, class R>
PHINTYS_INLINE void put_part(void* out, int64_t i, R r, int count) {
  if constexpr (kMaskResult<Op>) {
    store_mask_part(static_cast<uint8_t*>(out) + i, r, count);
  } else if constexpr (kIntResult<Op>) {
    for (int k = 0; k < count; ++k) {
      static_cast<int64_t*>(out)[i + k] = convert<int64_t>(get_lane(r, k));
    }
  } else {
    Row<R>::store_part(static_cast<typename R::elem*>(out) + Row<R>::width * i, r, count);
  }
}

// ---- Loops --------------------------------------------------------------------------------------

// `at(rows...)` evaluates one vector; the arity decides how many rows exist.
template <class Op, class A, class B, class C>
struct Operands {
  A a;
  B b;
  C c;

  PHINTYS_INLINE auto full(int64_t i) const {
    if constexpr (Op::info.arity == 1) {
      return Op::body(a.at(i));
    } else if constexpr (Op::info.arity == 2) {
      return Op::body(a.at(i), b.at(i));
    } else {
      return Op::body(a.at(i), b.at(i), c.at(i));
    }
  }
  PHINTYS_INLINE auto part(int64_t i, int r) const {
    if constexpr (Op::info.arity == 1) {
      return Op::body(a.part(i, r));
    } else if constexpr (Op::info.arity == 2) {
      return Op::body(a.part(i, r), b.part(i, r));
    } else {
      return Op::body(a.part(i, r), b.part(i, r), c.part(i, r));
    }
  }
  // One copy of a long body for both cases: only the loads branch.
  PHINTYS_INLINE auto full_or_part(int64_t i, int64_t n) const {
    constexpr int kLanes = A::value::lanes;
    const bool whole = i + kLanes <= n;
    const int r = static_cast<int>(n - i);
    const auto x = whole ? a.at(i) : a.part(i, r);
    if constexpr (Op::info.arity == 1) {
      return Op::body(x);
    } else if constexpr (Op::info.arity == 2) {
      return Op::body(x, whole ? b.at(i) : b.part(i, r));
    } else {
      return Op::body(x, whole ? b.at(i) : b.part(i, r), whole ? c.at(i) : c.part(i, r));
    }
  }
};

// An operand that the op does not have: its pointer may be anything.
struct NoRow {
  explicit PHINTYS_INLINE NoRow(const void*) {}
};

// The end of a row goes through the same vector body as the rest, so an element's bits depend
// neither on its position nor on n.
template <class Op, class V, int kMask>
void run_float(void* out, const void* a, const void* b, const void* c, int64_t n) {
  constexpr int kArity = Op::info.arity;
  using A = FloatRow<Op, V, 0, kMask>;
  using B = typename Either<(kArity > 1), FloatRow<Op, V, 1, kMask>, NoRow>::type;
  using C = typename Either<(kArity > 2), FloatRow<Op, V, 2, kMask>, NoRow>::type;
  const Operands<Op, A, B, C> in{A(a), B(b), C(c)};
  constexpr int kLanes = V::lanes;
  int64_t i = 0;
  if constexpr (Op::info.heavy) {
    for (; i < n; i += kLanes) {
      const auto r = in.full_or_part(i, n);
      if (i + kLanes <= n) {
        put<Op>(out, i, r);
      } else {
        put_part<Op>(out, i, r, static_cast<int>(n - i));
      }
    }
  } else {
    // Complex numbers fill more registers, and have more to overlap within one vector.
    if constexpr (!math::is_complex<V>) {
      for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
        const auto r0 = in.full(i);
        const auto r1 = in.full(i + kLanes);
        const auto r2 = in.full(i + 2 * kLanes);
        const auto r3 = in.full(i + 3 * kLanes);
        put<Op>(out, i, r0);
        put<Op>(out, i + kLanes, r1);
        put<Op>(out, i + 2 * kLanes, r2);
        put<Op>(out, i + 3 * kLanes, r3);
      }
    }
    for (; i + kLanes <= n; i += kLanes) put<Op>(out, i, in.full(i));
    if (i < n) {
      const int r = static_cast<int>(n - i);
      put_part<Op>(out, i, in.part(i, r), r);
    }
  }
}

// One element, broadcast from where it lies and stored from the first lane: what one step stored is
// then at hand for the next, while masked loads would wait until it is in the cache.
template <class Op, class V>
void run_float_one(void* out, const void* a, const void* b, const void* c, int64_t) {
  constexpr int kArity = Op::info.arity;
  constexpr int kAllScalar = 7;
  using A = FloatRow<Op, V, 0, kAllScalar>;
  using B = typename Either<(kArity > 1), FloatRow<Op, V, 1, kAllScalar>, NoRow>::type;
  using C = typename Either<(kArity > 2), FloatRow<Op, V, 2, kAllScalar>, NoRow>::type;
  const Operands<Op, A, B, C> in{A(a), B(b), C(c)};
  auto r = in.full(0);
  if constexpr (kMaskResult<Op> || kIntResult<Op> || math::is_complex<decltype(r)>) {
    put_part<Op>(out, 0, r, 1);
  } else {
    *static_cast<typename V::elem*>(out) = get_lane(r, 0);
  }
}

// Integers: the compiler vectorises. ivdep: `out` is either apart from an operand or the same row,
// and then every element is read before it is written.
template <class Op, class V, int kMask>
void run_plain(void* out, const void* a, const void* b, const void* c, int64_t n) {
  constexpr int kArity = Op::info.arity;
  using A = IntRow<Op, V, 0, kMask>;
  using B = typename Either<(kArity > 1), IntRow<Op, V, 1, kMask>, NoRow>::type;
  using C = typename Either<(kArity > 2), IntRow<Op, V, 2, kMask>, NoRow>::type;
  const Operands<Op, A, B, C> in{A(a), B(b), C(c)};
  auto* const p =
      static_cast<typename Either<kMaskResult<Op>, uint8_t, typename V::elem>::type*>(out);
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) p[i] = in.full(i).v;
}

// float16 through buffers of float32 and its kernels.
template <class Op, int kMask>
void run_half(void* out, const void* a, const void* b, const void* c, int64_t n) {
  constexpr int kChunk = 256;
  float rows[3][kChunk];
  float result[kChunk];
  const void* const operands[3] = {a, b, c};
  const void* wide[3] = {nullptr, nullptr, nullptr};
  constexpr int kArity = Op::info.arity;
  constexpr int kResultSize = kMaskResult<Op> ? 1 : kIntResult<Op> ? 8 : 2;
  for (int64_t i = 0; i < n; i += kChunk) {
    const int64_t m = n - i < kChunk ? n - i : kChunk;
    for (int k = 0; k < kArity; ++k) {
      const bool one = (kMask >> k) & 1;
      if (kMaskOperand<Op, 0> && k == 0) {
        wide[k] = static_cast<const uint8_t*>(operands[k]) + (one ? 0 : i);
      } else {
        halves_to_singles(rows[k], static_cast<const uint16_t*>(operands[k]) + (one ? 0 : i),
                          one ? 1 : m);
        wide[k] = rows[k];
      }
    }
    auto* const to = static_cast<uint8_t*>(out) + i * kResultSize;
    if constexpr (kMaskResult<Op> || kIntResult<Op>) {
      run_float<Op, VF32, kMask>(to, wide[0], wide[1], wide[2], m);
    } else {
      run_float<Op, VF32, kMask>(result, wide[0], wide[1], wide[2], m);
      singles_to_halves(reinterpret_cast<uint16_t*>(to), result, m);
    }
  }
}

// Long bodies over complex64, through buffers of complex128 and its kernels: their formulas need
// the range, and every part of a result is then nearly as exact as it can be.
template <class Op, int kMask>
void run_wide(void* out, const void* a, const void* b, const void* c, int64_t n) {
  constexpr int kChunk = 128;
  double rows[3][2 * kChunk];
  double result[2 * kChunk];
  const void* const operands[3] = {a, b, c};
  const void* wide[3] = {nullptr, nullptr, nullptr};
  constexpr int kWidth = Op::info.rule == DTypeRule::upcast_real ? 1 : 2;
  for (int64_t i = 0; i < n; i += kChunk) {
    const int64_t m = n - i < kChunk ? n - i : kChunk;
    for (int k = 0; k < Op::info.arity; ++k) {
      const auto* const x = static_cast<const float*>(operands[k]) + 2 * i;
      for (int64_t j = 0; j < 2 * m; ++j) rows[k][j] = x[j];
      wide[k] = rows[k];
    }
    run_float<Op, Complex<VF64>, 0>(result, wide[0], wide[1], wide[2], m);
    auto* const to = static_cast<float*>(out) + kWidth * i;
    for (int64_t j = 0; j < kWidth * m; ++j) to[j] = static_cast<float>(result[j]);
  }
}

template <TileFn kRun>
void first_of(void* out, const void* a, const void* b, const void* c, int64_t) {
  kRun(out, a, b, c, 1);
}

// Cheap ops on floats whose operands and result have one dtype.
template <class Op>
constexpr bool kOneDType =
    !Op::info.heavy &&
    (Op::info.domain == Domain::numeric || Op::info.domain == Domain::floating ||
     Op::info.domain == Domain::numeric_nobool) &&
    (Op::info.rule == DTypeRule::upcast || Op::info.rule == DTypeRule::upcast_nobool ||
     Op::info.rule == DTypeRule::upcast_real || Op::info.rule == DTypeRule::to_float ||
     Op::info.rule == DTypeRule::float_only || Op::info.rule == DTypeRule::true_div);

// ---- Filling tables -----------------------------------------------------------------------------

template <class V>
struct FloatRunner {
  template <class Op, int kMask>
  static constexpr TileFn run = run_float<Op, V, kMask>;
  template <class Op>
  static constexpr TileFn one = run_float_one<Op, V>;
};
struct HalfRunner {
  template <class Op, int kMask>
  static constexpr TileFn run = run_half<Op, kMask>;
  template <class Op>
  static constexpr TileFn one = first_of<run_half<Op, 0>>;
};
struct WideRunner {
  template <class Op, int kMask>
  static constexpr TileFn run = run_wide<Op, kMask>;
  template <class Op>
  static constexpr TileFn one = first_of<run_wide<Op, 0>>;
};
template <class V>
struct PlainRunner {
  template <class Op, int kMask>
  static constexpr TileFn run = run_plain<Op, V, kMask>;
  template <class Op>
  static constexpr TileFn one = first_of<run_plain<Op, V, 0>>;
};

template <class Runner, class Op>
void fill_op(KernelTables* tables, DType d) {
  TileKernels& k = tables->elementwise[ops::index_of<Op>][static_cast<int>(d)];
  k.tile[0] = Runner::template run<Op, 0>;
  k.scalar = Runner::template one<Op>;
  if constexpr (!Op::info.heavy && Op::info.arity >= 2) {
    k.tile[1] = Runner::template run<Op, 1>;
    k.tile[2] = Runner::template run<Op, 2>;
    if constexpr (Op::info.arity == 3) {
      k.tile[3] = Runner::template run<Op, 3>;
      k.tile[4] = Runner::template run<Op, 4>;
      k.tile[5] = Runner::template run<Op, 5>;
      k.tile[6] = Runner::template run<Op, 6>;
    }
  }
}

template <class Op>
constexpr bool kForInts = Op::info.domain != Domain::floating && Op::info.domain != Domain::none;
template <class Op>
constexpr bool kForBool = Op::info.domain == Domain::numeric || Op::info.domain == Domain::discrete;

template <class... Op>
void fill_f32(KernelTables* tables, OpList<Op...>) {
  (fill_op<FloatRunner<VF32>, Op>(tables, DType::f32), ...);
}
template <class... Op>
void fill_f16(KernelTables* tables, OpList<Op...>) {
  (fill_op<HalfRunner, Op>(tables, DType::f16), ...);
}
template <class... Op>
void fill_f64(KernelTables* tables, OpList<Op...>) {
  (fill_op<FloatRunner<VF64>, Op>(tables, DType::f64), ...);
}

template <class Op>
void fill_complex_op(KernelTables* tables) {
  if constexpr (Op::info.complex != ComplexUse::none) {
    fill_op<FloatRunner<Complex<VF64>>, Op>(tables, DType::c128);
    if constexpr (Op::info.heavy) {
      fill_op<WideRunner, Op>(tables, DType::c64);
    } else {
      fill_op<FloatRunner<Complex<VF32>>, Op>(tables, DType::c64);
    }
  }
}
template <class... Op>
void fill_complex(KernelTables* tables, OpList<Op...>) {
  (fill_complex_op<Op>(tables), ...);
}

template <class V, class Op>
void fill_int_op(KernelTables* tables, DType d) {
  if constexpr (V::is_bool ? kForBool<Op> : kForInts<Op>) fill_op<PlainRunner<V>, Op>(tables, d);
}
template <class V, class... Op>
void fill_int(KernelTables* tables, DType d, OpList<Op...>) {
  (fill_int_op<V, Op>(tables, d), ...);
}

}  // namespace
}  // namespace phintys::vm::PHINTYS_ISA
