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
  // Nothing but zeros comes from zeros (the low 31 bits of the first word do not count), and
  // methods that reject would go on for ever.
  uint32_t bits = state[0] & 0x80000000u;
  for (int64_t i = 1; i < kMtWords; ++i) bits |= state[i];
  if (bits == 0) fail(ErrorKind::value, "the state of a Mersenne Twister must not be zero");
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
  const uint64_t mask = ~uint64_t{0} >> __builtin_clzll(last);
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
  const bool flipped = !(p <= 0.5);
  const double q = flipped ? 1.0 - p : p;
  const bool small = q * static_cast<double>(n) <= 30.0;
  if (n != plan_.n || q != plan_.p) plan_binomial(n, q);
  const int64_t k = small ? binomial_small() : binomial_large();
  return flipped ? n - k : k;
}

void RandomState::plan_binomial(int64_t n, double p) {
  const auto trials = static_cast<double>(n);
  plan_.n = n;
  plan_.p = p;
  if (p * trials > 30.0) {
    plan_.btpe = Btpe(trials, p);
    return;
  }
  const double q = 1.0 - p;
  const double mean = trials * p;
  plan_.none = std::exp(trials * std::log(q));
  plan_.bound = static_cast<int64_t>(std::min(trials, mean + 10.0 * std::sqrt(mean * q + 1)));
}

// Counts up the probabilities; starts again where rounding has left too little of them.
int64_t RandomState::binomial_small() {
  const double p = plan_.p, q = 1.0 - p;
  int64_t k = 0;
  double probability = plan_.none;
  double u = next_double();
  while (u > probability) {
    ++k;
    if (k > plan_.bound) {
      k = 0;
      probability = plan_.none;
      u = next_double();
    } else {
      u -= probability;
      probability =
          (static_cast<double>(plan_.n - k + 1) * p * probability) / (static_cast<double>(k) * q);
    }
  }
  return k;
}

int64_t RandomState::binomial_large() {
  while (true) {
    const double u = next_double() * plan_.btpe.total();
    double v = next_double();
    int64_t y = 0;
    bool certain = false;
    if (!plan_.btpe.candidate(u, v, y, certain)) continue;
    if (certain || plan_.btpe.accepts(v, y)) return y;
  }
}

Btpe::Btpe(double n_, double p) : n(n_) {
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

bool Btpe::candidate(double u, double& v, int64_t& y, bool& certain) const {
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

bool Btpe::accepts(double v, int64_t y) const {
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

double Btpe::ratio(int64_t y) const {
  const double s = r / q;
  const double a = s * (n + 1);
  double f = 1.0;
  for (int64_t i = m + 1; i <= y; ++i) f *= a / static_cast<double>(i) - s;
  for (int64_t i = y + 1; i <= m; ++i) f /= a / static_cast<double>(i) - s;
  return f;
}

namespace {

double stirling(double x) {
  const double x2 = x * x;
  return (13680. - (462. - (132. - (99. - 140. / x2) / x2) / x2) / x2) / x / 166320.;
}

}  // namespace

double Btpe::log_ratio(double y) const {
  const auto md = static_cast<double>(m);
  const double x1 = y + 1, f1 = md + 1, z = n + 1 - md, w = n - y + 1;
  return xm * std::log(f1 / x1) + (n - md + 0.5) * std::log(z / w) +
         (y - md) * std::log(w * r / (x1 * q)) + stirling(f1) + stirling(z) + stirling(x1) +
         stirling(w);
}

}  // namespace phintys
