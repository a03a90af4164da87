// Division of 31-bit numbers by a number that many of them share: one product and one shift.
#pragma once

#include "gpu.h"

namespace phintys::cuda {

struct FastDivide {
  uint32_t by, factor, shift;

  FastDivide() = default;
  // 1 <= by < 2^31.
  __host__ __device__ explicit FastDivide(uint32_t by) : by(by), shift(0) {
    while ((uint32_t{1} << shift) < by) ++shift;
    factor = static_cast<uint32_t>(((uint64_t{1} << 32) * ((uint64_t{1} << shift) - by)) / by + 1);
  }
  // n < 2^31.
  __host__ __device__ __forceinline__ uint32_t quotient(uint32_t n) const {
    const auto high = static_cast<uint32_t>((static_cast<uint64_t>(n) * factor) >> 32);
    return (high + n) >> shift;
  }
  // n / by; *rest: n % by.
  __host__ __device__ __forceinline__ uint32_t split(uint32_t n, uint32_t* rest) const {
    const uint32_t q = quotient(n);
    *rest = n - q * by;
    return q;
  }
};

}  // namespace phintys::cuda
