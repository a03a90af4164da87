// Rounding to integers.
#pragma once

#include "ops/elementwise/int_value.h"
#include "ops/elementwise/op_list.h"

namespace phintys::ops {

// Compares the exact fraction with one half: adding 0.5 and truncating would round
// 0.49999999999999994 up.
template <class V>
PHINTYS_INLINE V round_half_away(V x) {
  const V whole = trunc(x);
  return select(abs(x - whole) >= V::broadcast(0.5), whole + copysign(V::broadcast(1), x), whole);
}

struct Floor {
  static constexpr ElementwiseInfo info{.name = "floor",
                                        .arity = 1,
                                        .rule = DTypeRule::float_only,
                                        .domain = Domain::floating,
                                        .summary = "Greatest integer not above x.",
                                        .numpy = "numpy.floor",
                                        .zero_grad = true};
  template <class V>
  PHINTYS_INLINE static V body(V x) {
    return floor(x);
  }
};

struct Ceil {
  static constexpr ElementwiseInfo info{.name = "ceil",
                                        .arity = 1,
                                        .rule = DTypeRule::float_only,
                                        .domain = Domain::floating,
                                        .summary = "Least integer not below x.",
                                        .numpy = "numpy.ceil",
                                        .zero_grad = true};
  template <class V>
  PHINTYS_INLINE static V body(V x) {
    return ceil(x);
  }
};

struct Trunc {
  static constexpr ElementwiseInfo info{.name = "trunc",
                                        .arity = 1,
                                        .rule = DTypeRule::float_only,
                                        .domain = Domain::floating,
                                        .summary = "Integer part of x, rounded toward zero.",
                                        .numpy = "numpy.trunc",
                                        .zero_grad = true};
  template <class V>
  PHINTYS_INLINE static V body(V x) {
    return trunc(x);
  }
};

struct RoundHalfToEven {
  static constexpr ElementwiseInfo info{.name = "round_half_to_even",
                                        .arity = 1,
                                        .rule = DTypeRule::float_only,
                                        .domain = Domain::floating,
                                        .summary = "Nearest integer; halves go to the even one.",
                                        .numpy = "numpy.rint",
                                        .zero_grad = true};
  template <class V>
  PHINTYS_INLINE static V body(V x) {
    return round_even(x);
  }
};

struct RoundHalfAwayFromZero {
  static constexpr ElementwiseInfo info{.name = "round_half_away_from_zero",
                                        .arity = 1,
                                        .rule = DTypeRule::float_only,
                                        .domain = Domain::floating,
                                        .summary = "Nearest integer; halves go away from zero.",
                                        .zero_grad = true};
  template <class V>
  PHINTYS_INLINE static V body(V x) {
    return round_half_away(x);
  }
};

struct IRound {
  static constexpr ElementwiseInfo info{
      .name = "iround",
      .arity = 1,
      .rule = DTypeRule::to_int64,
      .domain = Domain::floating,
      .summary = "Nearest integer as int64; halves go away from zero.",
      .zero_grad = true};
  template <class V>
  PHINTYS_INLINE static V body(V x) {
    // The kernels convert the rounded value to int64.
    return round_half_away(x);
  }
};

using RoundingOps = OpList<Floor, Ceil, Trunc, RoundHalfToEven, RoundHalfAwayFromZero, IRound>;

}  // namespace phintys::ops
