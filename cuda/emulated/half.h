// float16 as the GPU converts it: to nearest even, every NaN to 0x7fff.
#pragma once

#include <stdint.h>
#include <string.h>

namespace phintys::cuda::emulated {

inline float half_to_float(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000u) << 16;
  const uint32_t exponent = (bits >> 10) & 31u;
  uint32_t mantissa = bits & 0x3ffu;
  uint32_t out;
  if (exponent == 31) {
    out = mantissa ? 0x7fffffffu : sign | 0x7f800000u;
  } else if (exponent != 0) {
    out = sign | ((exponent + 112) << 23) | (mantissa << 13);
  } else {
    const float value = static_cast<float>(mantissa) * 0x1p-24f;
    return sign ? -value : value;
  }
  float value;
  memcpy(&value, &out, sizeof value);
  return value;
}

inline uint16_t float_to_half(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  const uint32_t sign = (bits >> 16) & 0x8000u;
  const uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return 0x7fff;
  if (magnitude >= 0x477ff000u) return static_cast<uint16_t>(sign | 0x7c00u);  // 65520 and more
  uint32_t out;
  if (magnitude >= 0x38800000u) {
    out = (magnitude - (112u << 23) + 0xfffu + ((magnitude >> 13) & 1u)) >> 13;
  } else {
    // Subnormal: the sum has the result in its low bits, rounded by the processor.
    float absolute;
    memcpy(&absolute, &magnitude, sizeof absolute);
    const float shifted = absolute + 0.5f;
    memcpy(&out, &shifted, sizeof out);
    out -= 0x3f000000u;
  }
  return static_cast<uint16_t>(sign | out);
}

}  // namespace phintys::cuda::emulated
