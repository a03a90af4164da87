// What Jacobi's methods share: pairs, rotations, and scaling that keeps squares in range.
#pragma once

#include "solvers/sums.h"

namespace phintys::cuda::solvers {

// Pairs of `players` numbers in players - 1 rounds, so that each meets each other once (players is
// even). Pair k of a round: k < players / 2.
struct Pair {
  int p, q;  // p < q
};
PHINTYS_INLINE_DEVICE Pair pair_of(int players, int round, int k) {
  const int others = players - 1;
  const int a = k == 0 ? others : (round + k) % others;
  const int b = (round - k + others) % others;
  return a < b ? Pair{a, b} : Pair{b, a};
}

// What makes [[a, b], [conj(b), d]] diagonal: columns p and q become
// c p - s conj(phase) q and s p + c conj(phase) q.
template <class T>
struct Rotation {
  Real<T> c, s;
  T phase;  // b / |b|
};
template <class T>
PHINTYS_INLINE_DEVICE Rotation<T> rotation(Real<T> a, Real<T> d, T b, Real<T> size) {
  using R = Real<T>;
  const R theta = (d - a) / (2 * size);
  // Where theta is so large that its square overflows, t is 1 / (2 theta).
  const R t = (theta < 0 ? R(-1) : R(1)) / (absolute(theta) + absolute(Complex<R>{theta, 1}));
  const R c = 1 / root(mul_add(t, t, R(1)));
  return {c, t * c, over_real(b, size)};
}
template <class T>
PHINTYS_INLINE_DEVICE void rotate(const Rotation<T>& r, T phase, T* p, T* q) {
  const T x = *p, y = times(phase, *q);
  *p = mul_add(make<T>(-r.s), y, scaled(x, r.c));
  *q = mul_add(make<T>(r.s), x, scaled(y, r.c));
}

PHINTYS_INLINE_DEVICE int exponent_of(float x) { return ilogbf(x); }
PHINTYS_INLINE_DEVICE int exponent_of(double x) { return ilogb(x); }
PHINTYS_INLINE_DEVICE float by_power(float x, int n) { return scalbnf(x, n); }
PHINTYS_INLINE_DEVICE double by_power(double x, int n) { return scalbn(x, n); }
template <class R>
PHINTYS_INLINE_DEVICE Complex<R> by_power(Complex<R> x, int n) {
  return {by_power(x.re, n), by_power(x.im, n)};
}
template <class R>
PHINTYS_INLINE_DEVICE bool is_finite(R x) {
  return x - x == 0;
}
template <class R>
PHINTYS_INLINE_DEVICE R epsilon() {
  return sizeof(R) == 4 ? R(1.1920929e-07) : R(2.220446049250313e-16);
}

inline constexpr int kMaxSweeps = 60;

}  // namespace phintys::cuda::solvers
