// One step of an MRG31k3p stream, for all instruction sets and devices.
#pragma once

#include "ops/random/philox.h"

namespace phintys::mrg {

inline constexpr uint32_t kM1 = 2147483647u;  // 2^31 - 1
inline constexpr uint32_t kM2 = 2147462579u;  // 2^31 - 21069

// What makes numbers below 1 of words: the largest factors with which 2^31 - 1 stays below it.
inline constexpr float kNorm32 = 4.6566126e-10f;
inline constexpr double kNorm64 = 4.656612873077392578125e-10;

// y - m where y >= m: the other choice wraps around to a larger number.
PHINTYS_EVERYWHERE uint32_t reduce(uint32_t y, uint32_t m) { return y - m < y ? y - m : y; }

// Moves a stream on; returns its next number, between 1 and 2^31 - 1.
PHINTYS_EVERYWHERE uint32_t step(uint32_t& x11, uint32_t& x12, uint32_t& x13, uint32_t& x21,
                                 uint32_t& x22, uint32_t& x23) {
  // 2^22 x12 + (2^7 + 1) x13 modulo m1.
  uint32_t a = ((x12 & 511u) << 22) + (x12 >> 9) + ((x13 & 16777215u) << 7) + (x13 >> 24);
  a = reduce(reduce(a, kM1) + x13, kM1);
  // 2^15 x21 + (2^15 + 1) x23 modulo m2.
  const uint32_t b = reduce(((x21 & 65535u) << 15) + 21069u * (x21 >> 16), kM2);
  uint32_t c = reduce(((x23 & 65535u) << 15) + 21069u * (x23 >> 16), kM2);
  c = reduce(reduce(c + x23, kM2) + b, kM2);
  x13 = x12;
  x12 = x11;
  x11 = a;
  x23 = x22;
  x22 = x21;
  x21 = c;
  return a <= c ? a - c + kM1 : a - c;
}

}  // namespace phintys::mrg
