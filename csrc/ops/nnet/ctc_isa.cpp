// Forward and backward passes of CTC in logarithms, a vector of symbols at a time.
#include "ops/math/exponential.h"
#include "ops/math/logarithm.h"
#include "ops/nnet/ctc_kernels.h"
#include "ops/nnet/rows_isa.h"

namespace phintys::PHINTYS_ISA {
namespace {

using V = VF64;

const double kNever = -__builtin_inf();

// log(e^a + e^b + e^c), where any may be -inf.
PHINTYS_INLINE V log_add(V a, V b, V c) {
  const V top = max(max(max(a, b), c), V::broadcast(-1e300));
  return top + math::log(math::exp(a - top) + math::exp(b - top) + math::exp(c - top));
}
double log_add(double a, double b) {
  return get_lane(log_add(V::broadcast(a), V::broadcast(b), V::broadcast(kNever)), 0);
}

// The activations of one time step in double precision.
const double* row_at(const CtcWork& w, int64_t t) {
  const char* const x = w.x + t * w.step;
  if (w.dtype == DType::f32) {
    if (w.item == 4) {
      const float* const p = reinterpret_cast<const float*>(x);
      for (int64_t a = 0; a < w.alphabet; ++a) w.row[a] = static_cast<double>(p[a]);
    } else {
      for (int64_t a = 0; a < w.alphabet; ++a) {
        w.row[a] = static_cast<double>(*reinterpret_cast<const float*>(x + a * w.item));
      }
    }
    return w.row;
  }
  if (w.item == 8) return reinterpret_cast<const double*>(x);
  for (int64_t a = 0; a < w.alphabet; ++a) {
    w.row[a] = *reinterpret_cast<const double*>(x + a * w.item);
  }
  return w.row;
}

double log_sum_exp(const double* x, int64_t n) {
  V tops = V::broadcast(x[0]);
  for_vectors<V>(n, [&](int64_t i, auto f) {
    const V v = f.load(x + i);
    // Lanes that are not there count as the first element.
    tops = max(tops, f.only(v - V::broadcast(x[0])) + V::broadcast(x[0]));
  });
  double top = x[0];
  for (int i = 0; i < V::lanes; ++i) top = get_lane(tops, i) > top ? get_lane(tops, i) : top;
  const V m = V::broadcast(top);
  const V sum = sum_vectors<V>(n, [&](int64_t i, auto f) { return math::exp(f.load(x + i) - m); });
  return top + get_lane(math::log(V::broadcast(sum_lanes(sum))), 0);
}

// The logarithms of the symbols' probabilities at a time step.
void emissions(const CtcWork& w, const double* x, int64_t t) {
  for (int64_t s = 0; s < w.count; ++s) {
    w.emission[kCtcMargin + s] = x[w.symbols[s]] - w.norm[t];
  }
}

void fill(double* p, int64_t n, double value) {
  for (int64_t i = 0; i < n; ++i) p[i] = value;
}

}  // namespace

double ctc_forward(const CtcWork& w) {
  const int64_t n = w.count, row = ctc_row(n);
  fill(w.skip, row, kNever);
  for (int64_t s = 2; s < n; ++s) {
    const bool may = w.symbols[s] != 0 && w.symbols[s] != w.symbols[s - 2];
    w.skip[kCtcMargin + s] = may ? 0 : kNever;
  }
  fill(w.alpha, w.time * row, kNever);
  for (int64_t t = 0; t < w.time; ++t) {
    const double* const x = row_at(w, t);
    w.norm[t] = log_sum_exp(x, w.alphabet);
    emissions(w, x, t);
    double* const now = w.alpha + t * row + kCtcMargin;
    const double* const e = w.emission + kCtcMargin;
    if (t == 0) {
      for (int64_t s = 0; s < (n < 2 ? n : 2); ++s) now[s] = e[s];
      continue;
    }
    const double *const before = now - row, *const skip = w.skip + kCtcMargin;
    for_vectors<V>(n, [&](int64_t s, auto f) {
      const V ways = log_add(f.load(before + s), f.load(before + s - 1),
                             f.load(before + s - 2) + f.load(skip + s));
      f.store(now + s, ways + f.load(e + s));
    });
  }
  const double* const last = w.alpha + (w.time - 1) * row + kCtcMargin;
  return n > 1 ? log_add(last[n - 1], last[n - 2]) : last[0];
}

void ctc_backward(const CtcWork& w, double total) {
  const int64_t n = w.count, row = ctc_row(n);
  fill(w.beta, row, kNever);
  fill(w.next, row, kNever);
  double *const beta = w.beta + kCtcMargin, *const next = w.next + kCtcMargin;
  const double *const e = w.emission + kCtcMargin, *const skip = w.skip + kCtcMargin;
  const V all = V::broadcast(total);
  for (int64_t t = w.time - 1; t >= 0; --t) {
    const double* const x = row_at(w, t);
    if (t == w.time - 1) {
      for (int64_t s = n > 1 ? n - 2 : 0; s < n; ++s) beta[s] = 0;
    } else {
      for_vectors<V>(n, [&](int64_t s, auto f) {
        f.store(beta + s, log_add(f.load(next + s), f.load(next + s + 1),
                                  f.load(next + s + 2) + f.load(skip + s + 2)));
      });
    }
    emissions(w, x, t);
    const double* const alpha = w.alpha + t * row + kCtcMargin;
    for_vectors<V>(n,
                   [&](int64_t s, auto f) { f.store(next + s, f.load(beta + s) + f.load(e + s)); });
    const V norm = V::broadcast(w.norm[t]), g = V::broadcast(w.g);
    // The row's softmax, then less the probability of being at each symbol.
    for_vectors<V>(w.alphabet, [&](int64_t a, auto f) {
      f.store(w.row + a, g * math::exp(f.load(x + a) - norm));
    });
    for_vectors<V>(n, [&](int64_t s, auto f) {
      f.store(w.emission + kCtcMargin + s,
              g * math::exp(f.load(alpha + s) + f.load(beta + s) - all));
    });
    for (int64_t s = 0; s < n; ++s) w.row[w.symbols[s]] -= e[s];
    char* const to = w.gx + t * w.gx_step;
    if (w.dtype == DType::f32) {
      for (int64_t a = 0; a < w.alphabet; ++a) {
        reinterpret_cast<float*>(to)[a] = static_cast<float>(w.row[a]);
      }
    } else {
      for (int64_t a = 0; a < w.alphabet; ++a) reinterpret_cast<double*>(to)[a] = w.row[a];
    }
  }
}

}  // namespace phintys::PHINTYS_ISA
