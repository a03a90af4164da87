// The DType enumeration alone. Kernels compiled per instruction set include this header instead of
// dtype.h: it brings in no C++ library header, whose inline functions would leak from their object
// files into the rest of the program as code for the wrong CPU.
#pragma once

#include <stdint.h>

namespace phintys {

// An IEEE binary16 value, stored as its bits; arithmetic on it is done in float32.
struct Half {
  uint16_t bits;
};

// X(enumerator, C++ type, NumPy name). The order is part of the saved-file format: append only.
// The types of the complex ones need <complex> where the macro is used, not here.
#define PHINTYS_DTYPES(X)                  \
  X(b8, bool, "bool")                      \
  X(i8, int8_t, "int8")                    \
  X(i16, int16_t, "int16")                 \
  X(i32, int32_t, "int32")                 \
  X(i64, int64_t, "int64")                 \
  X(u8, uint8_t, "uint8")                  \
  X(u16, uint16_t, "uint16")               \
  X(u32, uint32_t, "uint32")               \
  X(u64, uint64_t, "uint64")               \
  X(f16, Half, "float16")                  \
  X(f32, float, "float32")                 \
  X(f64, double, "float64")                \
  X(c64, std::complex<float>, "complex64") \
  X(c128, std::complex<double>, "complex128")

enum class DType : uint8_t {
#define X(e, t, n) e,
  PHINTYS_DTYPES(X)
#undef X
};

inline constexpr int kNumDTypes = 14;

}  // namespace phintys
