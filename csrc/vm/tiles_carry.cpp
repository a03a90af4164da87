// Kernels on single floats that hand values on in a register, for one instruction set.
#include "vm/flat_call.h"
#include "vm/tiles_kernels.h"

PHINTYS_DECLARE_TILE_PARTS(PHINTYS_ISA)

namespace phintys::vm::PHINTYS_ISA {
namespace {

using Floats = float __attribute__((vector_size(16)));

template <class S>
PHINTYS_INLINE S held(Carry carry) {
  if constexpr (sizeof(S) == 4) {
    return S{((Floats)carry)[0]};
  } else {
    return S{carry[0]};
  }
}

template <class S>
PHINTYS_INLINE Carry carried(S x) {
  if constexpr (sizeof(S) == 4) {
    return (Carry)Floats{x.v};
  } else {
    return Carry{x.v};
  }
}

template <class S>
PHINTYS_INLINE S operand(bool in_register, Carry carry, const char* p) {
  return in_register ? held<S>(carry) : S{*reinterpret_cast<const typename S::elem*>(p)};
}

template <class Op, class S, int kMask>
Carry run_carry(Carry carry, const FlatCall& call) {
  const S a = operand<S>(kMask & 1, carry, call.a);
  auto result = [&] {
    if constexpr (Op::info.arity == 1) {
      return Op::body(a);
    } else {
      const S b = operand<S>(kMask & 2, carry, call.b);
      if constexpr (Op::info.arity == 2) {
        return Op::body(a, b);
      } else {
        return Op::body(a, b, operand<S>(kMask & 4, carry, call.c));
      }
    }
  }();
  if constexpr (Op::info.rule == DTypeRule::compare) {
    *reinterpret_cast<uint8_t*>(call.dst) = static_cast<uint8_t>(result.v);
  } else {
    *reinterpret_cast<typename S::elem*>(call.dst) = result.v;
    carry = carried(result);
  }
  const FlatCall& next = *(&call + 1);
  return next.carried(carry, next);  // a jump
}

template <class Op, class S, int kMask>
void fill_masks(CarryKernels* k) {
  if constexpr (kMask < 1 << Op::info.arity) {
    k->fn[kMask] = run_carry<Op, S, kMask>;
    fill_masks<Op, S, kMask + 1>(k);
  }
}

template <class Op, class S>
void fill_carry_op(KernelTables* tables, DType d) {
  if constexpr (kOneDType<Op> || Op::info.rule == DTypeRule::compare) {
    CarryKernels& k = tables->carry[ops::index_of<Op>][static_cast<int>(d)];
    k.compares = Op::info.rule == DTypeRule::compare;
    fill_masks<Op, S, 0>(&k);
  }
}

template <class... Op>
void fill_carries(KernelTables* tables, OpList<Op...>) {
  (fill_carry_op<Op, SF32>(tables, DType::f32), ...);
  (fill_carry_op<Op, SF64>(tables, DType::f64), ...);
}

}  // namespace

void fill_carry(KernelTables* tables) {
  fill_carries(tables, ops::ArithmeticOps{});
  fill_carries(tables, ops::ComparisonOps{});
}

}  // namespace phintys::vm::PHINTYS_ISA
