// Naive reference implementations of the elementwise ops, one element at a time.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <string_view>
#include <type_traits>

namespace phintys::testing {

// ulps: the error that the kernel may have, in units in the last place of the result; 0: exact.
struct FloatReference {
  double value;
  double ulps;
};

inline double python_mod(double x, double y) {
  double r = std::fmod(x, y);
  if (y == 0) return r;
  if (r != 0) return (y < 0) != (r < 0) ? r + y : r;
  return std::copysign(0.0, y);
}

// NumPy's npy_floor_divide, for T = float and double.
template <class T>
T python_floor_div(T x, T y) {
  if (y == 0) return x / y;
  T mod = std::fmod(x, y);
  T div = (x - mod) / y;
  if (mod != 0 && (y < 0) != (mod < 0)) div -= 1;
  if (div == 0) return std::copysign(T{0}, x / y);
  T floored = std::floor(div);
  if (div - floored > T(0.5)) floored += 1;
  return floored;
}

inline double erfcx_reference(double x) {
  if (x < 25) return std::exp(x * x) * std::erfc(x);
  // DLMF 7.12.1.
  const double t = 1 / (2 * x) / x;
  return (1 - t + 3 * t * t - 15 * t * t * t) / std::sqrt(M_PI) / x;
}

inline double round_away(double x) { return std::round(x); }

// Op `name` computed on values of T, with results of T (or of bool, int64) given as double.
template <class T>
FloatReference float_reference(std::string_view name, T x, T y, T z) {
  const double dx = x;
  const double dy = y;
  const auto exact = [](double v) { return FloatReference{v, 0}; };
  const auto about = [](double v, double ulps = 6) { return FloatReference{v, ulps}; };
  const auto larger = [](T a, T b) {
    return std::isnan(a) ? a : std::isnan(b) ? b : a > b ? a : b;
  };
  const auto lesser = [](T a, T b) {
    return std::isnan(a) ? a : std::isnan(b) ? b : a < b ? a : b;
  };
  if (name == "add") return exact(T(x + y));
  if (name == "sub") return exact(T(x - y));
  if (name == "mul") return exact(T(x * y));
  if (name == "true_div") return exact(T(x / y));
  if (name == "int_div") return exact(python_floor_div<T>(x, y));
  if (name == "mod") return exact(T(python_mod(x, y)));
  if (name == "pow") return about(std::pow(dx, dy), 8);
  if (name == "neg") return exact(-x);
  if (name == "abs_") return exact(std::fabs(x));
  if (name == "sgn") return exact(std::isnan(x) ? x : T((x > 0) - (x < 0)));
  if (name == "sqr") return exact(T(x * x));
  if (name == "sqrt") return exact(std::sqrt(x));
  if (name == "inv") return exact(T(T(1) / x));
  if (name == "maximum") return exact(larger(x, y));
  if (name == "minimum") return exact(lesser(x, y));
  if (name == "eq") return exact(x == y);
  if (name == "neq") return exact(x != y);
  if (name == "lt") return exact(x < y);
  if (name == "le") return exact(x <= y);
  if (name == "gt") return exact(x > y);
  if (name == "ge") return exact(x >= y);
  if (name == "isnan") return exact(std::isnan(x));
  if (name == "isinf") return exact(std::isinf(x));
  if (name == "floor") return exact(std::floor(x));
  if (name == "ceil") return exact(std::ceil(x));
  if (name == "trunc") return exact(std::trunc(x));
  if (name == "round_half_to_even") return exact(std::nearbyint(x));
  if (name == "round_half_away_from_zero") return exact(round_away(x));
  if (name == "iround") {
    const double r = round_away(x);
    return exact(r >= -0x1p63 && r < 0x1p63 ? r + 0.0 : -0x1p63);
  }
  if (name == "exp") return about(std::exp(dx));
  if (name == "exp2") return about(std::exp2(dx));
  if (name == "expm1") return about(std::expm1(dx));
  if (name == "log") return about(std::log(dx));
  if (name == "log2") return about(std::log2(dx));
  if (name == "log10") return about(std::log10(dx));
  if (name == "log1p") return about(std::log1p(dx));
  if (name == "sigmoid")
    return about(dx > 0 ? 1 / (1 + std::exp(-dx)) : std::exp(dx) / (1 + std::exp(dx)), 8);
  if (name == "softplus") {
    if (std::isnan(x)) return exact(dx);
    return about(std::fmax(dx, 0) + std::log1p(std::exp(-std::fabs(dx))), 8);
  }
  if (name == "logaddexp") {
    if (x == y) return about(dx + std::log(2.0));
    const double big = larger(x, y);
    return about(big + std::log1p(std::exp(-std::fabs(dx - dy))), 1e6);
  }
  if (name == "xlogx") return about(x == 0 ? 0 : dx * std::log(dx), 8);
  if (name == "xlogy0") return about(x == 0 ? 0 : dx * std::log(dy), 8);
  if (name == "sin") return about(std::sin(dx));
  if (name == "cos") return about(std::cos(dx));
  if (name == "tan") return about(std::tan(dx));
  if (name == "arcsin") return about(std::asin(dx));
  if (name == "arccos") return about(std::acos(dx));
  if (name == "arctan") return about(std::atan(dx));
  if (name == "arctan2") return about(std::atan2(dx, dy));
  if (name == "sinh") return about(std::sinh(dx));
  if (name == "cosh") return about(std::cosh(dx));
  if (name == "tanh") return about(std::tanh(dx));
  if (name == "arcsinh") return about(std::asinh(dx));
  if (name == "arccosh") return about(std::acosh(dx));
  if (name == "arctanh") return about(std::atanh(dx));
  if (name == "deg2rad") return about(dx * (M_PI / 180));
  if (name == "rad2deg") return about(dx * (180 / M_PI));
  if (name == "erf") return about(std::erf(dx));
  if (name == "erfc") return about(std::erfc(dx), 12);
  // The naive product above loses as many bits as x^2 has.
  if (name == "erfcx") return about(erfcx_reference(dx), 4096);
  if (name == "switch") return exact(dx != 0 ? y : z);
  if (name == "clip") return exact(lesser(larger(x, y), z));
  if (name == "second") return exact(y);
  if (name == "identity") return exact(x);
  // One rounding or two, as the processor has it; the test allows for cancellation itself.
  if (name == "mul_add") return {std::fma(dx, dy, double(z)), -1};
  if (name == "mul_sub") return {std::fma(dx, dy, -double(z)), -1};
  if (name == "neg_mul_add") return {std::fma(-dx, dy, double(z)), -1};
  return {std::numeric_limits<double>::quiet_NaN(), -2};  // no reference
}

template <class T>
T int_pow_reference(T base, T exponent) {
  if constexpr (std::is_signed_v<T>) {
    if (exponent < 0) return base == 1 ? T(1) : base == -1 ? T(exponent % 2 ? -1 : 1) : T(0);
  }
  uint64_t r = 1;
  uint64_t b = static_cast<uint64_t>(base);
  for (uint64_t e = static_cast<uint64_t>(exponent); e != 0; e >>= 1, b *= b) {
    if (e & 1) r *= b;
  }
  return static_cast<T>(r);
}

// On integers; __int128 holds every product and sum.
template <class T>
bool int_reference(std::string_view name, T x, T y, T z, T* out) {
  using Wide = __int128;
  const Wide a = x;
  const Wide b = y;
  const Wide c = z;
  Wide q = b == 0 ? Wide{0} : a / b;
  if (b != 0 && a % b != 0 && (a < 0) != (b < 0)) --q;
  Wide r;
  if (name == "add")
    r = a + b;
  else if (name == "sub")
    r = a - b;
  else if (name == "mul")
    r = static_cast<Wide>(static_cast<unsigned __int128>(a) * static_cast<unsigned __int128>(b));
  else if (name == "int_div")
    r = q;
  else if (name == "mod")
    r = b == 0 ? Wide{0} : a - q * b;
  else if (name == "pow")
    r = int_pow_reference(x, y);
  else if (name == "neg")
    r = -a;
  else if (name == "abs_")
    r = a < 0 ? -a : a;
  else if (name == "sgn")
    r = (a > 0) - (a < 0);
  else if (name == "sqr")
    r = static_cast<Wide>(static_cast<unsigned __int128>(a) * static_cast<unsigned __int128>(a));
  else if (name == "maximum")
    r = a > b ? a : b;
  else if (name == "minimum")
    r = a < b ? a : b;
  else if (name == "eq")
    r = a == b;
  else if (name == "neq")
    r = a != b;
  else if (name == "lt")
    r = a < b;
  else if (name == "le")
    r = a <= b;
  else if (name == "gt")
    r = a > b;
  else if (name == "ge")
    r = a >= b;
  else if (name == "and_")
    r = a & b;
  else if (name == "or_")
    r = a | b;
  else if (name == "xor")
    r = a ^ b;
  else if (name == "invert")
    r = ~a;
  else if (name == "switch")
    r = a != 0 ? b : c;
  else if (name == "clip") {
    r = a > b ? a : b;
    r = r < c ? r : c;
  } else if (name == "second")
    r = b;
  else if (name == "identity")
    r = a;
  else if (name == "mul_add")
    r = static_cast<Wide>(static_cast<unsigned __int128>(a) * static_cast<unsigned __int128>(b)) +
        c;
  else if (name == "mul_sub")
    r = static_cast<Wide>(static_cast<unsigned __int128>(a) * static_cast<unsigned __int128>(b)) -
        c;
  else if (name == "neg_mul_add")
    r = c -
        static_cast<Wide>(static_cast<unsigned __int128>(a) * static_cast<unsigned __int128>(b));
  else
    return false;
  *out = static_cast<T>(r);
  return true;
}

inline bool bool_reference(std::string_view name, bool x, bool y, bool z, bool* out) {
  if (name == "add")
    *out = x || y;
  else if (name == "mul")
    *out = x && y;
  else if (name == "sqr" || name == "abs_")
    *out = x;
  else if (name == "invert")
    *out = !x;
  else if (name == "clip")
    *out = (x || y) && z;
  else {
    uint8_t r;
    if (!int_reference<uint8_t>(name, x, y, z, &r)) return false;
    *out = r;
  }
  return true;
}

}  // namespace phintys::testing
