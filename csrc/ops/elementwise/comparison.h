// Comparisons and predicates: their results are bool.
#pragma once

#include "ops/elementwise/int_value.h"
#include "ops/elementwise/op_list.h"
#include "ops/math/complex_value.h"

namespace phintys::ops {

struct Eq {
  static constexpr ElementwiseInfo info{.name = "eq",
                                        .arity = 2,
                                        .rule = DTypeRule::compare,
                                        .summary = "True where x equals y.",
                                        .numpy = "numpy.equal",
                                        .complex = ComplexUse::analytic,
                                        .commutative = true,
                                        .zero_grad = true};
  template <class V>
  PHINTYS_INLINE static typename V::mask body(V x, V y) {
    return x == y;
  }
};

struct Neq {
  static constexpr ElementwiseInfo info{.name = "neq",
                                        .arity = 2,
                                        .rule = DTypeRule::compare,
                                        .summary = "True where x differs from y.",
                                        .numpy = "numpy.not_equal",
                                        .complex = ComplexUse::analytic,
                                        .commutative = true,
                                        .zero_grad = true};
  template <class V>
  PHINTYS_INLINE static typename V::mask body(V x, V y) {
    return x != y;
  }
};

struct Lt {
  static constexpr ElementwiseInfo info{.name = "lt",
                                        .arity = 2,
                                        .rule = DTypeRule::compare,
                                        .summary = "True where x is less than y.",
                                        .numpy = "numpy.less",
                                        .zero_grad = true};
  template <class V>
  PHINTYS_INLINE static typename V::mask body(V x, V y) {
    return x < y;
  }
};

struct Le {
  static constexpr ElementwiseInfo info{.name = "le",
                                        .arity = 2,
                                        .rule = DTypeRule::compare,
                                        .summary = "True where x is at most y.",
                                        .numpy = "numpy.less_equal",
                                        .zero_grad = true};
  template <class V>
  PHINTYS_INLINE static typename V::mask body(V x, V y) {
    return x <= y;
  }
};

struct Gt {
  static constexpr ElementwiseInfo info{.name = "gt",
                                        .arity = 2,
                                        .rule = DTypeRule::compare,
                                        .summary = "True where x is greater than y.",
                                        .numpy = "numpy.greater",
                                        .zero_grad = true};
  template <class V>
  PHINTYS_INLINE static typename V::mask body(V x, V y) {
    return x > y;
  }
};

struct Ge {
  static constexpr ElementwiseInfo info{.name = "ge",
                                        .arity = 2,
                                        .rule = DTypeRule::compare,
                                        .summary = "True where x is at least y.",
                                        .numpy = "numpy.greater_equal",
                                        .zero_grad = true};
  template <class V>
  PHINTYS_INLINE static typename V::mask body(V x, V y) {
    return x >= y;
  }
};

struct IsNan {
  static constexpr ElementwiseInfo info{.name = "isnan",
                                        .arity = 1,
                                        .rule = DTypeRule::predicate,
                                        .domain = Domain::floating,
                                        .summary = "True where x, or a part of it, is NaN.",
                                        .numpy = "numpy.isnan",
                                        .complex = ComplexUse::analytic,
                                        .zero_grad = true};
  template <class V>
  PHINTYS_INLINE static typename V::mask body(V x) {
    return x != x;
  }
};

struct IsInf {
  static constexpr ElementwiseInfo info{
      .name = "isinf",
      .arity = 1,
      .rule = DTypeRule::predicate,
      .domain = Domain::floating,
      .summary = "True where x, or a part of it, is an infinity of either sign.",
      .numpy = "numpy.isinf",
      .complex = ComplexUse::analytic,
      .zero_grad = true};
  template <class V>
  PHINTYS_INLINE static typename V::mask body(V x) {
    if constexpr (math::is_complex<V>) {
      return math::isinf(x);
    } else {
      using T = typename V::elem;
      return abs(x) == V::broadcast(static_cast<T>(__builtin_inff()));
    }
  }
};

using ComparisonOps = OpList<Eq, Neq, Lt, Le, Gt, Ge>;
using PredicateOps = OpList<IsNan, IsInf>;

}  // namespace phintys::ops
