// Instructions of the interpreter: one op on all elements of a thread.
#pragma once

#include "fused/casts.h"

namespace phintys::cuda::fused {

template <class Op>
constexpr bool kMaskResult =
    Op::info.rule == DTypeRule::compare || Op::info.rule == DTypeRule::predicate;
template <class Op>
constexpr bool kIntResult = Op::info.rule == DTypeRule::to_int64;

// Whether there is a body of Op for the kind.
template <class Op>
constexpr bool has_body(FusedKind kind) {
  switch (kind) {
    case FusedKind::b8:
      return Op::info.domain == Domain::numeric || Op::info.domain == Domain::discrete;
    case FusedKind::i32:
    case FusedKind::i64:
    case FusedKind::u64:
      return Op::info.domain != Domain::floating && Op::info.domain != Domain::none;
    case FusedKind::f32:
    case FusedKind::f64:
      return Op::info.domain != Domain::discrete && Op::info.domain != Domain::none;
    default:
      return Op::info.complex != ComplexUse::none;
  }
}

// Whether kernels of a word and family hold Op for the kind. Long bodies of complex64 go through
// complex128.
template <class Op>
constexpr bool has_step(int word, int family, FusedKind kind) {
  if (!has_body<Op>(kind)) return false;
  if (kIntResult<Op> && word == 4) return false;
  if (Op::info.rule == DTypeRule::make_complex && word < 16) return false;
  if (!Op::info.heavy) return true;
  if (kind == FusedKind::c64) return false;
  return family == 2 || (family == 1 && Op::info.cost <= device::kFusedCost);
}

template <class Op, int kWord, int kFamily, FusedKind kKind>
constexpr bool kHasStep = has_step<Op>(kWord, kFamily, kKind);
template <int kWord, int kFamily, FusedKind kKind, bool kHeavy>
constexpr bool kInRegisters = device::fused_in_registers(kWord, kFamily, kKind, kHeavy);

// Operand k from its word.
template <class Op, class V, int k>
PHINTYS_INLINE auto operand(const uint32_t* r) {
  if constexpr (Op::info.rule == DTypeRule::select && k == 0) {
    return from_word<typename V::mask>(r);
  } else {
    return from_word<V>(r);
  }
}

template <class Op, class... A>
PHINTYS_INLINE auto body(A... a) {
  return Op::body(a...);
}
#ifndef PHINTYS_EMULATED
template <class Op, class... A>
__device__ __noinline__ auto far_body(A... a) {
  return Op::body(a...);
}
#else
template <class Op, class... A>
[[gnu::noinline]] auto far_body(A... a) {
  return Op::body(a...);
}
#endif

template <class Op, class V, bool kFar, class... A>
PHINTYS_INLINE void evaluate(uint32_t* to, A... a) {
  const auto r = [&] {
    if constexpr (kFar) {
      return far_body<Op>(a...);
    } else {
      return body<Op>(a...);
    }
  }();
  if constexpr (kIntResult<Op>) {
    split_halves(to, static_cast<uint64_t>(convert<int64_t>(r.v)));
  } else {
    to_word(to, r);
  }
}

// *a = op(*a, *x, *y), or op(*x, *y, *a); words of kCount halves.
template <class Op, FusedKind kKind, bool kFar, int kCount>
PHINTYS_INLINE void step_word(uint32_t* a, const uint32_t* x, const uint32_t* y, bool reversed) {
  using V = typename ValueOf<kKind>::type;
  constexpr int kArity = Op::info.arity;
  if constexpr (kArity == 1) {
    evaluate<Op, V, kFar>(a, operand<Op, V, 0>(a));
  } else if constexpr (kArity == 2 && Op::info.commutative) {
    evaluate<Op, V, kFar>(a, operand<Op, V, 0>(a), operand<Op, V, 1>(x));
  } else {
    // Words are chosen, not places of them: those would have to be memory.
    uint32_t first[kCount];
    uint32_t second[kCount];
    uint32_t third[kCount];
    PHINTYS_UNROLL
    for (int k = 0; k < kCount; ++k) {
      const uint32_t last = kArity == 2 ? x[k] : y[k];
      first[k] = reversed ? x[k] : a[k];
      second[k] = reversed ? (kArity == 2 ? a[k] : y[k]) : x[k];
      third[k] = reversed ? a[k] : last;
    }
    if constexpr (kArity == 2) {
      evaluate<Op, V, kFar>(a, operand<Op, V, 0>(first), operand<Op, V, 1>(second));
    } else {
      evaluate<Op, V, kFar>(a, operand<Op, V, 0>(first), operand<Op, V, 1>(second),
                            operand<Op, V, 2>(third));
    }
  }
}

// On the accumulators, which stay in registers.
template <class Op, FusedKind kKind, int kWord, bool kReversed>
PHINTYS_INLINE void step_registers(Machine<kWord>& m, const FusedInstr& in, Place x) {
  const Place y = m.place(in.y, in.flags & FusedInstr::kSlotY);
  PHINTYS_UNROLL
  for (int g = 0; g < kFusedGroups; ++g) {
    Chunk cx{};
    Chunk cy{};
    if constexpr (Op::info.arity > 1) cx = x.read(g);
    if constexpr (Op::info.arity > 2) cy = y.read(g);
    PHINTYS_UNROLL
    for (int i = 0; i < 4; i += kHalves<kWord>) {
      step_word<Op, kKind, false, kHalves<kWord>>(m.acc[g].r + i, cx.r + i, cy.r + i, kReversed);
    }
  }
}

// Bodies that cost more are functions of their own.
constexpr float kNearCost = 16.f;

// On word i of slot d, where the accumulator was put.
template <class Op, FusedKind kKind, int kWord>
PHINTYS_INLINE void step_slot(Place x, Place y, Place d, int i, bool reversed) {
  constexpr bool kFar = Op::info.heavy && (kWord > 4 || Op::info.cost > kNearCost);
  uint32_t a[kHalves<kWord>];
  uint32_t b[kHalves<kWord>] = {};
  uint32_t c[kHalves<kWord>] = {};
  uint32_t* const pa = d.word<kWord>(i);
  const uint32_t* const px = x.word<kWord>(i);
  const uint32_t* const py = y.word<kWord>(i);
  for (int k = 0; k < kHalves<kWord>; ++k) {
    a[k] = pa[k];
    if constexpr (Op::info.arity > 1) b[k] = px[k];
    if constexpr (Op::info.arity > 2) c[k] = py[k];
  }
  step_word<Op, kKind, kFar, kHalves<kWord>>(a, b, c, reversed);
  for (int k = 0; k < kHalves<kWord>; ++k) pa[k] = a[k];
}

// clang-format off
#define PHINTYS_EIGHT(X, n)                               \
  X(8 * n) X(8 * n + 1) X(8 * n + 2) X(8 * n + 3)         \
  X(8 * n + 4) X(8 * n + 5) X(8 * n + 6) X(8 * n + 7)
#define PHINTYS_EACH_OP(X) \
  PHINTYS_EIGHT(X, 0) PHINTYS_EIGHT(X, 1) PHINTYS_EIGHT(X, 2) PHINTYS_EIGHT(X, 3) \
  PHINTYS_EIGHT(X, 4) PHINTYS_EIGHT(X, 5) PHINTYS_EIGHT(X, 6) PHINTYS_EIGHT(X, 7) \
  PHINTYS_EIGHT(X, 8) PHINTYS_EIGHT(X, 9) PHINTYS_EIGHT(X, 10) PHINTYS_EIGHT(X, 11) \
  PHINTYS_EIGHT(X, 12) PHINTYS_EIGHT(X, 13) PHINTYS_EIGHT(X, 14) PHINTYS_EIGHT(X, 15)
// clang-format on
static_assert(ops::kNumElementwise <= 128, "more cases are needed");

template <int kOp, FusedKind kKind, int kWord, int kFamily, bool kReversed>
PHINTYS_INLINE void registers_case(Machine<kWord>& m, const FusedInstr& in, Place x) {
  if constexpr (kOp < ops::kNumElementwise) {
    using Op = ops::op_at<kOp>;
    if constexpr (kHasStep<Op, kWord, kFamily, kKind> &&
                  kInRegisters<kWord, kFamily, kKind, Op::info.heavy> &&
                  !(kReversed && (Op::info.arity == 1 || Op::info.commutative))) {
      step_registers<Op, kKind, kWord, kReversed>(m, in, x);
    }
  }
}
template <int kOp, FusedKind kKind, int kWord, int kFamily>
PHINTYS_INLINE void slot_case(Place x, Place y, Place d, int i, bool reversed) {
  if constexpr (kOp < ops::kNumElementwise) {
    using Op = ops::op_at<kOp>;
    if constexpr (kHasStep<Op, kWord, kFamily, kKind> &&
                  !kInRegisters<kWord, kFamily, kKind, Op::info.heavy>) {
      step_slot<Op, kKind, kWord>(x, y, d, i, reversed);
    }
  }
}

template <FusedKind kKind, int kWord, int kFamily>
PHINTYS_INLINE void run_registers(Machine<kWord>& m, const FusedInstr& in, Place x) {
  // One branch to the code of the op.
  switch (in.code) {
#define PHINTYS_CASE(i)                                        \
  case (i):                                                    \
    registers_case<i, kKind, kWord, kFamily, false>(m, in, x); \
    break;                                                     \
  case (i) + 128:                                              \
    registers_case<i, kKind, kWord, kFamily, true>(m, in, x);  \
    break;
    PHINTYS_EACH_OP(PHINTYS_CASE)
#undef PHINTYS_CASE
    default:
      break;
  }
}
template <FusedKind kKind, int kWord, int kFamily>
PHINTYS_INLINE void run_slots(Machine<kWord>& m, const FusedInstr& in, Place x) {
  const Place y = m.place(in.y, in.flags & FusedInstr::kSlotY);
  const Place d = m.slot(in.d);
  const bool reversed = in.code & FusedInstr::kReversed;
  m.keep(d);
  PHINTYS_ROLLED
  for (int i = 0; i < m.elements; ++i) {
    switch (in.code & (FusedInstr::kReversed - 1)) {
#define PHINTYS_CASE(n)                                        \
  case (n):                                                    \
    slot_case<n, kKind, kWord, kFamily>(x, y, d, i, reversed); \
    break;
      PHINTYS_EACH_OP(PHINTYS_CASE)
#undef PHINTYS_CASE
      default:
        break;
    }
  }
  m.take(d);
}

template <FusedKind kKind, int kWord, int kFamily>
PHINTYS_INLINE void run_kind(Machine<kWord>& m, const FusedInstr& in, Place x) {
  constexpr bool kRegisters = kInRegisters<kWord, kFamily, kKind, false>;
  if constexpr (!kRegisters) {
    run_slots<kKind, kWord, kFamily>(m, in, x);
  } else if constexpr (kFamily == 0) {
    run_registers<kKind, kWord, kFamily>(m, in, x);
  } else if (in.flags & FusedInstr::kThroughSlot) {
    run_slots<kKind, kWord, kFamily>(m, in, x);
  } else {
    run_registers<kKind, kWord, kFamily>(m, in, x);
  }
}

template <int kWord, int kFamily>
PHINTYS_INLINE void run_op(Machine<kWord>& m, const FusedInstr& in, Place x) {
  if (in.kind == (kWord == 4 ? FusedKind::f32 : FusedKind::f64)) {
    if constexpr (kWord == 4) {
      run_kind<FusedKind::f32, kWord, kFamily>(m, in, x);
    } else {
      run_kind<FusedKind::f64, kWord, kFamily>(m, in, x);
    }
    return;
  }
  switch (in.kind) {
    case FusedKind::b8:
      return run_kind<FusedKind::b8, kWord, kFamily>(m, in, x);
    case FusedKind::i32:
      return run_kind<FusedKind::i32, kWord, kFamily>(m, in, x);
    default:
      break;
  }
  if constexpr (kWord >= 8) {
    switch (in.kind) {
      case FusedKind::f32:
        return run_kind<FusedKind::f32, kWord, kFamily>(m, in, x);
      case FusedKind::i64:
        return run_kind<FusedKind::i64, kWord, kFamily>(m, in, x);
      case FusedKind::u64:
        return run_kind<FusedKind::u64, kWord, kFamily>(m, in, x);
      default:
        break;
    }
  }
  if constexpr (kWord == 16) {
    if (in.kind == FusedKind::c64) return run_kind<FusedKind::c64, kWord, kFamily>(m, in, x);
    if (in.kind == FusedKind::c128) return run_kind<FusedKind::c128, kWord, kFamily>(m, in, x);
  }
}

}  // namespace phintys::cuda::fused
