// Philox4x32-10: a counter-based generator (Salmon, Moraes, Dror, Shaw: "Parallel random numbers:
// as easy as 1, 2, 3", SC 2011). Ten rounds of a keyed bijection turn a counter of 128 bits into
// 128 random bits, so that a random number is a function of its index and needs no predecessor.
//
// How the counter is used here:
//   word 0            low 32 bits of the block's index
//   word 1, low half  the next 16 bits of it
//   word 1, high half 0, or 1 + the number of the attempt where a method rejects candidates
//   words 2 and 3     the number of the draw: each draw from a state adds one to it
// The key is that of the state. A state is a vector of two uint64: key and number of the draw.
#pragma once

#include <stdint.h>

// Compiled for devices too. Always inlined: units for several instruction sets share it.
#ifdef __CUDACC__
#define PHINTYS_EVERYWHERE __host__ __device__ __forceinline__
#else
#define PHINTYS_EVERYWHERE inline __attribute__((always_inline))
#endif

namespace phintys {

struct PhiloxState {
  uint64_t key;
  uint64_t draw;
};

struct PhiloxBlock {
  uint32_t word[4];
};

inline constexpr uint32_t kPhiloxM0 = 0xD2511F53, kPhiloxM1 = 0xCD9E8D57;
inline constexpr uint32_t kPhiloxW0 = 0x9E3779B9, kPhiloxW1 = 0xBB67AE85;
inline constexpr int kPhiloxRounds = 10;

// Elements that one draw may have: indices of blocks are 48 bits long.
inline constexpr int64_t kMaxDraw = int64_t{1} << 47;

// The bijection itself.
PHINTYS_EVERYWHERE PhiloxBlock philox(PhiloxBlock counter, uint32_t k0, uint32_t k1) {
  uint32_t a = counter.word[0], b = counter.word[1], c = counter.word[2], d = counter.word[3];
  for (int round = 0; round < kPhiloxRounds; ++round) {
    const uint64_t p = static_cast<uint64_t>(a) * kPhiloxM0;
    const uint64_t q = static_cast<uint64_t>(c) * kPhiloxM1;
    const uint32_t next_a = static_cast<uint32_t>(q >> 32) ^ b ^ k0;
    const uint32_t next_c = static_cast<uint32_t>(p >> 32) ^ d ^ k1;
    a = next_a;
    b = static_cast<uint32_t>(q);
    c = next_c;
    d = static_cast<uint32_t>(p);
    k0 += kPhiloxW0;
    k1 += kPhiloxW1;
  }
  return {{a, b, c, d}};
}

// 64 bits for the element `index`, other ones for each `attempt` >= 0.
PHINTYS_EVERYWHERE uint64_t philox_retry(const PhiloxState& s, uint64_t index, uint32_t attempt) {
  const PhiloxBlock block =
      philox({{static_cast<uint32_t>(index),
               static_cast<uint32_t>((index >> 32) & 0xffff) | ((attempt + 1) << 16),
               static_cast<uint32_t>(s.draw), static_cast<uint32_t>(s.draw >> 32)}},
             static_cast<uint32_t>(s.key), static_cast<uint32_t>(s.key >> 32));
  return block.word[0] | static_cast<uint64_t>(block.word[1]) << 32;
}

// A uniform integer in [0, range), range 0 standing for 2^64: Lemire, "Fast random integer
// generation in an interval", ACM TOMACS 29 (2019). `bits` are those of the first attempt; further
// attempts are those of element `index`.
struct BoundedInteger {
  uint64_t range;
  uint64_t threshold;
  PHINTYS_EVERYWHERE explicit BoundedInteger(uint64_t r)
      : range(r), threshold(r ? (0 - r) % r : 0) {}
  PHINTYS_EVERYWHERE uint64_t operator()(uint64_t bits, const PhiloxState& state,
                                         uint64_t index) const {
    if (range == 0) return bits;
    __extension__ using u128 = unsigned __int128;
    u128 m = static_cast<u128>(bits) * range;
    for (uint32_t attempt = 0; static_cast<uint64_t>(m) < threshold && attempt < 60000; ++attempt) {
      m = static_cast<u128>(philox_retry(state, index, attempt)) * range;
    }
    return static_cast<uint64_t>(m >> 64);
  }
};

}  // namespace phintys
