// The Mersenne Twister MT19937 and the distributions of NumPy's legacy RandomState, number for
// number. Theano's RandomStreams draws from RandomState objects.
//
// Generator: Matsumoto and Nishimura, "Mersenne Twister", ACM TOMACS 8 (1998).
#pragma once

#include <stdint.h>

namespace phintys {

// A state is a vector of uint32: the 624 words of the generator, the position in them, whether a
// second normal number is waiting, and the two halves of that number, the low one first.
inline constexpr int64_t kMtWords = 624;
inline constexpr int64_t kMtState = kMtWords + 4;

// Works on a state in memory; each method moves it on.
class RandomState {
 public:
  // Fails if the state is not one that the generator can be in.
  explicit RandomState(uint32_t* state);

  uint32_t next32() {
    if (state_[kMtWords] >= kMtWords) refill();
    uint32_t y = state_[state_[kMtWords]++];
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    return y ^ (y >> 18);
  }
  uint64_t next64() {
    const uint64_t high = next32();
    return high << 32 | next32();
  }
  // [0, 1), a multiple of 2^-53.
  double next_double() {
    const uint32_t a = next32() >> 5, b = next32() >> 6;
    return (a * 67108864.0 + b) / 9007199254740992.0;
  }
  double normal();
  // [0, last] by discarding what a mask leaves too large.
  uint64_t interval(uint64_t last);
  int64_t poisson(double lam);
  int64_t binomial(int64_t n, double p);

 private:
  void refill();
  int64_t poisson_small(double lam);
  int64_t poisson_large(double lam);
  int64_t binomial_small(int64_t n, double p);
  int64_t binomial_large(int64_t n, double p);

  uint32_t* state_;
};

}  // namespace phintys
