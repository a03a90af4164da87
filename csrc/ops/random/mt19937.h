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

// BTPE: Kachitvichyanukul and Schmeiser, "Binomial random variate generation", CACM 31 (1988).
// Names are the paper's.
class Btpe {
 public:
  Btpe() = default;
  Btpe(double n, double p);
  // A candidate from the four regions; false where it is refused at once. `certain` if no test is
  // needed.
  bool candidate(double u, double& v, int64_t& y, bool& certain) const;
  // Whether v is at most the probability of y relative to that of the mode.
  bool accepts(double v, int64_t y) const;
  double total() const { return p4; }

 private:
  double ratio(int64_t y) const;
  double log_ratio(double y) const;

  double n, r, q, fm, p1, xm, xl, xr, c, laml, lamr, p2, p3, p4, nrq;
  int64_t m;
};

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
  void plan_binomial(int64_t n, double p);
  int64_t binomial_small();
  int64_t binomial_large();

  uint32_t* state_;
  // What the last binomial number needed besides random words: many have the same parameters.
  struct {
    int64_t n = -1;
    double p = -1, none = 0;
    int64_t bound = 0;
    Btpe btpe;
  } plan_;
};

}  // namespace phintys
