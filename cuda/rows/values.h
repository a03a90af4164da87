// Functions of one value, for kernels along rows. exp and log are the library's own templates over
// the value types of one lane (as in fused/lane.h): values agree with those of elementwise ops.
#pragma once

#include "gpu.h"

#define PHINTYS_ONE_LANE
#define PHINTYS_ONE_LANE_FMA
#define PHINTYS_ISA device_lane
#ifndef PHINTYS_EMULATED
#define PHINTYS_INLINE __device__ __forceinline__
#define PHINTYS_KERNEL [[maybe_unused]] static __device__ __noinline__
#define PHINTYS_DEVICE __device__
#pragma nv_diag_suppress 1675  // unknown pragmas: of gcc, for unrolling
#pragma nv_diag_suppress 2190  // attributes of a function that was declared without
#endif

#include "kernels/simd/vec.h"
#include "ops/math/logarithm.h"

namespace phintys::cuda {

__device__ __forceinline__ float exp_of(float x) { return math::exp(device_lane::SF32{x}).v; }
__device__ __forceinline__ double exp_of(double x) { return math::exp(device_lane::SF64{x}).v; }
__device__ __forceinline__ float log_of(float x) { return math::log(device_lane::SF32{x}).v; }
__device__ __forceinline__ double log_of(double x) { return math::log(device_lane::SF64{x}).v; }
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
