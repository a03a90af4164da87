// Distributions with parameters. Each lane is one element with counters of its own: a rejected
// candidate of an element is replaced by its own next attempt, so that no element depends on
// another. A vector is done when all its lanes are.
#include "ops/random/philox_simd.h"

namespace phintys::PHINTYS_ISA {

namespace {

// A method that accepts less than one of two candidates has gone wrong long before this many.
constexpr int64_t kMaxAttempts = 60000;

struct Lanes {
  PhiloxKeys keys;
  VI64 index;
  VI64 c, d;
  // The random bits of an attempt; 0 is for what is needed once.
  PHINTYS_INLINE WordLanes attempt(int64_t number) const {
    const VI64 high = (shr_logical(index, 32) & int64_t{0xffff}) | (number << 16);
    return philox_lanes(keys, index, high, c, d);
  }
};

// f(lanes, position): sets out[position...].
template <class F>
PHINTYS_INLINE void for_lanes(const LaneWork& work, F f) {
  const PhiloxState& s = work.state;
  const VI64 c = VI64::broadcast(static_cast<int64_t>(s.draw & 0xffffffff));
  const VI64 d = VI64::broadcast(static_cast<int64_t>(s.draw >> 32));
  VI64 ramp = VI64::broadcast(0);
  for (int i = 0; i < VI64::lanes; ++i) {
    ramp.v[i] = static_cast<int64_t>(work.first + static_cast<uint64_t>(i) * work.step);
  }
  Lanes lanes{philox_keys(s), ramp, c, d};
  for (int64_t i = 0; i < work.n; i += VI64::lanes) {
    f(lanes, i);
    lanes.index = lanes.index + static_cast<int64_t>(work.step) * VI64::lanes;
  }
}

PHINTYS_INLINE VF64 number(double x) { return VF64::broadcast(x); }

// One normal number; the fourth word of the block stays free.
PHINTYS_INLINE VF64 normal_of(const WordLanes& w) {
  const VF64 radius = sqrt(log_of_normal(unit_positive(w.low())) * -2.0);
  return radius * unit_circle(shl(w.word[2], 32)).c;
}

// --- gamma
// ----------------------------------------------------------------------------------------

// Marsaglia and Tsang, "A simple method for generating gamma variables", ACM TOMS 26 (2000). Shapes
// below 1 are those of shape + 1 times u^(1 / shape), or with logarithms: tiny shapes have numbers
// below the smallest double.
template <bool kLog>
PHINTYS_INLINE void gamma_lanes(const LaneWork& work) {
  for_lanes(work, [&](const Lanes& lanes, int64_t at) __attribute__((always_inline)) {
    const VF64 shape = VF64::load(work.a + at);
    const auto small = shape < 1.0;
    const auto plain = (shape > 0.0) & (shape < 1e300);
    const VF64 raised = select(plain, select(small, shape + 1.0, shape), number(1.0));
    const VF64 d = raised - 1.0 / 3.0;
    const VF64 c = number(1.0) / sqrt(d * 9.0);
    VF64 result = number(0.0);
    auto open = plain;
    for (int64_t attempt = 1; any(open) && attempt < kMaxAttempts; ++attempt) {
      const WordLanes w = lanes.attempt(attempt);
      const VF64 x = normal_of(w);
      const VF64 root = number(1.0) + c * x;
      const VF64 v = root * root * root;
      const auto positive = v > 0.0;
      const VF64 log_v = log_of_normal(select(positive, v, number(1.0)));
      const VF64 log_u = log_of_normal(unit_short(w.word[3]));
      const auto accepted = open & positive & (log_u < x * x * 0.5 + d * (number(1.0) - v + log_v));
      result = select(accepted, kLog ? log_of_normal(d) + log_v : d * v, result);
      open = open & ~accepted;
    }
    if (any(small & plain)) {
      const VF64 boost = log_of_normal(unit_positive(lanes.attempt(0).low())) / shape;
      result = select(small & plain, kLog ? result + boost : result * math::exp(boost), result);
    }
    // No shape at all, or one so large that its gamma numbers are the shape itself.
    const VF64 edge = kLog ? math::log(shape) : shape;
    select(plain, result, edge).store(work.out + at);
  });
}

// --- factorials
// -----------------------------------------------------------------------------------

// log k! - (k + 1/2) log(k + 1) + (k + 1) - log(2 pi) / 2 for integral k >= 0.
PHINTYS_INLINE VF64 stirling_tail(VF64 k) {
  static constexpr double kTable[10] = {
      0.08106146679532733,  0.04134069595540895, 0.027677925684997807, 0.020790672103765024,
      0.016644691189821467, 0.01387612882307038, 0.01189670994589203,  0.010411265261972197,
      0.00925546218271237,  0.008330563433362785};
  const VF64 r = number(1.0) / (k + 1.0);
  const VF64 r2 = r * r;
  VF64 y = ((r2 * (-1.0 / 1680.0) + 1.0 / 1260.0) * r2 - 1.0 / 360.0) * r2;
  y = (y + 1.0 / 12.0) * r;
  if (__builtin_expect(any(k < 10.0), 0)) {
    double ks[VF64::lanes], ys[VF64::lanes];
    k.store(ks);
    y.store(ys);
    for (int i = 0; i < VF64::lanes; ++i) {
      if (ks[i] >= 0 && ks[i] < 10) ys[i] = kTable[static_cast<int>(ks[i])];
    }
    y = VF64::load(ys);
  }
  return y;
}

// --- Poisson
// --------------------------------------------------------------------------------------

// Counts up the distribution function.
PHINTYS_INLINE VF64 poisson_by_inversion(const Lanes& lanes, VF64 lam) {
  const VF64 u = unit_interval(lanes.attempt(0).low());
  VF64 k = number(0.0);
  VF64 p = math::exp(number(0.0) - lam);
  VF64 sum = p;
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
PHINTYS_INLINE VF64 poisson_by_rejection(const Lanes& lanes, VF64 lam, mask_of<VF64> open) {
  const VF64 b = number(0.931) + sqrt(lam) * 2.53;
  const VF64 a = b * 0.02483 - 0.059;
  const VF64 inv_alpha = number(1.1239) + number(1.1328) / (b - 3.4);
  const VF64 v_r = number(0.9277) - number(3.6224) / (b - 2.0);
  VF64 result = number(0.0);
  for (int64_t attempt = 1; any(open) && attempt < kMaxAttempts; ++attempt) {
    const WordLanes w = lanes.attempt(attempt);
    const VF64 u = unit_interval(w.low()) - 0.5;
    const VF64 v = unit_positive(w.high());
    const VF64 us = max(number(0.5) - abs(u), number(1e-300));
    const VF64 k = floor((a * 2.0 / us + b) * u + lam + 0.43);
    auto accepted = (us >= 0.07) & (v <= v_r);
    const auto possible = (k >= 0.0) & ~((us < 0.013) & (v > us));
    if (any(open & possible & ~accepted)) {
      // log of lam^k e^-lam / k!, with k + 1 = m: m log(lam / m) - lam + m is small.
      const VF64 m = select(possible, k, number(0.0)) + 1.0;
      const VF64 y = (lam - m) / m;
      const VF64 log_p = m * (math::log1p(y) - y) - log_of_normal(lam) + log_of_normal(m) * 0.5 -
                         0.91893853320467274178 - stirling_tail(m - 1.0);
      const VF64 left = math::log(v * inv_alpha / (a / (us * us) + b));
      accepted = accepted | (left <= log_p);
    }
    accepted = accepted & open & possible;
    result = select(accepted, k, result);
    open = open & ~accepted;
  }
  return result;
}

// --- binomial
// -------------------------------------------------------------------------------------

// p <= 1/2 and n p small: counts up the probabilities.
PHINTYS_INLINE VF64 binomial_by_inversion(const Lanes& lanes, VF64 n, VF64 p) {
  VF64 u = unit_interval(lanes.attempt(0).low());
  const VF64 odds = p / (number(1.0) - p);
  VF64 f = math::exp(n * math::log1p(number(0.0) - p));
  VF64 k = number(0.0);
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
PHINTYS_INLINE VF64 binomial_by_rejection(const Lanes& lanes, VF64 n, VF64 p, mask_of<VF64> open) {
  const VF64 q = number(1.0) - p;
  const VF64 spread = sqrt(n * p * q);
  const VF64 b = number(1.15) + spread * 2.53;
  const VF64 a = b * 0.0248 - 0.0873 + p * 0.01;
  const VF64 c = n * p + 0.5;
  const VF64 v_r = number(0.92) - number(4.2) / b;
  const VF64 alpha = (number(2.83) + number(5.1) / b) * spread;
  const VF64 odds = p / q;
  const VF64 m = floor((n + 1.0) * p);
  VF64 result = number(0.0);
  for (int64_t attempt = 1; any(open) && attempt < kMaxAttempts; ++attempt) {
    const WordLanes w = lanes.attempt(attempt);
    const VF64 u = unit_interval(w.low()) - 0.5;
    const VF64 v = unit_positive(w.high());
    const VF64 us = max(number(0.5) - abs(u), number(1e-300));
    const VF64 k = floor((a * 2.0 / us + b) * u + c);
    auto accepted = (us >= 0.07) & (v <= v_r);
    const auto possible = (k >= 0.0) & (k <= n);
    if (any(open & possible & ~accepted)) {
      const VF64 x = select(possible, k, m);
      const VF64 left = math::log(v * alpha / (a / (us * us) + b));
      const VF64 right = (m + 0.5) * math::log((m + 1.0) / (odds * (n - m + 1.0))) +
                         (n + 1.0) * math::log((n - m + 1.0) / (n - x + 1.0)) +
                         (x + 0.5) * math::log(odds * (n - x + 1.0) / (x + 1.0)) +
                         stirling_tail(m) + stirling_tail(n - m) - stirling_tail(x) -
                         stirling_tail(n - x);
      accepted = accepted | (left <= right);
    }
    accepted = accepted & open & possible;
    result = select(accepted, k, result);
    open = open & ~accepted;
  }
  return result;
}

}  // namespace

void philox_gamma_lanes(const LaneWork& work) { gamma_lanes<false>(work); }
void philox_log_gamma_lanes(const LaneWork& work) { gamma_lanes<true>(work); }

void philox_poisson_lanes(const LaneWork& work) {
  for_lanes(work, [&](const Lanes& lanes, int64_t at) __attribute__((always_inline)) {
    const VF64 lam = VF64::load(work.a + at);
    const auto large = lam >= 10.0;
    VF64 result = number(0.0);
    if (any(~large)) {
      result = poisson_by_inversion(lanes, select(large, number(0.0), lam));
    }
    if (any(large)) {
      const VF64 k = poisson_by_rejection(lanes, select(large, lam, number(10.0)), large);
      result = select(large, k, result);
    }
    result.store(work.out + at);
  });
}

void philox_binomial_lanes(const LaneWork& work) {
  for_lanes(work, [&](const Lanes& lanes, int64_t at) __attribute__((always_inline)) {
    const VF64 n = VF64::load(work.a + at);
    const VF64 given = VF64::load(work.b + at);
    const auto flipped = given > 0.5;
    const VF64 p = select(flipped, number(1.0) - given, given);
    const auto large = n * p >= 10.0;
    VF64 result = number(0.0);
    if (any(~large)) {
      result = binomial_by_inversion(lanes, select(large, number(0.0), n), p);
    }
    if (any(large)) {
      const VF64 k = binomial_by_rejection(lanes, select(large, n, number(100.0)),
                                           select(large, p, number(0.25)), large);
      result = select(large, k, result);
    }
    select(flipped, n - result, result).store(work.out + at);
  });
}

// Robert, "Simulation of truncated normal variables", Statistics and Computing 5 (1995): candidates
// are normal, uniform or exponential, whichever is accepted most often in [a, b].
void philox_truncated_normal_lanes(const LaneWork& work) {
  for_lanes(work, [&](const Lanes& lanes, int64_t at) __attribute__((always_inline)) {
    const VF64 given_a = VF64::load(work.a + at);
    const VF64 given_b = VF64::load(work.b + at);
    const auto flipped = given_b < 0.0;
    const VF64 a = select(flipped, number(0.0) - given_b, given_a);
    const VF64 b = select(flipped, number(0.0) - given_a, given_b);
    const VF64 start = max(a, number(0.0));
    const VF64 width = b - a;
    const VF64 root = sqrt(start * start + 4.0);
    const VF64 rate = (start + root) * 0.5;
    // Where a > 0, uniform candidates win in intervals shorter than this.
    const VF64 limit =
        math::exp((start * start - start * root) * 0.25) * 3.2974425414002562937 / (start + root);
    const auto in_tail = a > 0.0;
    const auto uniform = (in_tail & (width <= limit)) | (~in_tail & (width <= 2.5066282746310002));
    const auto normal = ~(in_tail | uniform);
    VF64 result = a;
    auto open = a < b;
    for (int64_t attempt = 1; any(open) && attempt < kMaxAttempts; ++attempt) {
      const WordLanes w = lanes.attempt(attempt);
      const VF64 from_normal = normal_of(w);
      const VF64 from_uniform = a + width * unit_interval(w.low());
      const VF64 from_tail = a - log_of_normal(unit_positive(w.low())) / rate;
      const VF64 x = select(normal, from_normal, select(uniform, from_uniform, from_tail));
      const VF64 off = select(uniform, x, x - rate);
      const VF64 base = select(uniform, start * start, number(0.0));
      const VF64 log_u = log_of_normal(unit_short(w.word[3]));
      const auto accepted =
          open & (x >= a) & (x <= b) & (normal | (log_u * 2.0 <= base - off * off));
      result = select(accepted, x, result);
      open = open & ~accepted;
    }
    select(flipped, number(0.0) - result, result).store(work.out + at);
  });
}

}  // namespace phintys::PHINTYS_ISA
