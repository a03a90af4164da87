// Numbers as arguments of calls: Python's, NumPy's scalars and 0-d arrays of another dtype.
//
// A number becomes a 0-d operand here where its value survives exactly; what may lose precision, or
// is an error, is for the slow path, which has the rules and the words (TensorType.filter). What is
// taken here gives the same value there.
#pragma once

#define NPY_NO_DEPRECATED_API NPY_1_7_API_VERSION
#include <Python.h>
#include <numpy/arrayobject.h>

#include <cmath>
#include <complex>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#include "array/array.h"
#include "graph/op.h"

namespace phintys::pycall {

// NumPy's number for a dtype.
inline int type_number(DType d) {
  constexpr int numbers[] = {NPY_BOOL,    NPY_INT8,    NPY_INT16,     NPY_INT32,     NPY_INT64,
                             NPY_UINT8,   NPY_UINT16,  NPY_UINT32,    NPY_UINT64,    NPY_FLOAT16,
                             NPY_FLOAT32, NPY_FLOAT64, NPY_COMPLEX64, NPY_COMPLEX128};
  static_assert(std::size(numbers) == kNumDTypes);
  return numbers[static_cast<int>(d)];
}

// Room for a number of any dtype.
struct alignas(16) Slot {
  char bytes[16];
};

// The dtype of a NumPy type number; false if it is none of ours.
inline bool dtype_of_number(int number, DType* out) {
  if (number == NPY_LONGLONG) number = NPY_INT64;
  if (number == NPY_ULONGLONG) number = NPY_UINT64;
  for (int i = 0; i < kNumDTypes; ++i) {
    if (type_number(static_cast<DType>(i)) == number) {
      *out = static_cast<DType>(i);
      return true;
    }
  }
  return false;
}

// The dtype of a class of NumPy scalars; false if it is none of ours (subclasses are not).
inline bool scalar_dtype(const PyTypeObject* type, DType* out) {
  const PyTypeObject* const types[] = {
      &PyBoolArrType_Type,   &PyInt8ArrType_Type,      &PyInt16ArrType_Type,  &PyInt32ArrType_Type,
      &PyInt64ArrType_Type,  &PyUInt8ArrType_Type,     &PyUInt16ArrType_Type, &PyUInt32ArrType_Type,
      &PyUInt64ArrType_Type, &PyHalfArrType_Type,      &PyFloatArrType_Type,  &PyDoubleArrType_Type,
      &PyCFloatArrType_Type, &PyCDoubleArrType_Type};
  static_assert(std::size(types) == kNumDTypes);
  for (int i = 0; i < kNumDTypes; ++i) {
    if (types[i] == type) {
      *out = static_cast<DType>(i);
      return true;
    }
  }
  if (type == &PyLongLongArrType_Type) *out = DType::i64;
  if (type == &PyULongLongArrType_Type) *out = DType::u64;
  return type == &PyLongLongArrType_Type || type == &PyULongLongArrType_Type;
}

// Whether v, truncated to an integer, is one of To's.
template <class To>
bool fits_range(double v) {
  constexpr double kTop = 2.0 * static_cast<double>(static_cast<uint64_t>(
                                    std::numeric_limits<To>::max() / 2 + 1));
  return v >= static_cast<double>(std::numeric_limits<To>::min()) && v < kTop;
}

// `from` as a To if that is the same number, NaN for NaN.
template <class To, class From>
bool exactly(From from, To* to) {
  if constexpr (std::is_same_v<From, To>) {
    *to = from;
    return true;
  } else if constexpr (std::is_same_v<From, Half>) {
    return exactly(half_to_float(from), to);
  } else if constexpr (std::is_same_v<To, Half>) {
    float f = 0;
    if (!exactly(from, &f)) return false;
    *to = float_to_half(f);
    const float back = half_to_float(*to);
    return back == f || (std::isnan(back) && std::isnan(f));
  } else if constexpr (is_complex(dtype_of<To>)) {
    typename To::value_type re{}, im{};
    if constexpr (is_complex(dtype_of<From>)) {
      if (!exactly(from.imag(), &im) || !exactly(from.real(), &re)) return false;
    } else {
      if (!exactly(from, &re)) return false;
    }
    *to = To(re, im);
    return true;
  } else if constexpr (is_complex(dtype_of<From>)) {
    return false;
  } else if constexpr (std::is_same_v<To, bool>) {
    *to = from != From(0);
    return from == From(0) || from == From(1);
  } else if constexpr (std::is_same_v<From, bool>) {
    *to = static_cast<To>(from);
    return true;
  } else if constexpr (std::is_integral_v<From> && std::is_integral_v<To>) {
    *to = static_cast<To>(from);
    return std::in_range<To>(from);
  } else if constexpr (std::is_integral_v<From>) {  // to a floating-point number
    *to = static_cast<To>(from);
    return fits_range<From>(static_cast<double>(*to)) && static_cast<From>(*to) == from;
  } else if constexpr (std::is_integral_v<To>) {
    if (!fits_range<To>(from)) return false;
    *to = static_cast<To>(from);
    return static_cast<From>(*to) == from;
  } else if constexpr (sizeof(To) >= sizeof(From)) {
    *to = static_cast<To>(from);
    return true;
  } else {
    // Beyond To's range the conversion is undefined in C++.
    if (std::isfinite(from) && std::abs(from) > static_cast<From>(std::numeric_limits<To>::max()))
      return false;
    *to = static_cast<To>(from);
    return static_cast<From>(*to) == from || std::isnan(from);
  }
}

// Writes the number of dtype `from` at `p` to the slot, as one of dtype `to`, if that is exact.
inline bool store_exactly(const void* p, DType from, DType to, Slot* slot) {
  return dispatch_dtype(from, [&]<class From>() {
    From value;
    std::memcpy(&value, p, sizeof value);
    return dispatch_dtype(to, [&]<class To>() {
      To result{};
      if (!exactly(value, &result)) return false;
      std::memcpy(slot->bytes, &result, sizeof result);
      return true;
    });
  });
}

// The number `x` is, of Python's or NumPy's; false if it is none.
inline bool read_number(PyObject* x, Slot* value, DType* dtype) {
  if (PyFloat_Check(x)) {
    *dtype = DType::f64;
    const double v = PyFloat_AS_DOUBLE(x);
    std::memcpy(value->bytes, &v, sizeof v);
  } else if (PyBool_Check(x)) {
    *dtype = DType::b8;
    value->bytes[0] = x == Py_True;
  } else if (PyLong_CheckExact(x)) {
    int overflow = 0;
    const int64_t v = PyLong_AsLongLongAndOverflow(x, &overflow);
    if (overflow) return false;
    *dtype = DType::i64;
    std::memcpy(value->bytes, &v, sizeof v);
  } else if (PyArray_IsScalar(x, Generic)) {
    if (!scalar_dtype(Py_TYPE(x), dtype)) return false;
    PyArray_ScalarAsCtype(x, value->bytes);
  } else if (PyComplex_CheckExact(x)) {
    *dtype = DType::c128;
    const Py_complex v = PyComplex_AsCComplex(x);
    std::memcpy(value->bytes, &v, sizeof v);
  } else {
    return false;
  }
  return true;
}

// A number as a 0-d value of dtype `to`.
inline bool store_number(PyObject* x, DType to, Slot* slot) {
  if (to == DType::f64 && PyFloat_Check(x)) {  // most often
    const double v = PyFloat_AS_DOUBLE(x);
    std::memcpy(slot->bytes, &v, sizeof v);
    return true;
  }
  Slot value;
  DType from;
  return read_number(x, &value, &from) && store_exactly(value.bytes, from, to, slot);
}

// A Python float (np.float64 is one) as the nearest float32.
inline bool store_rounded(PyObject* x, Slot* slot) {
  if (!PyFloat_Check(x)) return false;
  const double value = PyFloat_AS_DOUBLE(x);
  if (std::abs(value) > std::numeric_limits<float>::max()) return false;
  const float rounded = static_cast<float>(value);
  std::memcpy(slot->bytes, &rounded, sizeof rounded);
  return true;
}

// A 0-d array of a dtype that is promoted to `to`.
inline bool store_zero_dim(PyArrayObject* a, DType to, Slot* slot) {
  DType from;
  if (PyArray_NDIM(a) != 0 || !PyArray_ISNOTSWAPPED(a)) return false;
  if (!dtype_of_number(PyArray_TYPE(a), &from) || promote(from, to) != to) return false;
  return store_exactly(PyArray_BYTES(a), from, to, slot);
}

}  // namespace phintys::pycall
