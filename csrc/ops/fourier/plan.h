// How a Fourier transform of one length is computed: made once for each length and kept.
//
// Lengths whose prime factors are at most 31 are transformed by mixed radices: short ones directly,
// long ones as a matrix (four-step), so that the parts stay in cache. Other lengths become a
// convolution of a power of two (Bluestein). Twiddle factors are rounded from long double.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "ops/fourier/fft_kernels.h"

namespace phintys {

// A plan for sequences of T (float or double), for the vectors of this processor.
template <class T>
class FftPlan {
 public:
  enum class Kind { direct, split, bluestein };

  // With `whole`, a smooth length is never split: for sequences that lie side by side.
  explicit FftPlan(int64_t n, bool whole = false);
  FftPlan(const FftPlan&) = delete;
  FftPlan& operator=(const FftPlan&) = delete;

  // The plan for `n` from the process-wide cache, made if need be. Plans that are not in use are
  // dropped, the oldest first, when the cache holds more than 64 MiB.
  static std::shared_ptr<const FftPlan> of(int64_t n, bool whole = false);

  int64_t n() const { return n_; }
  Kind kind() const { return kind_; }
  const FftStages& stages() const { return stages_; }
  // Rows that are best transformed together.
  int64_t group() const { return kind_ == Kind::direct ? lanes_ : 1; }
  // Bytes of work that rows() and columns() need.
  int64_t work_bytes() const;
  int64_t table_bytes() const;

  // Up to group() rows of n complex numbers each; strides in complex numbers. src may be dst.
  void rows(const T* src, int64_t src_stride, T* dst, int64_t dst_stride, int64_t rows,
            bool inverse, double scale, char* work) const;
  // Sequences side by side (FftColumns); for Kind::direct.
  void columns(const T* src, int64_t src_stride, T* dst, int64_t dst_stride, int64_t columns,
               bool inverse, double scale, char* work) const;
  // exp(-2 pi i k / 2n) for k <= n, for real sequences of length 2n; null if not made for them.
  const T* half_roots() const { return half_roots_.data(); }

 private:
  void make_stages();
  void make_split(int64_t n1);
  void make_bluestein();
  void split_row(const T* src, T* dst, bool inverse, double scale, char* work) const;
  void bluestein_row(const T* src, T* dst, bool inverse, double scale, char* work) const;

  int64_t n_;
  bool whole_;
  int lanes_;
  Kind kind_ = Kind::direct;
  FftStages stages_;
  std::vector<std::vector<T>> tables_;       // twiddles and roots of stages_
  std::unique_ptr<FftPlan> first_, second_;  // split: n1, n2; bluestein: first_ of length m
  std::vector<T> block_factors_, lane_factors_;
  std::vector<T> chirp_, filter_;
  std::vector<T> half_roots_;
};

}  // namespace phintys
