// Convolutions with filters in vectors, for the instruction set that this file is compiled for.
#include "kernels/conv_lanes.h"
#include "kernels/simd/transpose.h"
#include "kernels/simd/vec.h"
#include "kernels/simd/vector_of.h"

namespace phintys::PHINTYS_ISA {

namespace {

// As many sums as registers hold next to a vector of each filter and one broadcast number.
#if PHINTYS_SIMD_BYTES == 64 || defined(__aarch64__)
constexpr int kMaxVectors = 4;
constexpr int64_t kMaxSpots[] = {0, 8, 8, 8, 6};
#elif PHINTYS_SIMD_BYTES == 32
constexpr int kMaxVectors = 2;
constexpr int64_t kMaxSpots[] = {0, 8, 6};
#else
constexpr int kMaxVectors = 2;
constexpr int64_t kMaxSpots[] = {0, 8, 5};
#endif

template <int N, int U, class V, class T>
void sum_tile(const ConvLanes<T>& p) {
  V sums[U][N];
  const T* x[U];
#pragma GCC unroll 8
  for (int u = 0; u < U; ++u) {
    x[u] = p.spots[u].x;
#pragma GCC unroll 8
    for (int i = 0; i < N; ++i) {
      sums[u][i] = V::broadcast(0);
      __builtin_prefetch(p.spots[u].c + i * V::lanes, 1);
    }
  }
  const T* w = p.w;
  int64_t first = 0;
  for (int64_t c = 0; c < p.channels; ++c) {
    for (int64_t t = 0; t < p.taps; ++t) {
      const T* filters = w + p.w_at[t];
      const int64_t at = first + p.x_at[t];
      V f[N];
#pragma GCC unroll 8
      for (int i = 0; i < N; ++i) f[i] = V::load(filters + i * V::lanes);
#pragma GCC unroll 8
      for (int u = 0; u < U; ++u) {
        const V point = V::broadcast(x[u][at]);
#pragma GCC unroll 8
        for (int i = 0; i < N; ++i) sums[u][i] = fma(f[i], point, sums[u][i]);
      }
    }
    first += p.x_step;
    w += p.w_step;
  }
#pragma GCC unroll 8
  for (int u = 0; u < U; ++u) {
    T* c = p.spots[u].c;
#pragma GCC unroll 8
    for (int i = 0; i < N; ++i) {
      T* to = c + i * V::lanes;
      (p.add ? sums[u][i] + V::load(to) : sums[u][i]).store(to);
    }
  }
}

template <int N, int U, class V, class T>
PHINTYS_INLINE void sum_spots(const ConvLanes<T>& p) {
  if constexpr (U > 0) {
    if (p.n == U) return sum_tile<N, U, V>(p);
    sum_spots<N, U - 1, V>(p);
  }
}

template <int N, class V, class T>
PHINTYS_INLINE void sum_vectors(const ConvLanes<T>& p) {
  if constexpr (N > 0) {
    if (p.vectors == N) return sum_spots<N, static_cast<int>(kMaxSpots[N]), V>(p);
    sum_vectors<N - 1, V>(p);
  }
}

template <class T>
void sum(const ConvLanes<T>& p) {
  sum_vectors<kMaxVectors, typename VectorOf<T>::type>(p);
}

// ---- Transposition ------------------------------------------------------------------------------

// A square of lanes by lanes: to[j * to_pitch + m] = from[m * from_pitch + j] for j < columns.
template <class V, class T>
PHINTYS_INLINE void transpose_square(const T* from, int64_t from_pitch, T* to, int64_t to_pitch,
                                     int64_t columns) {
  constexpr int n = V::lanes;
  V x[n];
#pragma GCC unroll 16
  for (int i = 0; i < n; ++i) x[i] = V::load(from + i * from_pitch);
  transpose_lanes(x);
  if (columns >= n) {
#pragma GCC unroll 16
    for (int i = 0; i < n; ++i) x[i].store(to + i * to_pitch);
  } else {
#pragma GCC unroll 16
    for (int i = 0; i < n; ++i) {
      if (i < columns) x[i].store(to + i * to_pitch);
    }
  }
}

template <class T>
void transpose(const ConvTranspose<T>& p) {
  using V = typename VectorOf<T>::type;
  constexpr int64_t n = V::lanes;
  for (int64_t m = 0; m < p.rows; m += n) {
    const int64_t rows = p.rows - m < n ? p.rows - m : n;
    for (int64_t j = 0; j < p.columns; j += n) {
      const T* from = p.src + m * p.src_pitch + j;
      T* to = p.dst + j * p.dst_pitch + m;
      const int64_t columns = p.columns - j < n ? p.columns - j : n;
      if (p.ahead > 0) {
        for (int64_t r = 0; r < rows; ++r) __builtin_prefetch(from + r * p.src_pitch + p.ahead);
      }
      if (rows == n && p.end - from >= (n - 1) * p.src_pitch + n) {
        transpose_square<V>(from, p.src_pitch, to, p.dst_pitch, columns);
        continue;
      }
      T square[n * n];
      for (int64_t r = 0; r < n; ++r) {
        for (int64_t i = 0; i < n; ++i) {
          square[r * n + i] = r < rows && i < columns ? from[r * p.src_pitch + i] : T(0);
        }
      }
      transpose_square<V>(static_cast<const T*>(square), n, to, p.dst_pitch, columns);
    }
  }
}

template <class T>
constexpr ConvLaneKernels<T> kKernels{VectorOf<T>::type::lanes, kMaxVectors, kMaxSpots, sum<T>,
                                      transpose<T>};

}  // namespace

const ConvLaneKernels<float>* conv_lane_kernels_f32() { return &kKernels<float>; }
const ConvLaneKernels<double>* conv_lane_kernels_f64() { return &kKernels<double>; }

}  // namespace phintys::PHINTYS_ISA
