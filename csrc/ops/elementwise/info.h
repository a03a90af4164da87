// What an elementwise op declares about itself.
//
// An elementwise op is one struct (see arithmetic.h for examples):
//
//   struct Exp {
//     static constexpr ElementwiseInfo info{.name = "exp", .arity = 1, ...};
//     template <class V> PHINTYS_INLINE static V body(V x) { return math::exp(x); }
//     template <class E> static Grads<E, 1> grad(E x, E z, E gz) { return {{gz * z}}; }
//   };
//
// `body` is branch-free over its value type: vectors and scalars of every instruction set, plain
// integers, float32 stand-ins for float16. `grad` is written over a symbolic type and speaks of
// other ops by call: z is the op's output and gz the gradient of the cost with respect to it.
// This header is compiled under every instruction set, so it includes no C++ library header.
#pragma once

#include <stdint.h>

namespace phintys {

// How the dtypes of the operands decide the dtype that the op computes in (all operands are cast
// to it) and the dtype of its result.
enum class DTypeRule : uint8_t {
  upcast,         // compute = result = promotion of the operands
  upcast_real,    // compute = promotion; the result has the dtype of its real part (abs, angle)
  upcast_nobool,  // the same; an error if every operand is bool ("bool - bool")
  to_float,       // Theano's upgrade_to_float of the promotion
  float_only,  // an error unless the promotion is a floating type ("only float type are supported")
  discrete_only,  // an error unless every operand is an integer or bool
  true_div,       // promotion; if that is discrete, config.floatX
  compare,        // compute = promotion, result bool
  predicate,      // compute = to_float of the operand, result bool (isnan)
  select,         // (condition, a, b): condition cast to bool, compute = result = promotion of a, b
  second,         // (a, b): a gives the shape only, result has the dtype of b
  to_int64,       // compute = to_float, result int64 (iround)
  make_complex,   // real operands; compute = float32 or float64, result complex of such parts
};

// Which dtypes `body` compiles for, as compute dtypes.
enum class Domain : uint8_t {
  numeric,         // bool, integers, float16..64
  floating,        // float16, float32, float64
  discrete,        // bool, integers
  numeric_nobool,  // integers, floats
  none,            // no real dtype: only those that ComplexUse adds
};

// Whether `body` also compiles for complex numbers (math::Complex), and what `grad` then means.
//
// The gradient of a real cost with respect to a complex x is dC/d(Re x) + i dC/d(Im x), so that
// dC = Re(conj(g) dx). Of a function with a complex derivative it is gz * conj(f'(x)). A `grad`
// that is written for real numbers gives that when it is called with conj(x) and conj(z), as long
// as conj(f(x)) = f(conj(x)), which holds for every f that is real on the real axis.
enum class ComplexUse : uint8_t {
  none,      // real numbers only
  analytic,  // `grad` gets conjugated operands and result
  general,   // no complex derivative (abs, real, conj): `grad` is right for complex numbers itself
};

struct ElementwiseInfo {
  const char* name;  // key in saved files: never renamed, never reused
  int arity;
  DTypeRule rule;
  Domain domain = Domain::numeric;
  const char* summary;  // first line of the Python docstring
  const char* numpy =
      nullptr;      // NumPy/SciPy reference: "numpy.exp", "scipy.special.erf"; null: none
  int version = 1;  // raised when the meaning of saved functions would change
  ComplexUse complex = ComplexUse::none;
  bool commutative = false;
  bool associative = false;
  bool heavy = false;      // long body: one kernel variant only, the VM fills rows with scalars
  bool zero_grad = false;  // piecewise constant: gradient is zero (connected), no grad() needed,
                           // unless `complex` is general: complex numbers then go to grad()
  bool internal = false;   // made by passes only: not offered in Python
  float cost = 1.f;        // rough cycles per 16 float32 values, for splitting work
  double test_low = -4.0;  // the range from which generated tests draw their values
  double test_high = 4.0;
};

// Gradients with respect to each operand.
template <class E, int N>
struct Grads {
  E wrt[N];
};

}  // namespace phintys
