// Functions of one value, for kernels along rows.
#pragma once

#include "gpu.h"

namespace phintys::cuda {

__device__ __forceinline__ float exp_of(float x) { return expf(x); }
__device__ __forceinline__ double exp_of(double x) { return exp(x); }
__device__ __forceinline__ float log_of(float x) { return logf(x); }
__device__ __forceinline__ double log_of(double x) { return log(x); }
__device__ __forceinline__ float root_of(float x) { return sqrtf(x); }
__device__ __forceinline__ double root_of(double x) { return sqrt(x); }

template <class V>
__device__ __forceinline__ V infinite() {
  return static_cast<V>(__builtin_inf());
}

// The lesser of a length and a constant.
__device__ __forceinline__ int rest_of(int64_t length, int most) {
  return length < most ? static_cast<int>(length) : most;
}

// An integer or bool of any dtype.
__device__ __forceinline__ int64_t load_integer(const char* p, DType dtype) {
  switch (dtype) {
    case DType::i8:
      return *reinterpret_cast<const int8_t*>(p);
    case DType::i16:
      return *reinterpret_cast<const int16_t*>(p);
    case DType::i32:
      return *reinterpret_cast<const int32_t*>(p);
    case DType::u16:
      return *reinterpret_cast<const uint16_t*>(p);
    case DType::u32:
      return *reinterpret_cast<const uint32_t*>(p);
    case DType::i64:
    case DType::u64:
      return *reinterpret_cast<const int64_t*>(p);
    default:
      return *reinterpret_cast<const uint8_t*>(p);
  }
}

}  // namespace phintys::cuda
