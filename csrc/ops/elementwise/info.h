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
};

// Which dtypes `body` compiles for, as compute dtypes.
enum class Domain : uint8_t {
  numeric,         // bool, integers, float16..64 (complex kernels come with the complex ops)
  floating,        // float16, float32, float64
  discrete,        // bool, integers
  numeric_nobool,  // integers, floats
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
  bool commutative = false;
  bool associative = false;
  bool heavy = false;      // long body: one kernel variant only, the VM fills rows with scalars
  bool zero_grad = false;  // piecewise constant: gradient is zero (connected), no grad() needed
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
