// Distributions with parameters. Each lane is one element with counters of its own: a rejected
// candidate of an element is replaced by its own next attempt, so that no element depends on
// another. For *_isa.cpp files and devices.
#pragma once

#include "ops/random/philox_simd.h"

namespace phintys::PHINTYS_ISA {

// A method that accepts less than one of two candidates has gone wrong long before this many.
inline constexpr int64_t kMaxAttempts = 60000;

struct Lanes {
  PhiloxKeys keys;
  LI64 index;
  LI64 c, d;
  // The random bits of an attempt; 0 is for what is needed once.
  PHINTYS_INLINE WordLanes attempt(int64_t number) const {
    const LI64 high = (shr_logical(index, 32) & int64_t{0xffff}) | (number << 16);
    return philox_lanes(keys, index, high, c, d);
  }
};

// A candidate for each lane, and where it is accepted.
struct Candidate {
  LF64 value;
  mask_of<LF64> accepted;
};

PHINTYS_INLINE LF64 number(double x) { return LF64::broadcast(x); }

// One normal number; the fourth word of the block stays free.
PHINTYS_INLINE LF64 normal_of(const WordLanes& w) {
  const LF64 radius = sqrt(log_of_normal(unit_positive(w.low())) * -2.0);
  return radius * unit_circle(shl(w.word[2], 32)).c;
}

// --- gamma
// ----------------------------------------------------------------------------------------

// Marsaglia and Tsang, "A simple method for generating gamma variables", ACM TOMS 26 (2000). Shapes
// below 1 are those of shape + 1 times u^(1 / shape), or with logarithms: tiny shapes have numbers
// below the smallest double.
template <bool kLog>
struct GammaCandidate {
  PHINTYS_INLINE Candidate operator()(const Lanes& lanes, LF64 shape, LF64, int64_t attempt) const {
    const auto small = shape < 1.0;
    const auto plain = (shape > 0.0) & (shape < 1e300);
    const LF64 raised = select(plain, select(small, shape + 1.0, shape), number(1.0));
    const LF64 d = raised - 1.0 / 3.0;
    const LF64 c = number(1.0) / sqrt(d * 9.0);
    const WordLanes w = lanes.attempt(attempt);
    const LF64 x = normal_of(w);
    const LF64 root = number(1.0) + c * x;
    const LF64 v = root * root * root;
    const auto positive = v > 0.0;
    const LF64 log_v = log_of_normal(select(positive, v, number(1.0)));
    const LF64 log_u = log_of_normal(unit_short(w.word[3]));
    const auto accepted = positive & (log_u < x * x * 0.5 + d * (number(1.0) - v + log_v));
    LF64 result = kLog ? log_of_normal(d) + log_v : d * v;
    if (any(small & plain)) {
      const LF64 boost = log_of_normal(unit_positive(lanes.attempt(0).low())) / shape;
      result = select(small & plain, kLog ? result + boost : result * math::exp(boost), result);
    }
    // No shape at all, or one so large that its gamma numbers are the shape itself.
    if (any(~plain)) result = select(plain, result, kLog ? math::log(shape) : shape);
    return {result, accepted | ~plain};
  }
};

// --- factorials
// -----------------------------------------------------------------------------------

// log k! - (k + 1/2) log(k + 1) + (k + 1) - log(2 pi) / 2 for integral k >= 0.
PHINTYS_INLINE LF64 stirling_tail(LF64 k) {
  static constexpr double kTable[10] = {
      0.08106146679532733,  0.04134069595540895, 0.027677925684997807, 0.020790672103765024,
      0.016644691189821467, 0.01387612882307038, 0.01189670994589203,  0.010411265261972197,
      0.00925546218271237,  0.008330563433362785};
  const LF64 r = number(1.0) / (k + 1.0);
  const LF64 r2 = r * r;
  LF64 y = ((r2 * (-1.0 / 1680.0) + 1.0 / 1260.0) * r2 - 1.0 / 360.0) * r2;
  y = (y + 1.0 / 12.0) * r;
  if (__builtin_expect(any(k < 10.0), 0)) {
    double ks[LF64::lanes], ys[LF64::lanes];
    k.store(ks);
    y.store(ys);
    for (int i = 0; i < LF64::lanes; ++i) {
      if (ks[i] >= 0 && ks[i] < 10) ys[i] = kTable[static_cast<int>(ks[i])];
    }
    y = LF64::load(ys);
  }
  return y;
}

// --- Poisson
// --------------------------------------------------------------------------------------

// Counts up the distribution function.
PHINTYS_INLINE LF64 poisson_by_inversion(const Lanes& lanes, LF64 lam) {
  const LF64 u = unit_interval(lanes.attempt(0).low());
  LF64 k = number(0.0);
  LF64 p = math::exp(number(0.0) - lam);
  LF64 sum = p;
  auto open = u >= sum;
  while (any(open)) {
    k = select(open, k + 1.0, k);
    p = p * lam / k;
    sum = sum + p;
    // 200 is beyond reach for the small means that come here.
    open = open & (u >= sum) & (k < 200.0);
  }
  return k;
}

// Hoermann's PTRS: "The transformed rejection method for generating Poisson random variables",
// Insurance: Mathematics and Economics 12 (1993). The logarithm of the probability is summed so
// that large means lose nothing by cancellation.
PHINTYS_INLINE Candidate poisson_by_rejection(const Lanes& lanes, LF64 lam, int64_t attempt) {
  const LF64 b = number(0.931) + sqrt(lam) * 2.53;
  const LF64 a = b * 0.02483 - 0.059;
  const LF64 v_r = number(0.9277) - number(3.6224) / (b - 2.0);
  const WordLanes w = lanes.attempt(attempt);
  const LF64 u = unit_interval(w.low()) - 0.5;
  const LF64 v = unit_positive(w.high());
  const LF64 us = max(number(0.5) - abs(u), number(1e-300));
  const LF64 k = floor((a * 2.0 / us + b) * u + lam + 0.43);
  auto accepted = (us >= 0.07) & (v <= v_r);
  const auto possible = (k >= 0.0) & ~((us < 0.013) & (v > us));
  if (any(possible & ~accepted)) {
    const LF64 inv_alpha = number(1.1239) + number(1.1328) / (b - 3.4);
    // log of lam^k e^-lam / k!, with k + 1 = m: m log(lam / m) - lam + m is small.
    const LF64 m = select(possible, k, number(0.0)) + 1.0;
    const LF64 y = (lam - m) / m;
    const LF64 log_p = m * (math::log1p(y) - y) - log_of_normal(lam) + log_of_normal(m) * 0.5 -
                       0.91893853320467274178 - stirling_tail(m - 1.0);
    const LF64 left = math::log(v * inv_alpha / (a / (us * us) + b));
    accepted = accepted | (left <= log_p);
  }
  return {k, accepted & possible};
}

struct PoissonCandidate {
  PHINTYS_INLINE Candidate operator()(const Lanes& lanes, LF64 lam, LF64, int64_t attempt) const {
    const auto large = lam >= 10.0;
    Candidate x{number(0.0), ~large};
    if (any(large)) {
      const auto y = poisson_by_rejection(lanes, select(large, lam, number(10.0)), attempt);
      x = {y.value, y.accepted | ~large};
    }
    if (any(~large)) {
      const LF64 k = poisson_by_inversion(lanes, select(large, number(0.0), lam));
      x.value = select(large, x.value, k);
    }
    return x;
  }
};

// --- binomial
// -------------------------------------------------------------------------------------

// p <= 1/2 and n p small: counts up the probabilities.
PHINTYS_INLINE LF64 binomial_by_inversion(const Lanes& lanes, LF64 n, LF64 p) {
  LF64 u = unit_interval(lanes.attempt(0).low());
  const LF64 odds = p / (number(1.0) - p);
  LF64 f = math::exp(n * math::log1p(number(0.0) - p));
  LF64 k = number(0.0);
  auto open = u >= f;
  while (any(open)) {
    u = select(open, u - f, u);
    k = select(open, k + 1.0, k);
    f = f * odds * ((n + 1.0 - k) / k);
    open = open & (u >= f) & (k < n) & (k < 200.0);
  }
  return k;
}

// Hoermann's BTRS: "The generation of binomial random variates", Journal of Statistical Computation
// and Simulation 46 (1993).
PHINTYS_INLINE Candidate binomial_by_rejection(const Lanes& lanes, LF64 n, LF64 p,
                                               int64_t attempt) {
  const LF64 q = number(1.0) - p;
  const LF64 spread = sqrt(n * p * q);
  const LF64 b = number(1.15) + spread * 2.53;
  const LF64 a = b * 0.0248 - 0.0873 + p * 0.01;
  const LF64 c = n * p + 0.5;
  const LF64 v_r = number(0.92) - number(4.2) / b;
  const WordLanes w = lanes.attempt(attempt);
  const LF64 u = unit_interval(w.low()) - 0.5;
  const LF64 v = unit_positive(w.high());
  const LF64 us = max(number(0.5) - abs(u), number(1e-300));
  const LF64 k = floor((a * 2.0 / us + b) * u + c);
  auto accepted = (us >= 0.07) & (v <= v_r);
  const auto possible = (k >= 0.0) & (k <= n);
  if (any(possible & ~accepted)) {
    const LF64 alpha = (number(2.83) + number(5.1) / b) * spread;
    const LF64 odds = p / q;
    const LF64 m = floor((n + 1.0) * p);
    const LF64 x = select(possible, k, m);
    const LF64 left = math::log(v * alpha / (a / (us * us) + b));
    const LF64 right = (m + 0.5) * math::log((m + 1.0) / (odds * (n - m + 1.0))) +
                       (n + 1.0) * math::log((n - m + 1.0) / (n - x + 1.0)) +
                       (x + 0.5) * math::log(odds * (n - x + 1.0) / (x + 1.0)) + stirling_tail(m) +
                       stirling_tail(n - m) - stirling_tail(x) - stirling_tail(n - x);
    accepted = accepted | (left <= right);
  }
  return {k, accepted & possible};
}

struct BinomialCandidate {
  PHINTYS_INLINE Candidate operator()(const Lanes& lanes, LF64 n, LF64 given,
                                      int64_t attempt) const {
    const auto flipped = given > 0.5;
    const LF64 p = select(flipped, number(1.0) - given, given);
    const auto large = n * p >= 10.0;
    Candidate x{number(0.0), ~large};
    if (any(large)) {
      const auto y = binomial_by_rejection(lanes, select(large, n, number(100.0)),
                                           select(large, p, number(0.25)), attempt);
      x = {y.value, y.accepted | ~large};
    }
    if (any(~large)) {
      const LF64 k = binomial_by_inversion(lanes, select(large, number(0.0), n), p);
      x.value = select(large, x.value, k);
    }
    x.value = select(flipped, n - x.value, x.value);
    return x;
  }
};

// --- truncated normal
// -----------------------------------------------------------------------------------

// Robert, "Simulation of truncated normal variables", Statistics and Computing 5 (1995): candidates
// are normal, uniform or exponential, whichever is accepted most often in [a, b].
struct TruncatedNormalCandidate {
  PHINTYS_INLINE Candidate operator()(const Lanes& lanes, LF64 given_a, LF64 given_b,
                                      int64_t attempt) const {
    const auto flipped = given_b < 0.0;
    const LF64 a = select(flipped, number(0.0) - given_b, given_a);
    const LF64 b = select(flipped, number(0.0) - given_a, given_b);
    const LF64 start = max(a, number(0.0));
    const LF64 width = b - a;
    const LF64 root = sqrt(start * start + 4.0);
    const LF64 rate = (start + root) * 0.5;
    // Where a > 0, uniform candidates win in intervals shorter than this.
    const LF64 limit =
        math::exp((start * start - start * root) * 0.25) * 3.2974425414002562937 / (start + root);
    const auto in_tail = a > 0.0;
    const auto uniform = (in_tail & (width <= limit)) | (~in_tail & (width <= 2.5066282746310002));
    const auto normal = ~(in_tail | uniform);
    const WordLanes w = lanes.attempt(attempt);
    const LF64 from_normal = normal_of(w);
    const LF64 from_uniform = a + width * unit_interval(w.low());
    const LF64 from_tail = a - log_of_normal(unit_positive(w.low())) / rate;
    const LF64 x = select(normal, from_normal, select(uniform, from_uniform, from_tail));
    const LF64 off = select(uniform, x, x - rate);
    const LF64 base = select(uniform, start * start, number(0.0));
    const LF64 log_u = log_of_normal(unit_short(w.word[3]));
    const auto accepted = (x >= a) & (x <= b) & (normal | (log_u * 2.0 <= base - off * off));
    // An interval of one point has nothing to choose.
    const auto point = ~(a < b);
    const LF64 value = select(point, a, x);
    return {select(flipped, number(0.0) - value, value), accepted | point};
  }
};

}  // namespace phintys::PHINTYS_ISA
