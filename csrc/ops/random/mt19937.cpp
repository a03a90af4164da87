#include "ops/random/mt19937.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"

namespace phintys {

RandomState::RandomState(uint32_t* state) : state_(state) {
  if (state[kMtWords] > kMtWords || state[kMtWords + 1] > 1) {
    fail(ErrorKind::value, "the state of a Mersenne Twister has a position of ", state[kMtWords],
         " (at most 624) and a flag of ", state[kMtWords + 1], " (0 or 1)");
  }
}

void RandomState::refill() {
  constexpr int kLag = 397;
  uint32_t* s = state_;
  const auto next = [s](int64_t i, int64_t after, int64_t lagged) {
    const uint32_t y = (s[i] & 0x80000000u) | (s[after] & 0x7fffffffu);
    s[i] = s[lagged] ^ (y >> 1) ^ ((0u - (y & 1)) & 0x9908b0dfu);
  };
  for (int64_t i = 0; i < kMtWords - kLag; ++i) next(i, i + 1, i + kLag);
  for (int64_t i = kMtWords - kLag; i < kMtWords - 1; ++i) next(i, i + 1, i + kLag - kMtWords);
  next(kMtWords - 1, 0, kLag - 1);
  s[kMtWords] = 0;
}

// Marsaglia's polar method; the second number of a pair waits in the state.
double RandomState::normal() {
  uint32_t* waiting = state_ + kMtWords + 1;
  if (*waiting) {
    double value;
    std::memcpy(&value, waiting + 1, sizeof(value));
    waiting[0] = waiting[1] = waiting[2] = 0;
    return value;
  }
  double x, y, r2;
  do {
    x = 2.0 * next_double() - 1.0;
    y = 2.0 * next_double() - 1.0;
    r2 = x * x + y * y;
  } while (r2 >= 1.0 || r2 == 0.0);
  const double f = std::sqrt(-2.0 * std::log(r2) / r2);
  const double other = f * x;
  waiting[0] = 1;
  std::memcpy(waiting + 1, &other, sizeof(other));
  return f * y;
}

uint64_t RandomState::interval(uint64_t last) {
  if (last == 0) return 0;
  uint64_t mask = last;
  for (int shift = 1; shift < 64; shift *= 2) mask |= mask >> shift;
  uint64_t value;
  do {
    value = (last <= 0xffffffffu ? next32() : next64()) & mask;
  } while (value > last);
  return value;
}

// --- Poisson
// --------------------------------------------------------------------------------------

namespace {

// log Gamma(x): Zhang and Jin, "Computation of special functions" (1996).
double log_gamma(double x) {
  static constexpr double kSeries[10] = {
      8.333333333333333e-02, -2.777777777777778e-03, 7.936507936507937e-04, -5.952380952380952e-04,
      8.417508417508418e-04, -1.917526917526918e-03, 6.410256410256410e-03, -2.955065359477124e-02,
      1.796443723688307e-01, -1.39243221690590e+00};
  if (x == 1.0 || x == 2.0) return 0.0;
  const int steps = x < 7.0 ? static_cast<int>(7 - x) : 0;
  double shifted = x + steps;
  const double x2 = (1.0 / shifted) * (1.0 / shifted);
  double tail = kSeries[9];
  for (int k = 8; k >= 0; --k) {
    tail *= x2;
    tail += kSeries[k];
  }
  double value =
      tail / shifted + 0.5 * 1.8378770664093453e+00 + (shifted - 0.5) * std::log(shifted) - shifted;
  for (int k = 1; k <= steps; ++k) {
    value -= std::log(shifted - 1.0);
    shifted -= 1.0;
  }
  return value;
}

}  // namespace

int64_t RandomState::poisson(double lam) {
  if (lam >= 10) return poisson_large(lam);
  return lam == 0 ? 0 : poisson_small(lam);
}

int64_t RandomState::poisson_small(double lam) {
  const double limit = std::exp(-lam);
  int64_t k = 0;
  for (double product = next_double(); product > limit; product *= next_double()) ++k;
  return k;
}

// Hoermann's PTRS (1993).
int64_t RandomState::poisson_large(double lam) {
  const double root = std::sqrt(lam), log_lam = std::log(lam);
  const double b = 0.931 + 2.53 * root;
  const double a = -0.059 + 0.02483 * b;
  const double inv_alpha = 1.1239 + 1.1328 / (b - 3.4);
  const double v_r = 0.9277 - 3.6224 / (b - 2);
  while (true) {
    const double u = next_double() - 0.5;
    const double v = next_double();
    const double us = 0.5 - std::fabs(u);
    const auto k = static_cast<int64_t>(std::floor((2 * a / us + b) * u + lam + 0.43));
    if (us >= 0.07 && v <= v_r) return k;
    if (k < 0 || (us < 0.013 && v > us)) continue;
    const auto kd = static_cast<double>(k);
    if (std::log(v) + std::log(inv_alpha) - std::log(a / (us * us) + b) <=
        -lam + kd * log_lam - log_gamma(kd + 1)) {
      return k;
    }
  }
}

// --- binomial
// -------------------------------------------------------------------------------------

int64_t RandomState::binomial(int64_t n, double p) {
  // Draws even where the result is certain, as RandomState does.
  const auto trials = static_cast<double>(n);
  if (p <= 0.5) return p * trials <= 30.0 ? binomial_small(n, p) : binomial_large(n, p);
  const double q = 1.0 - p;
  return n - (q * trials <= 30.0 ? binomial_small(n, q) : binomial_large(n, q));
}

// Counts up the probabilities; starts again where rounding has left too little of them.
int64_t RandomState::binomial_small(int64_t n, double p) {
  const auto trials = static_cast<double>(n);
  const double q = 1.0 - p;
  const double none = std::exp(trials * std::log(q));
  const double mean = trials * p;
  const auto bound = static_cast<int64_t>(std::min(trials, mean + 10.0 * std::sqrt(mean * q + 1)));
  int64_t k = 0;
  double probability = none;
  double u = next_double();
  while (u > probability) {
    ++k;
    if (k > bound) {
      k = 0;
      probability = none;
      u = next_double();
    } else {
      u -= probability;
      probability =
          (static_cast<double>(n - k + 1) * p * probability) / (static_cast<double>(k) * q);
    }
  }
  return k;
}

namespace {

// BTPE: Kachitvichyanukul and Schmeiser, "Binomial random variate generation", CACM 31 (1988).
// Names are the paper's.
struct Btpe {
  double n, r, q, fm, p1, xm, xl, xr, c, laml, lamr, p2, p3, p4, nrq;
  int64_t m;

