// Circular functions and their inverses.
#pragma once

#include "ops/elementwise/int_value.h"
#include "ops/elementwise/op_list.h"
#include "ops/math/math.h"

namespace phintys::ops {

struct Sin {
  static constexpr ElementwiseInfo info{.name = "sin",
                                        .arity = 1,
                                        .rule = DTypeRule::to_float,
                                        .domain = Domain::floating,
                                        .summary = "Sine of x.",
                                        .numpy = "numpy.sin",
                                        .complex = ComplexUse::analytic,
                                        .heavy = true,
                                        .cost = 8.f};
  template <class V>
  PHINTYS_INLINE static V body(V x) {
    return math::sin(x);
  }
  template <class E>
  static Grads<E, 1> grad(E x, E, E gz) {
    return {{gz * cos(x)}};
  }
};

struct Cos {
  static constexpr ElementwiseInfo info{.name = "cos",
                                        .arity = 1,
                                        .rule = DTypeRule::to_float,
                                        .domain = Domain::floating,
                                        .summary = "Cosine of x.",
                                        .numpy = "numpy.cos",
                                        .complex = ComplexUse::analytic,
                                        .heavy = true,
                                        .cost = 8.f};
  template <class V>
  PHINTYS_INLINE static V body(V x) {
    return math::cos(x);
  }
  template <class E>
  static Grads<E, 1> grad(E x, E, E gz) {
    return {{-(gz * sin(x))}};
  }
};

struct Tan {
  static constexpr ElementwiseInfo info{.name = "tan",
                                        .arity = 1,
                                        .rule = DTypeRule::to_float,
                                        .domain = Domain::floating,
                                        .summary = "Tangent of x.",
                                        .numpy = "numpy.tan",
                                        .complex = ComplexUse::analytic,
                                        .heavy = true,
                                        .cost = 12.f,
                                        .test_low = -1.4,
                                        .test_high = 1.4};
  template <class V>
  PHINTYS_INLINE static V body(V x) {
    return math::tan(x);
  }
  template <class E>
  static Grads<E, 1> grad(E, E z, E gz) {
    return {{gz * (sqr(z) + 1.0)}};
  }
};

struct ArcSin {
  static constexpr ElementwiseInfo info{.name = "arcsin",
                                        .arity = 1,
                                        .rule = DTypeRule::to_float,
                                        .domain = Domain::floating,
                                        .summary = "Inverse sine of x.",
                                        .numpy = "numpy.arcsin",
                                        .complex = ComplexUse::analytic,
                                        .heavy = true,
                                        .cost = 10.f,
                                        .test_low = -0.95,
                                        .test_high = 0.95};
  template <class V>
  PHINTYS_INLINE static V body(V x) {
    return math::asin(x);
  }
  template <class E>
  static Grads<E, 1> grad(E x, E, E gz) {
    return {{gz / sqrt(1.0 - sqr(x))}};
  }
};

struct ArcCos {
  static constexpr ElementwiseInfo info{.name = "arccos",
                                        .arity = 1,
                                        .rule = DTypeRule::to_float,
                                        .domain = Domain::floating,
                                        .summary = "Inverse cosine of x.",
                                        .numpy = "numpy.arccos",
                                        .complex = ComplexUse::analytic,
                                        .heavy = true,
                                        .cost = 10.f,
                                        .test_low = -0.95,
                                        .test_high = 0.95};
  template <class V>
  PHINTYS_INLINE static V body(V x) {
    return math::acos(x);
  }
  template <class E>
  static Grads<E, 1> grad(E x, E, E gz) {
    return {{-(gz / sqrt(1.0 - sqr(x)))}};
  }
};

struct ArcTan {
  static constexpr ElementwiseInfo info{.name = "arctan",
                                        .arity = 1,
                                        .rule = DTypeRule::to_float,
                                        .domain = Domain::floating,
                                        .summary = "Inverse tangent of x.",
                                        .numpy = "numpy.arctan",
                                        .complex = ComplexUse::analytic,
                                        .heavy = true,
                                        .cost = 10.f};
  template <class V>
  PHINTYS_INLINE static V body(V x) {
    return math::atan(x);
  }
  template <class E>
  static Grads<E, 1> grad(E x, E, E gz) {
    return {{gz / (sqr(x) + 1.0)}};
  }
};

struct ArcTan2 {
  static constexpr ElementwiseInfo info{
      .name = "arctan2",
      .arity = 2,
      .rule = DTypeRule::to_float,
      .domain = Domain::floating,
      .summary = "Inverse tangent of x / y, in the quadrant of the point (y, x).",
      .numpy = "numpy.arctan2",
      .heavy = true,
      .cost = 14.f};
  template <class V>
  PHINTYS_INLINE static V body(V x, V y) {
    return math::atan2(x, y);
  }
  template <class E>
  static Grads<E, 2> grad(E x, E y, E, E gz) {
    const E r2 = sqr(x) + sqr(y);
    return {{gz * y / r2, -(gz * x / r2)}};
  }
};

struct Deg2Rad {
  static constexpr ElementwiseInfo info{.name = "deg2rad",
                                        .arity = 1,
                                        .rule = DTypeRule::to_float,
                                        .domain = Domain::floating,
                                        .summary = "Degrees to radians.",
                                        .numpy = "numpy.deg2rad"};
  template <class V>
  PHINTYS_INLINE static V body(V x) {
    using T = typename V::elem;
    return x * V::broadcast(static_cast<T>(0.017453292519943295));
  }
  template <class E>
  static Grads<E, 1> grad(E, E, E gz) {
    return {{gz * 0.017453292519943295}};
  }
};

struct Rad2Deg {
  static constexpr ElementwiseInfo info{.name = "rad2deg",
                                        .arity = 1,
                                        .rule = DTypeRule::to_float,
                                        .domain = Domain::floating,
                                        .summary = "Radians to degrees.",
                                        .numpy = "numpy.rad2deg"};
  template <class V>
  PHINTYS_INLINE static V body(V x) {
    using T = typename V::elem;
    return x * V::broadcast(static_cast<T>(57.29577951308232));
  }
  template <class E>
  static Grads<E, 1> grad(E, E, E gz) {
    return {{gz * 57.29577951308232}};
  }
};

using TrigonometricOps = OpList<Sin, Cos, Tan, ArcSin, ArcCos, ArcTan, ArcTan2>;
using AngleOps = OpList<Deg2Rad, Rad2Deg>;

}  // namespace phintys::ops
