// Hyperbolic functions and their inverses.
#pragma once

#include "ops/elementwise/int_value.h"
#include "ops/elementwise/op_list.h"
#include "ops/math/math.h"

namespace phintys::ops {

struct Sinh {
  static constexpr ElementwiseInfo info{.name = "sinh",
                                        .arity = 1,
                                        .rule = DTypeRule::to_float,
                                        .domain = Domain::floating,
                                        .summary = "Hyperbolic sine of x.",
                                        .numpy = "numpy.sinh",
                                        .complex = ComplexUse::analytic,
                                        .heavy = true,
                                        .cost = 10.f};
  template <class V>
  PHINTYS_INLINE static V body(V x) {
    return math::sinh(x);
  }
  template <class E>
  static Grads<E, 1> grad(E x, E, E gz) {
    return {{gz * cosh(x)}};
  }
};

struct Cosh {
  static constexpr ElementwiseInfo info{.name = "cosh",
                                        .arity = 1,
                                        .rule = DTypeRule::to_float,
                                        .domain = Domain::floating,
                                        .summary = "Hyperbolic cosine of x.",
                                        .numpy = "numpy.cosh",
                                        .complex = ComplexUse::analytic,
                                        .heavy = true,
                                        .cost = 10.f};
  template <class V>
  PHINTYS_INLINE static V body(V x) {
    return math::cosh(x);
  }
  template <class E>
  static Grads<E, 1> grad(E x, E, E gz) {
    return {{gz * sinh(x)}};
  }
};

struct Tanh {
  static constexpr ElementwiseInfo info{.name = "tanh",
                                        .arity = 1,
                                        .rule = DTypeRule::to_float,
                                        .domain = Domain::floating,
                                        .summary = "Hyperbolic tangent of x.",
                                        .numpy = "numpy.tanh",
                                        .complex = ComplexUse::analytic,
                                        .heavy = true,
                                        .cost = 8.f};
  template <class V>
  PHINTYS_INLINE static V body(V x) {
    return math::tanh(x);
  }
  template <class E>
  static Grads<E, 1> grad(E, E z, E gz) {
    return {{gz * (1.0 - sqr(z))}};
  }
};

struct ArcSinh {
  static constexpr ElementwiseInfo info{.name = "arcsinh",
                                        .arity = 1,
                                        .rule = DTypeRule::to_float,
                                        .domain = Domain::floating,
                                        .summary = "Inverse hyperbolic sine of x.",
                                        .numpy = "numpy.arcsinh",
                                        .complex = ComplexUse::analytic,
                                        .heavy = true,
                                        .cost = 14.f};
  template <class V>
  PHINTYS_INLINE static V body(V x) {
    return math::asinh(x);
  }
  template <class E>
  static Grads<E, 1> grad(E x, E, E gz) {
    return {{gz / sqrt(sqr(x) + 1.0)}};
  }
};

struct ArcCosh {
  static constexpr ElementwiseInfo info{.name = "arccosh",
                                        .arity = 1,
                                        .rule = DTypeRule::to_float,
                                        .domain = Domain::floating,
                                        .summary = "Inverse hyperbolic cosine of x.",
                                        .numpy = "numpy.arccosh",
                                        .complex = ComplexUse::analytic,
                                        .heavy = true,
                                        .cost = 14.f,
                                        .test_low = 1.1,
                                        .test_high = 8.0};
  template <class V>
  PHINTYS_INLINE static V body(V x) {
    return math::acosh(x);
  }
  template <class E>
  static Grads<E, 1> grad(E x, E, E gz) {
    // Of complex x the root of x^2 - 1 would have the wrong sign to the left.
    return {{gz / (sqrt(x - 1.0) * sqrt(x + 1.0))}};
  }
};

struct ArcTanh {
  static constexpr ElementwiseInfo info{.name = "arctanh",
                                        .arity = 1,
                                        .rule = DTypeRule::to_float,
                                        .domain = Domain::floating,
                                        .summary = "Inverse hyperbolic tangent of x.",
                                        .numpy = "numpy.arctanh",
                                        .complex = ComplexUse::analytic,
                                        .heavy = true,
                                        .cost = 12.f,
                                        .test_low = -0.95,
                                        .test_high = 0.95};
  template <class V>
  PHINTYS_INLINE static V body(V x) {
    return math::atanh(x);
  }
  template <class E>
  static Grads<E, 1> grad(E x, E, E gz) {
    return {{gz / (1.0 - sqr(x))}};
  }
};

using HyperbolicOps = OpList<Sinh, Cosh, Tanh, ArcSinh, ArcCosh, ArcTanh>;

}  // namespace phintys::ops
