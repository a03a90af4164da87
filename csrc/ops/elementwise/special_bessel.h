// Bessel functions.
#pragma once

#include "ops/elementwise/int_value.h"
#include "ops/elementwise/op_list.h"
#include "ops/math/special.h"

namespace phintys::ops {

struct I0 {
  static constexpr ElementwiseInfo info{
      .name = "i0",
      .arity = 1,
      .rule = DTypeRule::to_float,
      .domain = Domain::floating,
      .summary = "Modified Bessel function of the first kind, order 0.",
      .numpy = "scipy.special.i0",
      .heavy = true,
      .cost = 20.f,
      .test_low = -6.0,
      .test_high = 6.0};
  template <class V>
  PHINTYS_INLINE static V body(V x) {
    return math::i0(x);
  }
  template <class E>
  static Grads<E, 1> grad(E x, E, E gz) {
    return {{gz * i1(x)}};
  }
};

struct I1 {
  static constexpr ElementwiseInfo info{
      .name = "i1",
      .arity = 1,
      .rule = DTypeRule::to_float,
      .domain = Domain::floating,
      .summary = "Modified Bessel function of the first kind, order 1.",
      .numpy = "scipy.special.i1",
      .heavy = true,
      .cost = 20.f,
      .test_low = -6.0,
      .test_high = 6.0};
  template <class V>
  PHINTYS_INLINE static V body(V x) {
    return math::i1(x);
  }
  template <class E>
  static Grads<E, 1> grad(E x, E z, E gz) {
    return {{gz * (i0(x) - over_order_one(x, z))}};
  }
};

struct I0e {
  static constexpr ElementwiseInfo info{.name = "i0e",
                                        .arity = 1,
                                        .rule = DTypeRule::to_float,
                                        .domain = Domain::floating,
                                        .summary = "exp(-|x|) i0(x).",
                                        .numpy = "scipy.special.i0e",
                                        .heavy = true,
                                        .cost = 20.f,
                                        .test_low = -6.0,
                                        .test_high = 6.0};
  template <class V>
  PHINTYS_INLINE static V body(V x) {
    return math::i0e(x);
  }
  template <class E>
  static Grads<E, 1> grad(E x, E z, E gz) {
    return {{gz * (i1e(x) - sgn(x) * z)}};
  }
};

struct I1e {
  static constexpr ElementwiseInfo info{.name = "i1e",
                                        .arity = 1,
                                        .rule = DTypeRule::to_float,
                                        .domain = Domain::floating,
                                        .summary = "exp(-|x|) i1(x).",
                                        .numpy = "scipy.special.i1e",
                                        .heavy = true,
                                        .cost = 20.f,
                                        .test_low = -6.0,
                                        .test_high = 6.0};
  template <class V>
  PHINTYS_INLINE static V body(V x) {
    return math::i1e(x);
  }
  template <class E>
  static Grads<E, 1> grad(E x, E z, E gz) {
    return {{gz * (i0e(x) - over_order_one(x, z) - sgn(x) * z)}};
  }
};

struct J0 {
  static constexpr ElementwiseInfo info{.name = "j0",
                                        .arity = 1,
                                        .rule = DTypeRule::to_float,
                                        .domain = Domain::floating,
                                        .summary = "Bessel function of the first kind, order 0.",
                                        .numpy = "scipy.special.j0",
                                        .heavy = true,
                                        .cost = 25.f,
                                        .test_low = -12.0,
                                        .test_high = 12.0};
  template <class V>
  PHINTYS_INLINE static V body(V x) {
    return math::j0(x);
  }
  template <class E>
  static Grads<E, 1> grad(E x, E, E gz) {
    return {{-(gz * j1(x))}};
  }
};

struct J1 {
  static constexpr ElementwiseInfo info{.name = "j1",
                                        .arity = 1,
                                        .rule = DTypeRule::to_float,
                                        .domain = Domain::floating,
                                        .summary = "Bessel function of the first kind, order 1.",
                                        .numpy = "scipy.special.j1",
                                        .heavy = true,
                                        .cost = 25.f,
                                        .test_low = -12.0,
                                        .test_high = 12.0};
  template <class V>
  PHINTYS_INLINE static V body(V x) {
    return math::j1(x);
  }
  template <class E>
  static Grads<E, 1> grad(E x, E z, E gz) {
    return {{gz * (j0(x) - over_order_one(x, z))}};
  }
};

struct Jv {
  static constexpr ElementwiseInfo info{
      .name = "jv",
      .arity = 2,
      .rule = DTypeRule::to_float,
      .domain = Domain::floating,
      .summary = "Bessel function of the first kind of real order nu.",
      .numpy = "scipy.special.jv",
      .heavy = true,
      .cost = 500.f,
      .test_low = 0.3,
      .test_high = 9.0};
  template <class V>
  PHINTYS_INLINE static V body(V nu, V x) {
    return math::jv(nu, x);
  }
  template <class E>
  static Grads<E, 2> grad(E nu, E x, E, E gz) {
    return {{order_gradient("jv", nu), gz * (jv(nu - 1.0, x) - jv(nu + 1.0, x)) * 0.5}};
  }
};

struct Iv {
  static constexpr ElementwiseInfo info{
      .name = "iv",
      .arity = 2,
      .rule = DTypeRule::to_float,
      .domain = Domain::floating,
      .summary = "Modified Bessel function of the first kind of real order nu.",
      .numpy = "scipy.special.iv",
      .heavy = true,
      .cost = 500.f,
      .test_low = 0.3,
      .test_high = 9.0};
  template <class V>
  PHINTYS_INLINE static V body(V nu, V x) {
    return math::iv(nu, x);
  }
  template <class E>
  static Grads<E, 2> grad(E nu, E x, E, E gz) {
    return {{order_gradient("iv", nu), gz * (iv(nu - 1.0, x) + iv(nu + 1.0, x)) * 0.5}};
  }
};

struct Ive {
  static constexpr ElementwiseInfo info{.name = "ive",
                                        .arity = 2,
                                        .rule = DTypeRule::to_float,
                                        .domain = Domain::floating,
                                        .summary = "exp(-|x|) iv(nu, x).",
                                        .numpy = "scipy.special.ive",
                                        .heavy = true,
                                        .cost = 500.f,
                                        .test_low = 0.3,
                                        .test_high = 9.0};
  template <class V>
  PHINTYS_INLINE static V body(V nu, V x) {
    return math::ive(nu, x);
  }
  template <class E>
  static Grads<E, 2> grad(E nu, E x, E z, E gz) {
    const E slope = (ive(nu - 1.0, x) + ive(nu + 1.0, x)) * 0.5;
    return {{order_gradient("ive", nu), gz * (slope - sgn(x) * z)}};
  }
};

struct Kv {
  static constexpr ElementwiseInfo info{
      .name = "kv",
      .arity = 2,
      .rule = DTypeRule::to_float,
      .domain = Domain::floating,
      .summary = "Modified Bessel function of the second kind of real order nu.",
      .numpy = "scipy.special.kv",
      .heavy = true,
      .cost = 800.f,
      .test_low = 0.3,
      .test_high = 9.0};
  template <class V>
  PHINTYS_INLINE static V body(V nu, V x) {
    return math::kv(nu, x);
  }
  template <class E>
  static Grads<E, 2> grad(E nu, E x, E, E gz) {
    return {{order_gradient("kv", nu), gz * (kv(nu - 1.0, x) + kv(nu + 1.0, x)) * -0.5}};
  }
};

struct Kve {
  static constexpr ElementwiseInfo info{.name = "kve",
                                        .arity = 2,
                                        .rule = DTypeRule::to_float,
                                        .domain = Domain::floating,
                                        .summary = "exp(x) kv(nu, x).",
                                        .numpy = "scipy.special.kve",
                                        .heavy = true,
                                        .cost = 800.f,
                                        .test_low = 0.3,
                                        .test_high = 9.0};
  template <class V>
  PHINTYS_INLINE static V body(V nu, V x) {
    return math::kve(nu, x);
  }
  template <class E>
  static Grads<E, 2> grad(E nu, E x, E z, E gz) {
    const E slope = (kve(nu - 1.0, x) + kve(nu + 1.0, x)) * -0.5;
    return {{order_gradient("kve", nu), gz * (slope + z)}};
  }
};

using BesselOps = OpList<I0, I1, I0e, I1e, J0, J1, Jv, Iv, Ive, Kv, Kve>;

}  // namespace phintys::ops
