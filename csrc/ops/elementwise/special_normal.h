// The normal distribution, and logarithms that would lose accuracy if written out.
#pragma once

#include "ops/elementwise/int_value.h"
#include "ops/elementwise/op_list.h"
#include "ops/math/special.h"

namespace phintys::ops {

struct Log1mExp {
  static constexpr ElementwiseInfo info{.name = "log1mexp",
                                        .arity = 1,
                                        .rule = DTypeRule::to_float,
                                        .domain = Domain::floating,
                                        .summary = "log(1 - exp(x)), for x < 0.",
                                        .heavy = true,
                                        .cost = 14.f,
                                        .test_low = -5.0,
                                        .test_high = -0.05};
  template <class V>
  PHINTYS_INLINE static V body(V x) {
    return math::log1mexp(x);
  }
  template <class E>
  static Grads<E, 1> grad(E x, E, E gz) {
    return {{-(gz / expm1(-x))}};
  }
};

struct Logit {
  static constexpr ElementwiseInfo info{.name = "logit",
                                        .arity = 1,
                                        .rule = DTypeRule::to_float,
                                        .domain = Domain::floating,
                                        .summary = "log(x / (1 - x)), the inverse of sigmoid.",
                                        .numpy = "scipy.special.logit",
                                        .heavy = true,
                                        .cost = 14.f,
                                        .test_low = 0.05,
                                        .test_high = 0.95};
  template <class V>
  PHINTYS_INLINE static V body(V x) {
    return math::logit(x);
  }
  template <class E>
  static Grads<E, 1> grad(E x, E, E gz) {
    return {{gz / (x * (1.0 - x))}};
  }
};

struct XLogY {
  static constexpr ElementwiseInfo info{.name = "xlogy",
                                        .arity = 2,
                                        .rule = DTypeRule::to_float,
                                        .domain = Domain::floating,
                                        .summary = "x * log(y); 0 where x = 0 and y is not NaN.",
                                        .numpy = "scipy.special.xlogy",
                                        .heavy = true,
                                        .cost = 9.f,
                                        .test_low = 0.05,
                                        .test_high = 4.0};
  template <class V>
  PHINTYS_INLINE static V body(V x, V y) {
    return math::xlogy(x, y);
  }
  template <class E>
  static Grads<E, 2> grad(E x, E y, E, E gz) {
    return {{gz * log(y), gz * x / y}};
  }
};

struct XLog1pY {
  static constexpr ElementwiseInfo info{
      .name = "xlog1py",
      .arity = 2,
      .rule = DTypeRule::to_float,
      .domain = Domain::floating,
      .summary = "x * log(1 + y); 0 where x = 0 and y is not NaN.",
      .numpy = "scipy.special.xlog1py",
      .heavy = true,
      .cost = 10.f,
      .test_low = -0.9,
      .test_high = 4.0};
  template <class V>
  PHINTYS_INLINE static V body(V x, V y) {
    return math::xlog1py(x, y);
  }
  template <class E>
  static Grads<E, 2> grad(E x, E y, E, E gz) {
    return {{gz * log1p(y), gz * x / (y + 1.0)}};
  }
};

struct Ndtr {
  static constexpr ElementwiseInfo info{
      .name = "ndtr",
      .arity = 1,
      .rule = DTypeRule::to_float,
      .domain = Domain::floating,
      .summary = "Distribution function of the normal distribution.",
      .numpy = "scipy.special.ndtr",
      .heavy = true,
      .cost = 24.f};
  template <class V>
  PHINTYS_INLINE static V body(V x) {
    return math::ndtr(x);
  }
  template <class E>
  static Grads<E, 1> grad(E x, E, E gz) {
    return {{gz * exp(sqr(x) * -0.5) * 0.3989422804014327}};
  }
};

struct LogNdtr {
  static constexpr ElementwiseInfo info{
      .name = "log_ndtr",
      .arity = 1,
      .rule = DTypeRule::to_float,
      .domain = Domain::floating,
      .summary = "Logarithm of the distribution function of the normal distribution.",
      .numpy = "scipy.special.log_ndtr",
      .heavy = true,
      .cost = 40.f};
  template <class V>
  PHINTYS_INLINE static V body(V x) {
    return math::log_ndtr(x);
  }
  template <class E>
  static Grads<E, 1> grad(E x, E, E gz) {
    return {{gz * 0.7978845608028654 / erfcx(x * -0.7071067811865476)}};
  }
};

struct Ndtri {
  static constexpr ElementwiseInfo info{.name = "ndtri",
                                        .arity = 1,
                                        .rule = DTypeRule::to_float,
                                        .domain = Domain::floating,
                                        .summary = "Quantile function of the normal distribution.",
                                        .numpy = "scipy.special.ndtri",
                                        .heavy = true,
                                        .cost = 24.f,
                                        .test_low = 0.05,
                                        .test_high = 0.95};
  template <class V>
  PHINTYS_INLINE static V body(V p) {
    return math::ndtri(p);
  }
  template <class E>
  static Grads<E, 1> grad(E, E z, E gz) {
    return {{gz * exp(sqr(z) * 0.5) * 2.5066282746310002}};
  }
};

struct NdtriExp {
  static constexpr ElementwiseInfo info{.name = "ndtri_exp",
                                        .arity = 1,
                                        .rule = DTypeRule::to_float,
                                        .domain = Domain::floating,
                                        .summary = "The x whose log_ndtr is y.",
                                        .numpy = "scipy.special.ndtri_exp",
                                        .heavy = true,
                                        .cost = 150.f,
                                        .test_low = -6.0,
                                        .test_high = -0.05};
  template <class V>
  PHINTYS_INLINE static V body(V y) {
    return math::ndtri_exp(y);
  }
  template <class E>
  static Grads<E, 1> grad(E, E z, E gz) {
    // The reciprocal of the derivative of log_ndtr.
    return {{gz * erfcx(z * -0.7071067811865476) * 1.2533141373155003}};
  }
};

struct OwensT {
  static constexpr ElementwiseInfo info{.name = "owens_t",
                                        .arity = 2,
                                        .rule = DTypeRule::to_float,
                                        .domain = Domain::floating,
                                        .summary = "Owen's T function.",
                                        .numpy = "scipy.special.owens_t",
                                        .heavy = true,
                                        .cost = 600.f};
  template <class V>
  PHINTYS_INLINE static V body(V h, V a) {
    return math::owens_t(h, a);
  }
  template <class E>
  static Grads<E, 2> grad(E h, E a, E, E gz) {
    const E grad_h = exp(sqr(h) * -0.5) * erf(h * a * 0.7071067811865476) * -0.19947114020071635;
    const E spread = sqr(a) + 1.0;
    const E grad_a = exp(sqr(h) * spread * -0.5) / spread * 0.15915494309189535;
    return {{gz * grad_h, gz * grad_a}};
  }
};

using NormalOps = OpList<Log1mExp, Logit, XLogY, XLog1pY, Ndtr, LogNdtr, Ndtri, NdtriExp, OwensT>;

}  // namespace phintys::ops