  Btpe(double n_, double p) : n(n_) {
    r = std::min(p, 1.0 - p);
    q = 1.0 - r;
    fm = n * r + r;
    m = static_cast<int64_t>(std::floor(fm));
    p1 = std::floor(2.195 * std::sqrt(n * r * q) - 4.6 * q) + 0.5;
    xm = static_cast<double>(m) + 0.5;
    xl = xm - p1;
    xr = xm + p1;
    c = 0.134 + 20.5 / (15.3 + static_cast<double>(m));
    const double left = (fm - xl) / (fm - xl * r);
    laml = left * (1.0 + left / 2.0);
    const double right = (xr - fm) / (xr * q);
    lamr = right * (1.0 + right / 2.0);
    p2 = p1 * (1.0 + 2.0 * c);
    p3 = p2 + c / laml;
    p4 = p3 + c / lamr;
    nrq = n * r * q;
  }

  // A candidate from the four regions; false where it is refused at once. `certain` if no test is
  // needed.
  bool candidate(double u, double& v, int64_t& y, bool& certain) const {
    certain = u <= p1;
    if (certain) {
      y = static_cast<int64_t>(std::floor(xm - p1 * v + u));
      return true;
    }
    if (u <= p2) {
      const double x = xl + (u - p1) / c;
      v = v * c + 1.0 - std::fabs(static_cast<double>(m) - x + 0.5) / p1;
      y = static_cast<int64_t>(std::floor(x));
      return v <= 1.0;
    }
    if (v == 0.0) return false;
    if (u <= p3) {
      y = static_cast<int64_t>(std::floor(xl + std::log(v) / laml));
      v = v * (u - p2) * laml;
      return y >= 0;
    }
    y = static_cast<int64_t>(std::floor(xr - std::log(v) / lamr));
    v = v * (u - p3) * lamr;
    return y <= static_cast<int64_t>(n);
  }

  // Whether v is at most the probability of y relative to that of the mode.
  bool accepts(double v, int64_t y) const {
    const int64_t distance = y > m ? y - m : m - y;
    const auto k = static_cast<double>(distance);
    if (distance <= 20 || k >= nrq / 2.0 - 1) return v <= ratio(y);
    const double rho = (k / nrq) * ((k * (k / 3.0 + 0.625) + 0.16666666666666666) / nrq + 0.5);
    const double t = -k * k / (2 * nrq);
    const double log_v = std::log(v);
    if (log_v < t - rho) return true;
    if (log_v > t + rho) return false;
    return log_v <= log_ratio(static_cast<double>(y));
  }

  double ratio(int64_t y) const {
    const double s = r / q;
    const double a = s * (n + 1);
    double f = 1.0;
    for (int64_t i = m + 1; i <= y; ++i) f *= a / static_cast<double>(i) - s;
    for (int64_t i = y + 1; i <= m; ++i) f /= a / static_cast<double>(i) - s;
    return f;
  }

  static double stirling(double x) {
    const double x2 = x * x;
    return (13680. - (462. - (132. - (99. - 140. / x2) / x2) / x2) / x2) / x / 166320.;
  }

  double log_ratio(double y) const {
    const auto md = static_cast<double>(m);
    const double x1 = y + 1, f1 = md + 1, z = n + 1 - md, w = n - y + 1;
    return xm * std::log(f1 / x1) + (n - md + 0.5) * std::log(z / w) +
           (y - md) * std::log(w * r / (x1 * q)) + stirling(f1) + stirling(z) + stirling(x1) +
           stirling(w);
  }
};

}  // namespace

int64_t RandomState::binomial_large(int64_t n, double p) {
  const Btpe btpe(static_cast<double>(n), p);
  while (true) {
    const double u = next_double() * btpe.p4;
    double v = next_double();
    int64_t y = 0;
    bool certain = false;
    if (!btpe.candidate(u, v, y, certain)) continue;
    if (certain || btpe.accepts(v, y)) return y;
  }
}

}  // namespace phintys
