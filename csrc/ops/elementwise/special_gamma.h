// The gamma function and what derives from it.
#pragma once

#include "ops/elementwise/int_value.h"
#include "ops/elementwise/op_list.h"
#include "ops/math/special.h"

namespace phintys::ops {

struct GammaLn {
  static constexpr ElementwiseInfo info{
      .name = "gammaln",
      .arity = 1,
      .rule = DTypeRule::to_float,
      .domain = Domain::floating,
      .summary = "Logarithm of the absolute value of the gamma function.",
      .numpy = "scipy.special.gammaln",
      .heavy = true,
      .cost = 40.f,
      .test_low = 0.05,
      .test_high = 9.0};
  template <class V>
  PHINTYS_INLINE static V body(V x) {
    return math::gammaln(x);
  }
  template <class E>
  static Grads<E, 1> grad(E x, E, E gz) {
    return {{gz * psi(x)}};
  }
};

struct Gamma {
  static constexpr ElementwiseInfo info{.name = "gamma",
                                        .arity = 1,
                                        .rule = DTypeRule::to_float,
                                        .domain = Domain::floating,
                                        .summary = "Gamma function.",
                                        .numpy = "scipy.special.gamma",
                                        .heavy = true,
                                        .cost = 50.f,
                                        .test_low = 0.05,
                                        .test_high = 6.0};
  template <class V>
  PHINTYS_INLINE static V body(V x) {
    return math::gamma(x);
  }
  template <class E>
  static Grads<E, 1> grad(E x, E z, E gz) {
    return {{gz * z * psi(x)}};
  }
};

struct Psi {
  static constexpr ElementwiseInfo info{.name = "psi",
                                        .arity = 1,
                                        .rule = DTypeRule::to_float,
                                        .domain = Domain::floating,
                                        .summary = "Digamma function, the derivative of gammaln.",
                                        .numpy = "scipy.special.psi",
                                        .heavy = true,
                                        .cost = 35.f,
                                        .test_low = 0.05,
                                        .test_high = 9.0};
  template <class V>
  PHINTYS_INLINE static V body(V x) {
    return math::digamma(x);
  }
  template <class E>
  static Grads<E, 1> grad(E x, E, E gz) {
    return {{gz * tri_gamma(x)}};
  }
};

struct TriGamma {
  static constexpr ElementwiseInfo info{.name = "tri_gamma",
                                        .arity = 1,
                                        .rule = DTypeRule::to_float,
                                        .domain = Domain::floating,
                                        .summary = "Trigamma function, the derivative of psi.",
                                        .heavy = true,
                                        .cost = 20.f,
                                        .test_low = 0.05,
                                        .test_high = 9.0};
  template <class V>
  PHINTYS_INLINE static V body(V x) {
    return math::trigamma(x);
  }
  template <class E>
  static Grads<E, 1> grad(E x, E, E gz) {
    return {{gz * polygamma(2.0, x)}};
  }
};

struct PolyGamma {
  static constexpr ElementwiseInfo info{
      .name = "polygamma",
      .arity = 2,
      .rule = DTypeRule::to_float,
      .domain = Domain::floating,
      .summary = "The nth derivative of psi at x, for integers n >= 0.",
      .heavy = true,
      .cost = 400.f,
      .test_low = 0.5,
      .test_high = 9.0};
  template <class V>
  PHINTYS_INLINE static V body(V n, V x) {
    return math::polygamma(n, x);
  }
  template <class E>
  static Grads<E, 2> grad(E n, E x, E, E gz) {
    return {{order_gradient("polygamma", n), gz * polygamma(n + 1.0, x)}};
  }
};

struct BetaLn {
  static constexpr ElementwiseInfo info{
      .name = "betaln",
      .arity = 2,
      .rule = DTypeRule::to_float,
      .domain = Domain::floating,
      .summary = "Logarithm of the absolute value of the beta function.",
      .numpy = "scipy.special.betaln",
      .commutative = true,
      .heavy = true,
      .cost = 150.f,
      .test_low = 0.05,
      .test_high = 9.0};
  template <class V>
  PHINTYS_INLINE static V body(V a, V b) {
    return math::betaln(a, b);
  }
  template <class E>
  static Grads<E, 2> grad(E a, E b, E, E gz) {
    const E both = psi(a + b);
    return {{gz * (psi(a) - both), gz * (psi(b) - both)}};
  }
};

struct Beta {
  static constexpr ElementwiseInfo info{
      .name = "beta",
      .arity = 2,
      .rule = DTypeRule::to_float,
      .domain = Domain::floating,
      .summary = "Beta function gamma(a) gamma(b) / gamma(a + b).",
      .numpy = "scipy.special.beta",
      .commutative = true,
      .heavy = true,
      .cost = 160.f,
      .test_low = 0.05,
      .test_high = 9.0};
  template <class V>
  PHINTYS_INLINE static V body(V a, V b) {
    return math::beta(a, b);
  }
  template <class E>
  static Grads<E, 2> grad(E a, E b, E z, E gz) {
    const E both = psi(a + b);
    return {{gz * z * (psi(a) - both), gz * z * (psi(b) - both)}};
  }
};

struct SinC {
  static constexpr ElementwiseInfo info{.name = "sinc",
                                        .arity = 1,
                                        .rule = DTypeRule::to_float,
                                        .domain = Domain::floating,
                                        .summary = "sin(pi x) / (pi x), 1 at 0.",
                                        .numpy = "numpy.sinc",
                                        .heavy = true,
                                        .cost = 12.f};
  template <class V>
  PHINTYS_INLINE static V body(V x) {
    return math::sinc(x);
  }
  template <class E>
  static Grads<E, 1> grad(E x, E z, E gz) {
    // (cos(pi x) - z) / x; near 0, where that cancels, its series.
    const E square = sqr(x);
    const E near = x * (square * (square * -0.6029044843525 + 3.2469697011334) - 3.2898681336964);
    const E far = (cos(x * 3.141592653589793) - z) / x;
    return {{gz * switch_(lt(abs_(x), full_like(0.01, x, x.dtype())), near, far)}};
  }
};

using GammaOps = OpList<GammaLn, Gamma, Psi, TriGamma, PolyGamma, BetaLn, Beta, SinC>;

}  // namespace phintys::ops
