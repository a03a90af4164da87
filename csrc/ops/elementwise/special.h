// Special functions.
#pragma once

#include "ops/elementwise/int_value.h"
#include "ops/elementwise/op_list.h"
#include "ops/math/math.h"

namespace phintys::ops {

struct Erf {
  static constexpr ElementwiseInfo info{.name = "erf",
                                        .arity = 1,
                                        .rule = DTypeRule::to_float,
                                        .domain = Domain::floating,
                                        .summary = "Error function of x.",
                                        .numpy = "scipy.special.erf",
                                        .heavy = true,
                                        .cost = 14.f};
  template <class V>
  PHINTYS_INLINE static V body(V x) {
    return math::erf(x);
  }
  template <class E>
  static Grads<E, 1> grad(E x, E, E gz) {
    return {{gz * exp(-sqr(x)) * 1.1283791670955126}};
  }
};

struct Erfc {
  static constexpr ElementwiseInfo info{
      .name = "erfc",
      .arity = 1,
      .rule = DTypeRule::to_float,
      .domain = Domain::floating,
      .summary = "Complementary error function 1 - erf(x), accurate for large x.",
      .numpy = "scipy.special.erfc",
      .heavy = true,
      .cost = 20.f};
  template <class V>
  PHINTYS_INLINE static V body(V x) {
    return math::erfc(x);
  }
  template <class E>
  static Grads<E, 1> grad(E x, E, E gz) {
    return {{-(gz * exp(-sqr(x)) * 1.1283791670955126)}};
  }
};

struct Erfcx {
  static constexpr ElementwiseInfo info{
      .name = "erfcx",
      .arity = 1,
      .rule = DTypeRule::to_float,
      .domain = Domain::floating,
      .summary = "Scaled complementary error function exp(x^2) erfc(x).",
      .numpy = "scipy.special.erfcx",
      .heavy = true,
      .cost = 20.f};
  template <class V>
  PHINTYS_INLINE static V body(V x) {
    return math::erfcx(x);
  }
  template <class E>
  static Grads<E, 1> grad(E x, E z, E gz) {
    // DLMF 7.10.3: the product rule on exp(x^2) erfc(x).
    return {{gz * (x * z * 2.0 - 1.1283791670955126)}};
  }
};

struct Erfinv {
  static constexpr ElementwiseInfo info{.name = "erfinv",
                                        .arity = 1,
                                        .rule = DTypeRule::to_float,
                                        .domain = Domain::floating,
                                        .summary = "Inverse of erf.",
                                        .numpy = "scipy.special.erfinv",
                                        .heavy = true,
                                        .cost = 20.f,
                                        .test_low = -0.95,
                                        .test_high = 0.95};
  template <class V>
  PHINTYS_INLINE static V body(V x) {
    return math::erfinv(x);
  }
  template <class E>
  static Grads<E, 1> grad(E, E z, E gz) {
    // The reciprocal of erf'(z) = 2 / sqrt(pi) exp(-z^2), DLMF 7.2.1.
    return {{gz * exp(sqr(z)) * 0.886226925452758}};
  }
};

struct Erfcinv {
  static constexpr ElementwiseInfo info{.name = "erfcinv",
                                        .arity = 1,
                                        .rule = DTypeRule::to_float,
                                        .domain = Domain::floating,
                                        .summary = "Inverse of erfc.",
                                        .numpy = "scipy.special.erfcinv",
                                        .heavy = true,
                                        .cost = 20.f,
                                        .test_low = 0.05,
                                        .test_high = 1.95};
  template <class V>
  PHINTYS_INLINE static V body(V x) {
    return math::erfcinv(x);
  }
  template <class E>
  static Grads<E, 1> grad(E, E z, E gz) {
    return {{-(gz * exp(sqr(z)) * 0.886226925452758)}};
  }
};

using SpecialOps = OpList<Erf, Erfc, Erfcx, Erfinv, Erfcinv>;

}  // namespace phintys::ops
