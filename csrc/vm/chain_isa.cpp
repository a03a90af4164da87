#include "ops/elementwise/arithmetic.h"
#include "ops/elementwise/comparison.h"
#include "vm/chain.h"
#include "vm/flat_call.h"

namespace phintys::PHINTYS_ISA {
namespace {

using namespace phintys::ops;  // NOLINT: elementwise ops
using namespace phintys::vm;   // NOLINT

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
Carry run(Carry carry, const FlatCall& call) {
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
  return next.chained(carry, next);  // a jump
}

template <class Op, class S>
ChainKernels kernels() {
  constexpr bool compares = Op::info.rule == DTypeRule::compare;
  if constexpr (Op::info.arity == 1) {
    return {{run<Op, S, 0>, run<Op, S, 1>}, compares};
  } else if constexpr (Op::info.arity == 2) {
    return {{run<Op, S, 0>, run<Op, S, 1>, run<Op, S, 2>, run<Op, S, 3>}, compares};
  } else {
    return {{run<Op, S, 0>, run<Op, S, 1>, run<Op, S, 2>, run<Op, S, 3>, run<Op, S, 4>,
             run<Op, S, 5>, run<Op, S, 6>, run<Op, S, 7>},
            compares};
  }
}

template <class... Op>
void fill(NamedChain* list, OpList<Op...>) {
  static_assert(sizeof...(Op) == kNumChains);
  ((*list++ = {Op::info.name, kernels<Op, SF32>(), kernels<Op, SF64>()}), ...);
}

}  // namespace

void fill_chains(vm::NamedChain* list) {
  fill(list, OpList<Add, Sub, Mul, TrueDiv, MulAdd, MulSub, NegMulAdd, Neg, Abs, Sqr, Sqrt, Maximum,
                    Minimum, Gt, Lt, Ge, Le>{});
}

}  // namespace phintys::PHINTYS_ISA
