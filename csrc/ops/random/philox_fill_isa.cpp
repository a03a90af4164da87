// Distributions without parameters: each word of the stream makes one number, or two words of a
// block make two.
#include "ops/random/philox_kernels.h"
#include "ops/random/philox_simd.h"

namespace phintys::PHINTYS_ISA {

namespace {

// emit(low, high, position): the two words of VI64::lanes blocks; `position` is the index of the
// first low word, that of the first high word is 8 more.
template <class Emit>
PHINTYS_INLINE void for_groups(const PhiloxState& s, uint64_t group, int64_t n, Emit emit) {
  const PhiloxKeys keys = philox_keys(s);
  const VI64 c = VI64::broadcast(static_cast<int64_t>(s.draw & 0xffffffff));
  const VI64 d = VI64::broadcast(static_cast<int64_t>(s.draw >> 32));
  VI64 block = lane_numbers() + static_cast<int64_t>(group * 8);
  for (int64_t g = 0; g < n; ++g) {
#pragma GCC unroll 4
    for (int part = 0; part < 8; part += VI64::lanes) {
      const WordLanes w = philox_lanes(keys, block, shr_logical(block, 32), c, d);
      emit(w.low(), w.high(), g * kPhiloxGroup + part);
      block = block + int64_t{VI64::lanes};
    }
  }
}

template <class I, class E>
PHINTYS_INLINE void normal_pair(I low, I high, E* first, E* second) {
  const auto pair = box_muller(low, high);
  pair.c.store(first);
  pair.s.store(second);
}

}  // namespace

void philox_fill_bits(PhiloxState s, uint64_t group, int64_t n, uint64_t* out) {
  for_groups(s, group, n, [&](VI64 low, VI64 high, int64_t i) __attribute__((always_inline)) {
    low.store(reinterpret_cast<int64_t*>(out + i));
    high.store(reinterpret_cast<int64_t*>(out + i + 8));
  });
}

void philox_fill_uniform_f32(PhiloxState s, uint64_t group, int64_t n, float* out) {
  for_groups(s, group, n, [&](VI64 low, VI64 high, int64_t i) __attribute__((always_inline)) {
    unit_interval(halves(low)).store(out + 2 * i);
    unit_interval(halves(high)).store(out + 2 * i + 16);
  });
}

void philox_fill_uniform_f64(PhiloxState s, uint64_t group, int64_t n, double* out) {
  for_groups(s, group, n, [&](VI64 low, VI64 high, int64_t i) __attribute__((always_inline)) {
    unit_interval(low).store(out + i);
    unit_interval(high).store(out + i + 8);
  });
}

void philox_fill_normal_f32(PhiloxState s, uint64_t group, int64_t n, float* out) {
  for_groups(s, group, n, [&](VI64 low, VI64 high, int64_t i) __attribute__((always_inline)) {
    normal_pair(halves(low), halves(high), out + 2 * i, out + 2 * i + 16);
  });
}

void philox_fill_normal_f64(PhiloxState s, uint64_t group, int64_t n, double* out) {
  for_groups(s, group, n, [&](VI64 low, VI64 high, int64_t i) __attribute__((always_inline)) {
    normal_pair(low, high, out + i, out + i + 8);
  });
}

void philox_fill_exponential_f32(PhiloxState s, uint64_t group, int64_t n, float* out) {
  for_groups(s, group, n, [&](VI64 low, VI64 high, int64_t i) __attribute__((always_inline)) {
    minus_log(unit_positive(halves(low))).store(out + 2 * i);
    minus_log(unit_positive(halves(high))).store(out + 2 * i + 16);
  });
}

void philox_fill_exponential_f64(PhiloxState s, uint64_t group, int64_t n, double* out) {
  for_groups(s, group, n, [&](VI64 low, VI64 high, int64_t i) __attribute__((always_inline)) {
    minus_log(unit_positive(low)).store(out + i);
    minus_log(unit_positive(high)).store(out + i + 8);
  });
}

}  // namespace phintys::PHINTYS_ISA
