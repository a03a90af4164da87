// Choosing among operands.
#pragma once

#include "ops/elementwise/arithmetic.h"
#include "ops/elementwise/int_value.h"
#include "ops/elementwise/op_list.h"

namespace phintys::ops {

struct Switch {
  static constexpr ElementwiseInfo info{.name = "switch",
                                        .arity = 3,
                                        .rule = DTypeRule::select,
                                        .summary = "a where condition is true, else b.",
                                        .numpy = "numpy.where",
                                        .complex = ComplexUse::analytic};
  template <class V>
  PHINTYS_INLINE static V body(typename V::mask condition, V a, V b) {
    return select(condition, a, b);
  }
  template <class E>
  static Grads<E, 3> grad(E condition, E, E, E, E gz) {
    const E none = zeros_like(gz);
    return {{zeros_like(condition), switch_(condition, gz, none), switch_(condition, none, gz)}};
  }
};

struct Clip {
  static constexpr ElementwiseInfo info{.name = "clip",
                                        .arity = 3,
                                        .rule = DTypeRule::upcast,
                                        .summary = "x limited to the range from low to high.",
                                        .numpy = "numpy.clip"};
  template <class V>
  PHINTYS_INLINE static V body(V x, V low, V high) {
    return minimum_of(maximum_of(x, low), high);
  }
  template <class E>
  static Grads<E, 3> grad(E x, E low, E high, E, E gz) {
    // The gradient passes on the boundaries too.
    const E inside = cast_like(and_(ge(x, low), le(x, high)), gz);
    return {{gz * inside, gz * cast_like(lt(x, low), gz), gz * cast_like(gt(x, high), gz)}};
  }
};

struct Second {
  static constexpr ElementwiseInfo info{.name = "second",
                                        .arity = 2,
                                        .rule = DTypeRule::second,
                                        .summary = "y, in the shape that x and y broadcast to.",
                                        .complex = ComplexUse::analytic};
  template <class V>
  PHINTYS_INLINE static V body(V, V y) {
    return y;
  }
  template <class E>
  static Grads<E, 2> grad(E x, E, E, E gz) {
    return {{zeros_like(x), gz}};
  }
};

struct Identity {
  static constexpr ElementwiseInfo info{.name = "identity",
                                        .arity = 1,
                                        .rule = DTypeRule::upcast,
                                        .summary = "x unchanged.",
                                        .complex = ComplexUse::analytic};
  template <class V>
  PHINTYS_INLINE static V body(V x) {
    return x;
  }
  template <class E>
  static Grads<E, 1> grad(E, E, E gz) {
    return {{gz}};
  }
};

using SelectionOps = OpList<Switch, Second, Identity>;
using ClipOps = OpList<Clip>;

}  // namespace phintys::ops
