// Bit and truth logic.
#pragma once

#include "ops/elementwise/int_value.h"
#include "ops/elementwise/op_list.h"

namespace phintys::ops {

struct And {
  static constexpr ElementwiseInfo info{
      .name = "and_",
      .arity = 2,
      .rule = DTypeRule::discrete_only,
      .domain = Domain::discrete,
      .summary = "And of x and y: bitwise on integers, logical on bool.",
      .numpy = "numpy.bitwise_and",
      .commutative = true,
      .associative = true,
      .zero_grad = true};
  template <class V>
  PHINTYS_INLINE static V body(V x, V y) {
    return x & y;
  }
};

struct Or {
  static constexpr ElementwiseInfo info{
      .name = "or_",
      .arity = 2,
      .rule = DTypeRule::discrete_only,
      .domain = Domain::discrete,
      .summary = "Or of x and y: bitwise on integers, logical on bool.",
      .numpy = "numpy.bitwise_or",
      .commutative = true,
      .associative = true,
      .zero_grad = true};
  template <class V>
  PHINTYS_INLINE static V body(V x, V y) {
    return x | y;
  }
};

struct Xor {
  static constexpr ElementwiseInfo info{
      .name = "xor",
      .arity = 2,
      .rule = DTypeRule::discrete_only,
      .domain = Domain::discrete,
      .summary = "Exclusive or of x and y: bitwise on integers, logical on bool.",
      .numpy = "numpy.bitwise_xor",
      .commutative = true,
      .associative = true,
      .zero_grad = true};
  template <class V>
  PHINTYS_INLINE static V body(V x, V y) {
    return x ^ y;
  }
};

struct Invert {
  static constexpr ElementwiseInfo info{.name = "invert",
                                        .arity = 1,
                                        .rule = DTypeRule::discrete_only,
                                        .domain = Domain::discrete,
                                        .summary = "Not x: bitwise on integers, logical on bool.",
                                        .numpy = "numpy.invert",
                                        .zero_grad = true};
  template <class V>
  PHINTYS_INLINE static V body(V x) {
    return ~x;
  }
};

using LogicalOps = OpList<And, Or, Xor, Invert>;

}  // namespace phintys::ops
