// The vector loops of Fourier transforms, compiled once per instruction set.
//
// A block of `lanes` sequences is transformed at a time: element i of all of them is one vector of
// real and one of imaginary parts ("split layout": [n][2][lanes]), so that butterflies need no
// shuffles. Only loading and storing know how the sequences lie in memory. The transform is always
// the forward one; the inverse swaps real and imaginary parts on the way in and out.
#pragma once

#include <stdint.h>

#include "kernels/isa.h"

namespace phintys {

inline constexpr int kMaxFftStages = 40;
inline constexpr int kMaxFftRadix = 31;

// A Stockham transform of length n = product of the radices (2, 3, 4, 5, or a prime up to
// kMaxFftRadix).
struct FftStages {
  int64_t n = 1;
  int count = 0;
  int radix[kMaxFftStages] = {};
  // Of stage s, with m what is left of n behind it: w^(p j), p < m, 1 <= j < radix, (re, im) pairs.
  const void* twiddles[kMaxFftStages] = {};
  // For primes above 5: cos and sin of 2 pi j / radix, (re, im) pairs.
  const void* roots[kMaxFftStages] = {};
};

// Sequences side by side: element i of sequence c is at src[i * src_stride + c] (complex).
struct FftColumns {
  const FftStages* stages;
  const void* src;
  void* dst;
  int64_t src_stride, dst_stride;
  int64_t columns;
  bool inverse;
  double scale;
  void* work;  // fft_work_bytes
};

// Sequences one after another: element i of sequence r is at src[r * src_stride + i].
struct FftRows {
  const FftStages* stages;
  const void* src;
  void* dst;
  int64_t src_stride, dst_stride;
  int64_t rows;
  bool inverse;
  double scale;
  void* work;
};

// One sequence of n1 * n2 elements as a matrix of n1 rows: transforms of its columns, factors, and
// transforms of the rows of the result (the four-step method).
struct FftSplit {
  const FftStages *first, *second;  // of lengths n1, n2
  const void* block_factors;        // w^(k1 j) for j = 0, lanes, 2 lanes, ...: [n1][n2 / lanes]
  const void* lane_factors;         // w^(k1 l) for l < lanes, split layout: [n1][2][lanes]
  const void* src;
  void* dst;
  void* middle;  // [ceil(n1 / lanes)][n2][2][lanes]
  bool inverse;
  double scale;
};

// Real sequences of even length 2h through complex ones of length h: what follows the transform
// forward (z[0..h) to x[0..h]), or precedes it backward (x[0..h] to z[0..h)).
struct FftReal {
  const void* src;
  void* dst;
  const void* twiddles;  // exp(-2 pi i k / 2h), k <= h
  int64_t half;
  double scale;
};

#define PHINTYS_DECLARE_FFT(isa, T, suffix)                                         \
  int fft_lanes_##suffix();                                                         \
  void fft_columns_##suffix(const FftColumns& work);                                \
  void fft_rows_##suffix(const FftRows& work);                                      \
  void fft_split_first_##suffix(const FftSplit& split, int64_t block, void* work);  \
  void fft_split_second_##suffix(const FftSplit& split, int64_t block, void* work); \
  void fft_real_after_##suffix(const FftReal& real);                                \
  void fft_real_before_##suffix(const FftReal& real);
#define PHINTYS_DECLARE(isa)            \
  namespace isa {                       \
  PHINTYS_DECLARE_FFT(isa, float, f32)  \
  PHINTYS_DECLARE_FFT(isa, double, f64) \
  }
PHINTYS_EACH_ISA(PHINTYS_DECLARE)
#undef PHINTYS_DECLARE
#undef PHINTYS_DECLARE_FFT

// Bytes of the two buffers in split layout that a transform of length n needs.
inline int64_t fft_work_bytes(int64_t n, int lanes, int64_t item) { return 4 * n * lanes * item; }

}  // namespace phintys
