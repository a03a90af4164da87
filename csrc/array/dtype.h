// Element types of arrays: identity, size, classes and promotion.
#pragma once

#include <complex>
#include <cstddef>
#include <string_view>

#include "array/dtype_enum.h"
#include "base/export.h"

namespace phintys {

template <class T>
struct DTypeOf;
template <DType D>
struct CppTypeOf;
#define X(e, t, n)                           \
  template <>                                \
  struct DTypeOf<t> {                        \
    static constexpr DType value = DType::e; \
  };                                         \
  template <>                                \
  struct CppTypeOf<DType::e> {               \
    using type = t;                          \
  };
PHINTYS_DTYPES(X)
#undef X
template <class T>
inline constexpr DType dtype_of = DTypeOf<T>::value;

// Bytes of one element.
constexpr size_t item_size(DType d) {
  constexpr uint8_t sizes[] = {
#define X(e, t, n) sizeof(t),
      PHINTYS_DTYPES(X)
#undef X
  };
  return sizes[static_cast<int>(d)];
}

constexpr std::string_view dtype_name(DType d) {
  constexpr std::string_view names[] = {
#define X(e, t, n) n,
      PHINTYS_DTYPES(X)
#undef X
  };
  return names[static_cast<int>(d)];
}

constexpr bool is_bool(DType d) { return d == DType::b8; }
constexpr bool is_signed_int(DType d) { return d >= DType::i8 && d <= DType::i64; }
constexpr bool is_unsigned_int(DType d) { return d >= DType::u8 && d <= DType::u64; }
constexpr bool is_int(DType d) { return d >= DType::i8 && d <= DType::u64; }
// Theano's "discrete": integers and bool.
constexpr bool is_discrete(DType d) { return d <= DType::u64; }
constexpr bool is_float(DType d) { return d >= DType::f16 && d <= DType::f64; }
constexpr bool is_complex(DType d) { return d >= DType::c64; }
// Theano's "continuous": real and complex floating point.
constexpr bool is_continuous(DType d) { return d >= DType::f16; }

// A set of dtypes as a bit mask.
using DTypeSet = uint32_t;
constexpr DTypeSet dtype_bit(DType d) { return DTypeSet{1} << static_cast<int>(d); }
constexpr bool contains(DTypeSet s, DType d) { return (s & dtype_bit(d)) != 0; }

// Parses a NumPy dtype name; false if there is no such dtype.
PHINTYS_PUBLIC bool parse_dtype(std::string_view name, DType* out);

// NumPy's promotion of two dtypes (0-d and n-d values alike, as Theano's `upcast`).
PHINTYS_PUBLIC DType promote(DType a, DType b);

// Theano's `upgrade_to_float`: integers become float32 (8 and 16 bits, bool) or float64.
PHINTYS_PUBLIC DType upgrade_to_float(DType d);

// The real dtype of a complex one; any other dtype unchanged.
constexpr DType real_of(DType d) {
  return d == DType::c64 ? DType::f32 : d == DType::c128 ? DType::f64 : d;
}

PHINTYS_PUBLIC float half_to_float(Half h);
PHINTYS_PUBLIC Half float_to_half(float f);

// Calls `f.template operator()<T>()` with the C++ type of `d`.
template <class F>
decltype(auto) dispatch_dtype(DType d, F&& f) {
  switch (d) {
#define X(e, t, n) \
  case DType::e:   \
    return f.template operator()<t>();
    PHINTYS_DTYPES(X)
#undef X
  }
  return f.template operator()<double>();
}

}  // namespace phintys
