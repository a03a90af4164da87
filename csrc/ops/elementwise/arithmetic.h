// Sums, products, quotients, powers and the like.
#pragma once

#include "ops/elementwise/int_value.h"
#include "ops/elementwise/op_list.h"
#include "ops/math/math.h"

namespace phintys::ops {

struct Add {
  static constexpr ElementwiseInfo info{.name = "add",
                                        .arity = 2,
                                        .rule = DTypeRule::upcast,
                                        .summary = "Sum of x and y; on bool, logical or.",
                                        .numpy = "numpy.add",
                                        .complex = ComplexUse::analytic,
                                        .commutative = true,
                                        .associative = true};
  template <class V>
  PHINTYS_INLINE static V body(V x, V y) {
    return x + y;
  }
  template <class E>
  static Grads<E, 2> grad(E, E, E, E gz) {
    return {{gz, gz}};
  }
};

struct Sub {
  static constexpr ElementwiseInfo info{.name = "sub",
                                        .arity = 2,
                                        .rule = DTypeRule::upcast_nobool,
                                        .domain = Domain::numeric_nobool,
                                        .summary = "Difference x - y.",
                                        .numpy = "numpy.subtract",
                                        .complex = ComplexUse::analytic};
  template <class V>
  PHINTYS_INLINE static V body(V x, V y) {
    return x - y;
  }
  template <class E>
  static Grads<E, 2> grad(E, E, E, E gz) {
    return {{gz, -gz}};
  }
};

struct Mul {
  static constexpr ElementwiseInfo info{.name = "mul",
                                        .arity = 2,
                                        .rule = DTypeRule::upcast,
                                        .summary = "Product of x and y; on bool, logical and.",
                                        .numpy = "numpy.multiply",
                                        .complex = ComplexUse::analytic,
                                        .commutative = true,
                                        .associative = true};
  template <class V>
  PHINTYS_INLINE static V body(V x, V y) {
    return x * y;
  }
  template <class E>
  static Grads<E, 2> grad(E x, E y, E, E gz) {
    return {{gz * y, gz * x}};
  }
};

struct TrueDiv {
  static constexpr ElementwiseInfo info{.name = "true_div",
                                        .arity = 2,
                                        .rule = DTypeRule::true_div,
                                        .domain = Domain::floating,
                                        .summary = "Quotient x / y; integers become floatX first.",
                                        .numpy = "numpy.true_divide",
                                        .complex = ComplexUse::analytic,
                                        .cost = 5.f};
  template <class V>
  PHINTYS_INLINE static V body(V x, V y) {
    return x / y;
  }
  template <class E>
  static Grads<E, 2> grad(E, E y, E z, E gz) {
    // -gz * z / y rather than -gz * x / y^2: the square would overflow early.
    return {{gz / y, -(gz * z) / y}};
  }
};

// C's fmod, exact for all arguments. The quotient of most arguments fits in the mantissa: then one
// fused multiply-add gives the remainder without error, up to one divisor.
template <class V>
PHINTYS_INLINE V exact_fmod(V x, V y) {
  using T = typename V::elem;
  constexpr bool kSingle = sizeof(T) == 4;
  V r = x;
  bool slow = !PHINTYS_ISA::kHasFma;
  if constexpr (PHINTYS_ISA::kHasFma) {
    const V ax = abs(x);
    const V ay = abs(y);
    const V q = trunc(ax / ay);
    // The bounds on y keep the remainder away from the subnormals, where it might be inexact.
    const T limit = kSingle ? T(4194304) : T(2251799813685248);
    const T tiny = kSingle ? T(1e-30) : T(1e-280);
    r = fma(-q, ay, ax);
    // The rounded quotient may be one more than the true one; never less, as x >= q y else.
    r = select(r < V::broadcast(0), r + ay, r);
    r = copysign(r, x);
    const V infinity = V::broadcast(static_cast<T>(__builtin_inff()));
    slow = any(!((q < V::broadcast(limit)) & (ay > V::broadcast(tiny)) & (ay < infinity)));
  }
  if (__builtin_expect(slow, 0)) {
    for (int i = 0; i < V::lanes; ++i) {
      const T a = get_lane(x, i);
      const T b = get_lane(y, i);
      r = set_lane(r, i, kSingle ? T(__builtin_fmodf(a, b)) : T(__builtin_fmod(a, b)));
    }
  }
  return r;
}

struct IntDiv {
  static constexpr ElementwiseInfo info{
      .name = "int_div",
      .arity = 2,
      .rule = DTypeRule::upcast_nobool,
      .domain = Domain::numeric_nobool,
      .summary = "Floor of x / y, as Python's //; an integer divided by zero gives 0.",
      .numpy = "numpy.floor_divide",
      .heavy = true,
      .zero_grad = true,
      .cost = 16.f};
  // NumPy's npy_floor_divide, without its branches.
  template <class V>
  PHINTYS_INLINE static V body(V x, V y) {
    if constexpr (V::is_float) {
      const V zero = V::broadcast(0);
      const V one = V::broadcast(1);
      const V r = exact_fmod(x, y);
      const V ratio = x / y;
      V div = (x - r) / y;
      div = select((r != zero) & ((y < zero) ^ (r < zero)), div - one, div);
      V floored = floor(div);
      floored = select(div - floored > V::broadcast(0.5), floored + one, floored);
      const V result = select(div == zero, copysign(zero, ratio), floored);
      return select(y == zero, ratio, result);
    } else {
      return floor_div(x, y);
    }
  }
};

struct Mod {
  static constexpr ElementwiseInfo info{
      .name = "mod",
      .arity = 2,
      .rule = DTypeRule::upcast_nobool,
      .domain = Domain::numeric_nobool,
      .summary = "Remainder of x / y with y's sign, as Python's %; an integer modulo zero gives 0.",
      .numpy = "numpy.mod",
      .heavy = true,
      .cost = 16.f};
  template <class V>
  PHINTYS_INLINE static V body(V x, V y) {
    if constexpr (V::is_float) {
      const V zero = V::broadcast(0);
      const V r = exact_fmod(x, y);
      const V signed_r = select((y < zero) ^ (r < zero), r + y, r);
      const V result = select(r == zero, copysign(zero, y), signed_r);
      // Modulo zero is NaN, which the comparison above would keep only by luck.
      return select(y == zero, r, result);
    } else {
      return floor_mod(x, y);
    }
  }
  template <class E>
  static Grads<E, 2> grad(E x, E y, E, E gz) {
    return {{gz, -(gz * cast_like(int_div(x, y), gz))}};
  }
};

struct Pow {
  static constexpr ElementwiseInfo info{.name = "pow",
                                        .arity = 2,
                                        .rule = DTypeRule::upcast_nobool,
                                        .domain = Domain::numeric_nobool,
                                        .summary = "x to the power y; integers wrap around.",
                                        .numpy = "numpy.power",
                                        .complex = ComplexUse::analytic,
                                        .heavy = true,
                                        .cost = 20.f,
                                        .test_low = 0.05};
  template <class V>
  PHINTYS_INLINE static V body(V x, V y) {
    if constexpr (V::is_float || math::is_complex<V>) {
      return math::pow(x, y);
    } else {
      return int_pow(x, y);
    }
  }
  template <class E>
  static Grads<E, 2> grad(E x, E y, E z, E gz) {
    // At x = 0 the power is constant in y > 0: log(0) * 0 must not become NaN.
    return {
        {gz * y * pow(x, y - 1.0), gz * switch_(eq(x, zeros_like(x)), zeros_like(z), log(x) * z)}};
  }
};

struct Neg {
  static constexpr ElementwiseInfo info{.name = "neg",
                                        .arity = 1,
                                        .rule = DTypeRule::upcast_nobool,
                                        .domain = Domain::numeric_nobool,
                                        .summary = "Negative of x.",
                                        .numpy = "numpy.negative",
                                        .complex = ComplexUse::analytic};
  template <class V>
  PHINTYS_INLINE static V body(V x) {
    return -x;
  }
  template <class E>
  static Grads<E, 1> grad(E, E, E gz) {
    return {{-gz}};
  }
};

struct Abs {
  static constexpr ElementwiseInfo info{.name = "abs_",
                                        .arity = 1,
                                        .rule = DTypeRule::upcast_real,
                                        .summary = "Absolute value of x.",
                                        .numpy = "numpy.absolute",
                                        .complex = ComplexUse::general};
  template <class V>
  PHINTYS_INLINE static auto body(V x) {
    if constexpr (V::is_float || math::is_complex<V>) {
      return abs(x);
    } else if constexpr (V::is_bool) {
      return x;
    } else {
      return select(x < V::broadcast(0), -x, x);
    }
  }
  template <class E>
  static Grads<E, 1> grad(E x, E, E gz) {
    return {{gz * sgn(x)}};
  }
};

struct Sgn {
  static constexpr ElementwiseInfo info{
      .name = "sgn",
      .arity = 1,
      .rule = DTypeRule::upcast_nobool,
      .domain = Domain::numeric_nobool,
      .summary = "Sign of x: -1, 0 or 1, NaN for NaN; of complex numbers x / |x|.",
      .numpy = "numpy.sign",
      .complex = ComplexUse::general,
      .zero_grad = true};
  template <class V>
  PHINTYS_INLINE static V body(V x) {
    if constexpr (math::is_complex<V>) {
      return math::sign(x);
    } else {
      using T = typename V::elem;
      const V zero = V::broadcast(0);
      // x + 0 rather than 0: it keeps NaN, and turns -0 into 0.
      return select(x > zero, V::broadcast(1),
                    select(x < zero, V::broadcast(static_cast<T>(-1)), x + zero));
    }
  }
  // Of complex numbers only: the way along the circle, as the distance from 0 does not matter.
  template <class E>
  static Grads<E, 1> grad(E x, E z, E gz) {
    const E size = abs_(x);
    const E safe = switch_(eq(size, zeros_like(size)), 1.0, size);
    return {{(gz - z * real(conj(z) * gz)) / safe}};
  }
};

struct Sqr {
  static constexpr ElementwiseInfo info{.name = "sqr",
                                        .arity = 1,
                                        .rule = DTypeRule::upcast,
                                        .summary = "Square of x.",
                                        .numpy = "numpy.square",
                                        .complex = ComplexUse::analytic};
  template <class V>
  PHINTYS_INLINE static V body(V x) {
    return x * x;
  }
  template <class E>
  static Grads<E, 1> grad(E x, E, E gz) {
    return {{gz * x * 2.0}};
  }
};

struct Sqrt {
  static constexpr ElementwiseInfo info{.name = "sqrt",
                                        .arity = 1,
                                        .rule = DTypeRule::to_float,
                                        .domain = Domain::floating,
                                        .summary = "Square root of x.",
                                        .numpy = "numpy.sqrt",
                                        .complex = ComplexUse::analytic,
                                        .cost = 10.f,
                                        .test_low = 0.1};
  template <class V>
  PHINTYS_INLINE static V body(V x) {
    return sqrt(x);
  }
  template <class E>
  static Grads<E, 1> grad(E, E z, E gz) {
    return {{gz * 0.5 / z}};
  }
};

struct Inv {
  static constexpr ElementwiseInfo info{.name = "inv",
                                        .arity = 1,
                                        .rule = DTypeRule::to_float,
                                        .domain = Domain::floating,
                                        .summary = "Reciprocal 1 / x.",
                                        .numpy = "numpy.reciprocal",
                                        .complex = ComplexUse::analytic,
                                        .cost = 5.f};
  template <class V>
  PHINTYS_INLINE static V body(V x) {
    if constexpr (math::is_complex<V>) {
      return math::inverse(x);
    } else {
      return V::broadcast(1) / x;
    }
  }
  template <class E>
  static Grads<E, 1> grad(E, E z, E gz) {
    return {{-(gz * sqr(z))}};
  }
};

// NaN in either operand gives NaN; the processor's maximum returns y then, so only a NaN in x is
// left to keep.
template <class V>
PHINTYS_INLINE V maximum_of(V x, V y) {
  if constexpr (V::is_float) {
    return select(x != x, x, max(x, y));
  } else {
    return select(x >= y, x, y);
  }
}
template <class V>
PHINTYS_INLINE V minimum_of(V x, V y) {
  if constexpr (V::is_float) {
    return select(x != x, x, min(x, y));
  } else {
    return select(x <= y, x, y);
  }
}

struct Maximum {
  static constexpr ElementwiseInfo info{.name = "maximum",
                                        .arity = 2,
                                        .rule = DTypeRule::upcast,
                                        .summary = "The greater of x and y; NaN if either is.",
                                        .numpy = "numpy.maximum",
                                        .commutative = true,
                                        .associative = true};
  template <class V>
  PHINTYS_INLINE static V body(V x, V y) {
    return maximum_of(x, y);
  }
  template <class E>
  static Grads<E, 2> grad(E x, E y, E, E gz) {
    // Ties count as x. One minus the mask, rather than lt(x, y): with NaN, where no comparison
    // holds, the two parts still add up to gz.
    const E first = cast_like(ge(x, y), gz);
    return {{gz * first, gz * (1.0 - first)}};
  }
};

struct Minimum {
  static constexpr ElementwiseInfo info{.name = "minimum",
                                        .arity = 2,
                                        .rule = DTypeRule::upcast,
                                        .summary = "The lesser of x and y; NaN if either is.",
                                        .numpy = "numpy.minimum",
                                        .commutative = true,
                                        .associative = true};
  template <class V>
  PHINTYS_INLINE static V body(V x, V y) {
    return minimum_of(x, y);
  }
  template <class E>
  static Grads<E, 2> grad(E x, E y, E, E gz) {
    const E first = cast_like(le(x, y), gz);
    return {{gz * first, gz * (1.0 - first)}};
  }
};

// ---- Made by passes: one rounding where the processor has fused multiply-add --------------------

struct MulAdd {
  static constexpr ElementwiseInfo info{.name = "mul_add",
                                        .arity = 3,
                                        .rule = DTypeRule::upcast_nobool,
                                        .domain = Domain::numeric_nobool,
                                        .summary = "a * b + c.",
                                        .internal = true};
  template <class V>
  PHINTYS_INLINE static V body(V a, V b, V c) {
    if constexpr (V::is_float) {
      return fma(a, b, c);
    } else {
      return a * b + c;
    }
  }
  template <class E>
  static Grads<E, 3> grad(E a, E b, E, E, E gz) {
    return {{gz * b, gz * a, gz}};
  }
};

struct MulSub {
  static constexpr ElementwiseInfo info{.name = "mul_sub",
                                        .arity = 3,
                                        .rule = DTypeRule::upcast_nobool,
                                        .domain = Domain::numeric_nobool,
                                        .summary = "a * b - c.",
                                        .internal = true};
  template <class V>
  PHINTYS_INLINE static V body(V a, V b, V c) {
    if constexpr (V::is_float) {
      return fma(a, b, -c);
    } else {
      return a * b - c;
    }
  }
  template <class E>
  static Grads<E, 3> grad(E a, E b, E, E, E gz) {
    return {{gz * b, gz * a, -gz}};
  }
};

struct NegMulAdd {
  static constexpr ElementwiseInfo info{.name = "neg_mul_add",
                                        .arity = 3,
                                        .rule = DTypeRule::upcast_nobool,
                                        .domain = Domain::numeric_nobool,
                                        .summary = "c - a * b.",
                                        .internal = true};
  template <class V>
  PHINTYS_INLINE static V body(V a, V b, V c) {
    if constexpr (V::is_float) {
      return fma(-a, b, c);
    } else {
      return c - a * b;
    }
  }
  template <class E>
  static Grads<E, 3> grad(E a, E b, E, E, E gz) {
    return {{-(gz * b), -(gz * a), gz}};
  }
};

using ArithmeticOps = OpList<Add, Sub, Mul, TrueDiv, Neg, Abs, Sgn, Sqr, Sqrt, Inv, Maximum,
                             Minimum, MulAdd, MulSub, NegMulAdd>;
using DivisionOps = OpList<IntDiv, Mod>;
using PowerOps = OpList<Pow>;

}  // namespace phintys::ops
