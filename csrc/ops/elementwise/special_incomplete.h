// Incomplete gamma and beta functions, their derivatives and inverses.
#pragma once

#include "ops/elementwise/int_value.h"
#include "ops/elementwise/op_list.h"
#include "ops/math/special.h"

namespace phintys::ops {

struct GammaInc {
  static constexpr ElementwiseInfo info{
      .name = "gammainc",
      .arity = 2,
      .rule = DTypeRule::to_float,
      .domain = Domain::floating,
      .summary = "Regularised lower incomplete gamma function P(a, x).",
      .numpy = "scipy.special.gammainc",
      .heavy = true,
      .cost = 250.f,
      .test_low = 0.05,
      .test_high = 9.0};
  template <class V>
  PHINTYS_INLINE static V body(V a, V x) {
    return math::gammainc(a, x);
  }
  template <class E>
  static Grads<E, 2> grad(E a, E x, E, E gz) {
    return {{gz * gammainc_grad(a, x), gz * gammainc_density(a, x)}};
  }
};

struct GammaIncC {
  static constexpr ElementwiseInfo info{
      .name = "gammaincc",
      .arity = 2,
      .rule = DTypeRule::to_float,
      .domain = Domain::floating,
      .summary = "Regularised upper incomplete gamma function Q(a, x) = 1 - P(a, x).",
      .numpy = "scipy.special.gammaincc",
      .heavy = true,
      .cost = 250.f,
      .test_low = 0.05,
      .test_high = 9.0};
  template <class V>
  PHINTYS_INLINE static V body(V a, V x) {
    return math::gammaincc(a, x);
  }
  template <class E>
  static Grads<E, 2> grad(E a, E x, E, E gz) {
    return {{-(gz * gammainc_grad(a, x)), -(gz * gammainc_density(a, x))}};
  }
};

struct GammaIncDensity {
  static constexpr ElementwiseInfo info{.name = "gammainc_density",
                                        .arity = 2,
                                        .rule = DTypeRule::to_float,
                                        .domain = Domain::floating,
                                        .summary = "Derivative of gammainc by x.",
                                        .heavy = true,
                                        .internal = true,
                                        .cost = 120.f,
                                        .test_low = 0.05,
                                        .test_high = 9.0};
  template <class V>
  PHINTYS_INLINE static V body(V a, V x) {
    return math::gammainc_density(a, x);
  }
  template <class E>
  static Grads<E, 2> grad(E a, E x, E z, E gz) {
    return {{gz * z * (log(x) - psi(a)), gz * z * ((a - 1.0) / x - 1.0)}};
  }
};

struct GammaIncGrad {
  static constexpr ElementwiseInfo info{.name = "gammainc_grad",
                                        .arity = 2,
                                        .rule = DTypeRule::to_float,
                                        .domain = Domain::floating,
                                        .summary = "Derivative of gammainc by a.",
                                        .heavy = true,
                                        .internal = true,
                                        .cost = 4000.f,
                                        .test_low = 0.05,
                                        .test_high = 9.0};
  template <class V>
  PHINTYS_INLINE static V body(V a, V x) {
    return math::gammainc_grad(a, x);
  }
  template <class E>
  static Grads<E, 2> grad(E a, E x, E, E gz) {
    return {{order_gradient("gammainc_grad", a), gz * gammainc_density(a, x) * (log(x) - psi(a))}};
  }
};

struct BetaInc {
  static constexpr ElementwiseInfo info{
      .name = "betainc",
      .arity = 3,
      .rule = DTypeRule::to_float,
      .domain = Domain::floating,
      .summary = "Regularised incomplete beta function I_x(a, b).",
      .numpy = "scipy.special.betainc",
      .heavy = true,
      .cost = 800.f,
      .test_low = 0.05,
      .test_high = 0.95};
  template <class V>
  PHINTYS_INLINE static V body(V a, V b, V x) {
    return math::betainc(a, b, x);
  }
  template <class E>
  static Grads<E, 3> grad(E a, E b, E x, E, E gz) {
    const E grad_b = -betainc_grad(b, a, 1.0 - x);
    return {{gz * betainc_grad(a, b, x), gz * grad_b, gz * betainc_density(a, b, x)}};
  }
};

struct BetaIncDensity {
  static constexpr ElementwiseInfo info{.name = "betainc_density",
                                        .arity = 3,
                                        .rule = DTypeRule::to_float,
                                        .domain = Domain::floating,
                                        .summary = "Derivative of betainc by x.",
                                        .heavy = true,
                                        .internal = true,
                                        .cost = 200.f,
                                        .test_low = 0.05,
                                        .test_high = 0.95};
  template <class V>
  PHINTYS_INLINE static V body(V a, V b, V x) {
    return math::betainc_density(a, b, x);
  }
  template <class E>
  static Grads<E, 3> grad(E a, E b, E x, E z, E gz) {
    const E both = psi(a + b);
    const E scaled = gz * z;
    const E grad_x = scaled * ((a - 1.0) / x - (b - 1.0) / (1.0 - x));
    return {{scaled * (log(x) - psi(a) + both), scaled * (log1p(-x) - psi(b) + both), grad_x}};
  }
};

struct BetaIncGrad {
  static constexpr ElementwiseInfo info{.name = "betainc_grad",
                                        .arity = 3,
                                        .rule = DTypeRule::to_float,
                                        .domain = Domain::floating,
                                        .summary = "Derivative of betainc by a.",
                                        .heavy = true,
                                        .internal = true,
                                        .cost = 6000.f,
                                        .test_low = 0.05,
                                        .test_high = 0.95};
  template <class V>
  PHINTYS_INLINE static V body(V a, V b, V x) {
    return math::betainc_grad(a, b, x);
  }
  template <class E>
  static Grads<E, 3> grad(E a, E b, E x, E, E gz) {
    const E grad_x = betainc_density(a, b, x) * (log(x) - psi(a) + psi(a + b));
    return {{order_gradient("betainc_grad", a), order_gradient("betainc_grad", b), gz * grad_x}};
  }
};

struct GammaIncInv {
  static constexpr ElementwiseInfo info{.name = "gammaincinv",
                                        .arity = 2,
                                        .rule = DTypeRule::to_float,
                                        .domain = Domain::floating,
                                        .summary = "The x at which gammainc(a, x) is p.",
                                        .numpy = "scipy.special.gammaincinv",
                                        .heavy = true,
                                        .cost = 2000.f,
                                        .test_low = 0.1,
                                        .test_high = 0.9};
  template <class V>
  PHINTYS_INLINE static V body(V a, V p) {
    return math::gammaincinv(a, p);
  }
  template <class E>
  static Grads<E, 2> grad(E a, E, E z, E gz) {
    const E scaled = gz / gammainc_density(a, z);
    return {{-(scaled * gammainc_grad(a, z)), scaled}};
  }
};

struct GammaIncCInv {
  static constexpr ElementwiseInfo info{.name = "gammainccinv",
                                        .arity = 2,
                                        .rule = DTypeRule::to_float,
                                        .domain = Domain::floating,
                                        .summary = "The x at which gammaincc(a, x) is q.",
                                        .numpy = "scipy.special.gammainccinv",
                                        .heavy = true,
                                        .cost = 2000.f,
                                        .test_low = 0.1,
                                        .test_high = 0.9};
  template <class V>
  PHINTYS_INLINE static V body(V a, V q) {
    return math::gammainccinv(a, q);
  }
  template <class E>
  static Grads<E, 2> grad(E a, E, E z, E gz) {
    const E scaled = gz / gammainc_density(a, z);
    return {{-(scaled * gammainc_grad(a, z)), -scaled}};
  }
};

struct BetaIncInv {
  static constexpr ElementwiseInfo info{.name = "betaincinv",
                                        .arity = 3,
                                        .rule = DTypeRule::to_float,
                                        .domain = Domain::floating,
                                        .summary = "The x at which betainc(a, b, x) is p.",
                                        .numpy = "scipy.special.betaincinv",
                                        .heavy = true,
                                        .cost = 4000.f,
                                        .test_low = 0.1,
                                        .test_high = 0.9};
  template <class V>
  PHINTYS_INLINE static V body(V a, V b, V p) {
    return math::betaincinv(a, b, p);
  }
  template <class E>
  static Grads<E, 3> grad(E a, E b, E, E z, E gz) {
    const E scaled = gz / betainc_density(a, b, z);
    return {{-(scaled * betainc_grad(a, b, z)), scaled * betainc_grad(b, a, 1.0 - z), scaled}};
  }
};

using IncompleteOps = OpList<GammaInc, GammaIncC, GammaIncDensity, GammaIncGrad, BetaInc,
                             BetaIncDensity, BetaIncGrad, GammaIncInv, GammaIncCInv, BetaIncInv>;

}  // namespace phintys::ops
