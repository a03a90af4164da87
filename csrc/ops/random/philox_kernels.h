// Kernels that fill memory with random numbers, for each instruction set. All sets give the same
// bits: the arithmetic uses no fused multiply-add, and everything depends on an element's index
// alone.
#pragma once

#include "kernels/isa.h"
#include "ops/random/philox.h"

namespace phintys {

// The stream of a draw is a sequence of 64-bit words. A group is the 16 words of 8 blocks: first
// the low halves (words 0 and 1) of the blocks, then the high halves. Float32 numbers are made of
// 32-bit halves of it, the low one first: a group makes 32 of them.
inline constexpr int64_t kPhiloxGroup = 16;

// What a kernel of a distribution with parameters is given: the elements first, first + step, ...
// `n` is a multiple of kLanePad, at most kMaxLaneWork.
inline constexpr int64_t kLanePad = 8;
inline constexpr int64_t kMaxLaneWork = 256;
struct LaneWork {
  PhiloxState state;
  uint64_t first;
  uint64_t step;
  int64_t n;
  const double* a;
  const double* b;
  double* out;
};

// fill_*(state, first group, number of groups, out); *_lanes(work).
#define PHINTYS_DECLARE_RANDOM(isa)                                                        \
  namespace isa {                                                                          \
  void philox_fill_bits(PhiloxState s, uint64_t group, int64_t n, uint64_t* out);          \
  void philox_fill_uniform_f32(PhiloxState s, uint64_t group, int64_t n, float* out);      \
  void philox_fill_uniform_f64(PhiloxState s, uint64_t group, int64_t n, double* out);     \
  void philox_fill_normal_f32(PhiloxState s, uint64_t group, int64_t n, float* out);       \
  void philox_fill_normal_f64(PhiloxState s, uint64_t group, int64_t n, double* out);      \
  void philox_fill_exponential_f32(PhiloxState s, uint64_t group, int64_t n, float* out);  \
  void philox_fill_exponential_f64(PhiloxState s, uint64_t group, int64_t n, double* out); \
  void philox_gamma_lanes(const LaneWork& work);                                           \
  void philox_log_gamma_lanes(const LaneWork& work);                                       \
  void philox_poisson_lanes(const LaneWork& work);                                         \
  void philox_binomial_lanes(const LaneWork& work);                                        \
  void philox_truncated_normal_lanes(const LaneWork& work);                                \
  }
PHINTYS_EACH_ISA(PHINTYS_DECLARE_RANDOM)
#undef PHINTYS_DECLARE_RANDOM

}  // namespace phintys
