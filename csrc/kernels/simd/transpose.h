// Squares of as many vectors as each has lanes, transposed in registers.
#pragma once

#include "vec.h"

namespace phintys::PHINTYS_ISA {

/// The lanes of a and b in turns, from the lower halves of both or the upper.
template <class V, bool kUpper>
PHINTYS_INLINE V interleave(V a, V b) {
  constexpr int h = kUpper ? V::lanes / 2 : 0;
  V r;
  if constexpr (V::lanes == 16) {
    r.v = __builtin_shufflevector(a.v, b.v, h, h + 16, h + 1, h + 17, h + 2, h + 18, h + 3, h + 19,
                                  h + 4, h + 20, h + 5, h + 21, h + 6, h + 22, h + 7, h + 23);
  } else if constexpr (V::lanes == 8) {
    r.v = __builtin_shufflevector(a.v, b.v, h, h + 8, h + 1, h + 9, h + 2, h + 10, h + 3, h + 11);
  } else if constexpr (V::lanes == 4) {
    r.v = __builtin_shufflevector(a.v, b.v, h, h + 4, h + 1, h + 5);
  } else {
    r.v = __builtin_shufflevector(a.v, b.v, h, h + 2);
  }
  return r;
}

/// Lane j of x[i] becomes lane i of x[j].
template <class V>
PHINTYS_INLINE void transpose_lanes(V (&x)[V::lanes]) {
  constexpr int n = V::lanes;
  V y[n];
#pragma GCC unroll 4
  for (int step = 1; step < n; step *= 2) {
#pragma GCC unroll 8
    for (int i = 0; i < n / 2; ++i) {
      y[2 * i] = interleave<V, false>(x[i], x[i + n / 2]);
      y[2 * i + 1] = interleave<V, true>(x[i], x[i + n / 2]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < n; ++i) x[i] = y[i];
  }
}

}  // namespace phintys::PHINTYS_ISA
