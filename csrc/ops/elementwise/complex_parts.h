// Complex numbers from their parts, and their parts.
#pragma once

#include "ops/elementwise/int_value.h"
#include "ops/elementwise/op_list.h"
#include "ops/math/math.h"

namespace phintys::ops {

struct Real {
  static constexpr ElementwiseInfo info{.name = "real",
                                        .arity = 1,
                                        .rule = DTypeRule::upcast_real,
                                        .domain = Domain::none,
                                        .summary = "Real part of x.",
                                        .numpy = "numpy.real",
                                        .complex = ComplexUse::general};
  template <class V>
  PHINTYS_INLINE static auto body(V x) {
    return x.re;
  }
  template <class E>
  static Grads<E, 1> grad(E x, E, E gz) {
    return {{cast_like(gz, x)}};
  }
};

struct Imag {
  static constexpr ElementwiseInfo info{.name = "imag",
                                        .arity = 1,
                                        .rule = DTypeRule::upcast_real,
                                        .domain = Domain::none,
                                        .summary = "Imaginary part of x.",
                                        .numpy = "numpy.imag",
                                        .complex = ComplexUse::general};
  template <class V>
  PHINTYS_INLINE static auto body(V x) {
    return x.im;
  }
  template <class E>
  static Grads<E, 1> grad(E, E, E gz) {
    return {{complex_of(zeros_like(gz), gz)}};
  }
};

struct Conj {
  static constexpr ElementwiseInfo info{.name = "conj",
                                        .arity = 1,
                                        .rule = DTypeRule::upcast,
                                        .domain = Domain::none,
                                        .summary = "Complex conjugate of x.",
                                        .numpy = "numpy.conjugate",
                                        .complex = ComplexUse::general};
  template <class V>
  PHINTYS_INLINE static V body(V x) {
    return math::conj(x);
  }
  template <class E>
  static Grads<E, 1> grad(E, E, E gz) {
    return {{conj(gz)}};
  }
};

struct Angle {
  static constexpr ElementwiseInfo info{
      .name = "angle",
      .arity = 1,
      .rule = DTypeRule::upcast_real,
      .domain = Domain::none,
      .summary = "Angle of x in the complex plane, from -pi to pi; 0 for 0.",
      .numpy = "numpy.angle",
      .complex = ComplexUse::general,
      .cost = 14.f};
  template <class V>
  PHINTYS_INLINE static auto body(V x) {
    return math::atan2(x.im, x.re);
  }
  template <class E>
  static Grads<E, 1> grad(E x, E, E gz) {
    // i z / |z|^2.
    const E re = real(x), im = imag(x);
    const E scale = gz / (sqr(re) + sqr(im));
    return {{complex_of(-(scale * im), scale * re)}};
  }
};

struct MakeComplex {
  static constexpr ElementwiseInfo info{.name = "complex",
                                        .arity = 2,
                                        .rule = DTypeRule::make_complex,
                                        .domain = Domain::floating,
                                        .summary =
                                            "Complex numbers with real part x and "
                                            "imaginary part y."};
  template <class V>
  PHINTYS_INLINE static auto body(V x, V y) {
    return math::Complex<V>{x, y};
  }
  template <class E>
  static Grads<E, 2> grad(E, E, E, E gz) {
    return {{real(gz), imag(gz)}};
  }
};

struct ComplexFromPolar {
  static constexpr ElementwiseInfo info{
      .name = "complex_from_polar",
      .arity = 2,
      .rule = DTypeRule::make_complex,
      .domain = Domain::floating,
      .summary = "Complex numbers with absolute value x and angle y.",
      .heavy = true,
      .cost = 16.f};
  template <class V>
  PHINTYS_INLINE static auto body(V x, V y) {
    const auto a = math::sine_and_cosine(y);
    return math::Complex<V>{x * a.cos, x * a.sin};
  }
  template <class E>
  static Grads<E, 2> grad(E, E y, E z, E gz) {
    // z = x e^(iy): dz/dx = e^(iy), dz/dy = i z; of real operands the real parts remain.
    return {{real(gz) * cos(y) + imag(gz) * sin(y), imag(conj(z) * gz)}};
  }
};

using ComplexPartOps = OpList<Real, Imag, Conj, Angle>;
using ComplexFromOps = OpList<MakeComplex, ComplexFromPolar>;

}  // namespace phintys::ops
