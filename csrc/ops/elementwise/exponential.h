// Exponentials and logarithms.
#pragma once

#include "ops/elementwise/arithmetic.h"
#include "ops/elementwise/int_value.h"
#include "ops/elementwise/op_list.h"
#include "ops/math/math.h"

namespace phintys::ops {

struct Exp {
  static constexpr ElementwiseInfo info{.name = "exp",
                                        .arity = 1,
                                        .rule = DTypeRule::to_float,
                                        .domain = Domain::floating,
                                        .summary = "e to the power x.",
                                        .numpy = "numpy.exp",
                                        .complex = ComplexUse::analytic,
                                        .heavy = true,
                                        .cost = 6.f};
  template <class V>
  PHINTYS_INLINE static V body(V x) {
    return math::exp(x);
  }
  template <class E>
  static Grads<E, 1> grad(E, E z, E gz) {
    return {{gz * z}};
  }
};

struct Exp2 {
  static constexpr ElementwiseInfo info{.name = "exp2",
                                        .arity = 1,
                                        .rule = DTypeRule::to_float,
                                        .domain = Domain::floating,
                                        .summary = "2 to the power x.",
                                        .numpy = "numpy.exp2",
                                        .complex = ComplexUse::analytic,
                                        .heavy = true,
                                        .cost = 6.f};
  template <class V>
  PHINTYS_INLINE static V body(V x) {
    return math::exp2(x);
  }
  template <class E>
  static Grads<E, 1> grad(E, E z, E gz) {
    return {{gz * z * 0.6931471805599453}};
  }
};

struct Expm1 {
  static constexpr ElementwiseInfo info{.name = "expm1",
                                        .arity = 1,
                                        .rule = DTypeRule::to_float,
                                        .domain = Domain::floating,
                                        .summary = "exp(x) - 1, accurate near zero.",
                                        .numpy = "numpy.expm1",
                                        .complex = ComplexUse::analytic,
                                        .heavy = true,
                                        .cost = 8.f};
  template <class V>
  PHINTYS_INLINE static V body(V x) {
    return math::expm1(x);
  }
  template <class E>
  static Grads<E, 1> grad(E, E z, E gz) {
    return {{gz * (z + 1.0)}};
  }
};

struct Log {
  static constexpr ElementwiseInfo info{.name = "log",
                                        .arity = 1,
                                        .rule = DTypeRule::to_float,
                                        .domain = Domain::floating,
                                        .summary = "Natural logarithm of x.",
                                        .numpy = "numpy.log",
                                        .complex = ComplexUse::analytic,
                                        .heavy = true,
                                        .cost = 8.f,
                                        .test_low = 0.05,
                                        .test_high = 8.0};
  template <class V>
  PHINTYS_INLINE static V body(V x) {
    return math::log(x);
  }
  template <class E>
  static Grads<E, 1> grad(E x, E, E gz) {
    return {{gz / x}};
  }
};

struct Log2 {
  static constexpr ElementwiseInfo info{.name = "log2",
                                        .arity = 1,
                                        .rule = DTypeRule::to_float,
                                        .domain = Domain::floating,
                                        .summary = "Logarithm of x to base 2.",
                                        .numpy = "numpy.log2",
                                        .complex = ComplexUse::analytic,
                                        .heavy = true,
                                        .cost = 8.f,
                                        .test_low = 0.05,
                                        .test_high = 8.0};
  template <class V>
  PHINTYS_INLINE static V body(V x) {
    return math::log2(x);
  }
  template <class E>
  static Grads<E, 1> grad(E x, E, E gz) {
    return {{gz / (x * 0.6931471805599453)}};
  }
};

struct Log10 {
  static constexpr ElementwiseInfo info{.name = "log10",
                                        .arity = 1,
                                        .rule = DTypeRule::to_float,
                                        .domain = Domain::floating,
                                        .summary = "Logarithm of x to base 10.",
                                        .numpy = "numpy.log10",
                                        .complex = ComplexUse::analytic,
                                        .heavy = true,
                                        .cost = 8.f,
                                        .test_low = 0.05,
                                        .test_high = 8.0};
  template <class V>
  PHINTYS_INLINE static V body(V x) {
    return math::log10(x);
  }
  template <class E>
  static Grads<E, 1> grad(E x, E, E gz) {
    return {{gz / (x * 2.302585092994046)}};
  }
};

struct Log1p {
  static constexpr ElementwiseInfo info{.name = "log1p",
                                        .arity = 1,
                                        .rule = DTypeRule::to_float,
                                        .domain = Domain::floating,
                                        .summary = "log(1 + x), accurate near zero.",
                                        .numpy = "numpy.log1p",
                                        .complex = ComplexUse::analytic,
                                        .heavy = true,
                                        .cost = 8.f,
                                        .test_low = -0.9};
  template <class V>
  PHINTYS_INLINE static V body(V x) {
    return math::log1p(x);
  }
  template <class E>
  static Grads<E, 1> grad(E x, E, E gz) {
    return {{gz / (x + 1.0)}};
  }
};

struct Sigmoid {
  static constexpr ElementwiseInfo info{.name = "sigmoid",
                                        .arity = 1,
                                        .rule = DTypeRule::to_float,
                                        .domain = Domain::floating,
                                        .summary = "Logistic function 1 / (1 + exp(-x)).",
                                        .numpy = "scipy.special.expit",
                                        .heavy = true,
                                        .cost = 8.f};
  template <class V>
  PHINTYS_INLINE static V body(V x) {
    return math::sigmoid(x);
  }
  template <class E>
  static Grads<E, 1> grad(E, E z, E gz) {
    return {{gz * z * (1.0 - z)}};
  }
};

struct Softplus {
  static constexpr ElementwiseInfo info{.name = "softplus",
                                        .arity = 1,
                                        .rule = DTypeRule::to_float,
                                        .domain = Domain::floating,
                                        .summary = "log(1 + exp(x)), without overflow.",
                                        .heavy = true,
                                        .cost = 12.f};
  template <class V>
  PHINTYS_INLINE static V body(V x) {
    return math::softplus(x);
  }
  template <class E>
  static Grads<E, 1> grad(E x, E, E gz) {
    return {{gz * sigmoid(x)}};
  }
};

struct LogAddExp {
  static constexpr ElementwiseInfo info{.name = "logaddexp",
                                        .arity = 2,
                                        .rule = DTypeRule::to_float,
                                        .domain = Domain::floating,
                                        .summary = "log(exp(x) + exp(y)), without overflow.",
                                        .numpy = "numpy.logaddexp",
                                        .commutative = true,
                                        .heavy = true,
                                        .cost = 14.f};
  template <class V>
  PHINTYS_INLINE static V body(V x, V y) {
    using T = typename V::elem;
    // Apart, because two equal infinities differ by NaN.
    const V twice = x + V::broadcast(static_cast<T>(0.6931471805599453));
    return select(x == y, twice, maximum_of(x, y) + math::softplus(-abs(x - y)));
  }
  template <class E>
  static Grads<E, 2> grad(E x, E y, E, E gz) {
    return {{gz * sigmoid(x - y), gz * sigmoid(y - x)}};
  }
};

struct XLogX {
  static constexpr ElementwiseInfo info{.name = "xlogx",
                                        .arity = 1,
                                        .rule = DTypeRule::to_float,
                                        .domain = Domain::floating,
                                        .summary = "x * log(x); 0 at x = 0.",
                                        .heavy = true,
                                        .cost = 9.f,
                                        .test_low = 0.05};
  template <class V>
  PHINTYS_INLINE static V body(V x) {
    const V zero = V::broadcast(0);
    return select(x == zero, zero, x * math::log(x));
  }
  template <class E>
  static Grads<E, 1> grad(E x, E, E gz) {
    return {{gz * (log(x) + 1.0)}};
  }
};

struct XLogY0 {
  static constexpr ElementwiseInfo info{.name = "xlogy0",
                                        .arity = 2,
                                        .rule = DTypeRule::to_float,
                                        .domain = Domain::floating,
                                        .summary = "x * log(y); 0 wherever x = 0.",
                                        .heavy = true,
                                        .cost = 9.f,
                                        .test_low = 0.05};
  template <class V>
  PHINTYS_INLINE static V body(V x, V y) {
    const V zero = V::broadcast(0);
    return select(x == zero, zero, x * math::log(y));
  }
  template <class E>
  static Grads<E, 2> grad(E x, E y, E, E gz) {
    return {{gz * log(y), gz * x / y}};
  }
};

using ExponentialOps =
    OpList<Exp, Exp2, Expm1, Log, Log2, Log10, Log1p, Sigmoid, Softplus, LogAddExp, XLogX, XLogY0>;

}  // namespace phintys::ops
