// The pieces of convolutions, for the instruction set that this file is compiled for.
#include "kernels/conv.h"
#include "kernels/simd/vec.h"
#include "kernels/simd/vector_of.h"

namespace phintys::PHINTYS_ISA {

namespace {

// Processors with 32 vector registers hold larger tiles.
#if PHINTYS_SIMD_BYTES == 64 || defined(__aarch64__)
constexpr bool kManyRegisters = true;
#else
constexpr bool kManyRegisters = false;
#endif
constexpr int kMaxRows = kManyRegisters ? 8 : 6;
constexpr int kWideRows = kManyRegisters ? 4 : 3;
constexpr int kTileVectors = kManyRegisters ? 3 : 2;
constexpr int kWideVectors = 2 * kTileVectors;
constexpr int kDotRows = kManyRegisters ? 6 : 3;
constexpr int kDotTaps = kManyRegisters ? 4 : 3;

// ---- Copies -------------------------------------------------------------------------------------

// A short vector of N elements, for the ends of rows.
template <class T, int N>
struct Few {
  typedef T Raw __attribute__((vector_size(N * sizeof(T))));  // not with "using": gcc drops it
  struct __attribute__((packed, aligned(alignof(T)), may_alias)) Unaligned {
    Raw v;
  };
  static PHINTYS_INLINE Raw load(const T* p) { return reinterpret_cast<const Unaligned*>(p)->v; }
  static PHINTYS_INLINE void store(T* p, Raw v) { reinterpret_cast<Unaligned*>(p)->v = v; }
};

// n > 0 elements, by overlapping vectors of N; fewer than N by smaller ones.
template <int N, class T>
PHINTYS_INLINE void copy_run(T* dst, const T* src, int64_t n) {
  if constexpr (N > 1) {
    if (n < N) return copy_run<N / 2>(dst, src, n);
    int64_t i = 0;
    for (; i + N <= n; i += N) Few<T, N>::store(dst + i, Few<T, N>::load(src + i));
    if (i < n) Few<T, N>::store(dst + n - N, Few<T, N>::load(src + n - N));
  } else {
    *dst = *src;
  }
}

// dst[i] += src[i].
template <int N, class T>
PHINTYS_INLINE void add_run(T* dst, const T* src, int64_t n) {
  if constexpr (N > 1) {
    int64_t i = 0;
    for (; i + N <= n; i += N) {
      Few<T, N>::store(dst + i, Few<T, N>::load(dst + i) + Few<T, N>::load(src + i));
    }
    if (i < n) add_run<N / 2>(dst + i, src + i, n - i);
  } else {
    *dst += *src;
  }
}

template <int N, class T>
PHINTYS_INLINE void fill_zero(T* dst, int64_t n) {
  if constexpr (N > 1) {
    if (n < N) return fill_zero<N / 2>(dst, n);
    int64_t i = 0;
    for (; i + N <= n; i += N) Few<T, N>::store(dst + i, typename Few<T, N>::Raw{});
    if (i < n) Few<T, N>::store(dst + n - N, typename Few<T, N>::Raw{});
  } else if (n > 0) {
    *dst = T(0);
  }
}

// The even lanes of two vectors of N.
template <class T, int N>
PHINTYS_INLINE typename Few<T, N>::Raw even_lanes(typename Few<T, N>::Raw a,
                                                  typename Few<T, N>::Raw b) {
  if constexpr (N == 16) {
    return __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  } else if constexpr (N == 8) {
    return __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14);
  } else if constexpr (N == 4) {
    return __builtin_shufflevector(a, b, 0, 2, 4, 6);
  } else {
    return __builtin_shufflevector(a, b, 0, 2);
  }
}

// Every other element: dst[i] = src[2 * i].
template <int N, class T>
PHINTYS_INLINE void halve_run(T* dst, const T* src, int64_t n) {
  if constexpr (N > 1) {
    int64_t i = 0;
    for (; i + N < n; i += N) {
      Few<T, N>::store(dst + i, even_lanes<T, N>(Few<T, N>::load(src + 2 * i),
                                                 Few<T, N>::load(src + 2 * i + N)));
    }
    halve_run<N / 2>(dst + i, src + 2 * i, n - i);
  } else {
    for (int64_t i = 0; i < n; ++i) dst[i] = src[2 * i];
  }
}

// Element j of the result: s[kFirst + j / 2] (added to old[j], if kAdd) where j is even, old[j]
// elsewhere.
template <int kFirst, bool kAdd, class T, int N>
PHINTYS_INLINE typename Few<T, N>::Raw into_even_lanes(typename Few<T, N>::Raw s,
                                                       typename Few<T, N>::Raw old) {
  typename Few<T, N>::Raw x;
  constexpr int f = kFirst;
  if constexpr (N == 16) {
    x = __builtin_shufflevector(s, old, f, 17, f + 1, 19, f + 2, 21, f + 3, 23, f + 4, 25, f + 5,
                                27, f + 6, 29, f + 7, 31);
    if constexpr (kAdd) {
      x = __builtin_shufflevector(x + old, old, 0, 17, 2, 19, 4, 21, 6, 23, 8, 25, 10, 27, 12, 29,
                                  14, 31);
    }
  } else if constexpr (N == 8) {
    x = __builtin_shufflevector(s, old, f, 9, f + 1, 11, f + 2, 13, f + 3, 15);
    if constexpr (kAdd) {
      x = __builtin_shufflevector(x + old, old, 0, 9, 2, 11, 4, 13, 6, 15);
    }
  } else if constexpr (N == 4) {
    x = __builtin_shufflevector(s, old, f, 5, f + 1, 7);
    if constexpr (kAdd) x = __builtin_shufflevector(x + old, old, 0, 5, 2, 7);
  } else {
    x = __builtin_shufflevector(s, old, f, 3);
    if constexpr (kAdd) x = __builtin_shufflevector(x + old, old, 0, 3);
  }
  return x;
}

// dst[2 * i] = src[i], added if kAdd; what lies between is written back as it is.
template <bool kAdd, int N, class T>
PHINTYS_INLINE void spread_run(T* dst, const T* src, int64_t n) {
  if constexpr (N > 1) {
    int64_t i = 0;
    for (; i + N < n; i += N) {
      const auto s = Few<T, N>::load(src + i);
      T* to = dst + 2 * i;
      Few<T, N>::store(to, into_even_lanes<0, kAdd, T, N>(s, Few<T, N>::load(to)));
      Few<T, N>::store(to + N, into_even_lanes<N / 2, kAdd, T, N>(s, Few<T, N>::load(to + N)));
    }
    spread_run<kAdd, N / 2>(dst + 2 * i, src + i, n - i);
  } else {
    for (int64_t i = 0; i < n; ++i) dst[2 * i] = kAdd ? dst[2 * i] + src[i] : src[i];
  }
}

// n elements that lie `stride` bytes apart.
template <int N, class T>
PHINTYS_INLINE void gather_run(T* dst, const char* src, int64_t n, int64_t stride) {
  constexpr int64_t kItem = sizeof(T);
  const T* from = reinterpret_cast<const T*>(src);
  if (stride == kItem) return copy_run<N>(dst, from, n);
  if (stride == 2 * kItem) return halve_run<N>(dst, from, n);
  for (int64_t i = 0; i < n; ++i) dst[i] = *reinterpret_cast<const T*>(src + i * stride);
}

// The t in [0, n) with 0 <= first + step * t < size are [*begin, *end); step >= 1.
PHINTYS_INLINE void clip(int64_t first, int64_t step, int64_t size, int64_t n, int64_t* begin,
                         int64_t* end) {
  int64_t b = first >= 0 ? 0 : (-first + step - 1) / step;
  int64_t e = first >= size ? 0 : (size - first + step - 1) / step;
  if (e > n) e = n;
  if (b > e) b = e;
  *begin = b;
  *end = e;
}

// Asks for the bytes [begin, end) behind p.
template <class T>
PHINTYS_INLINE void prefetch_row(const char* p, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; i += 64) __builtin_prefetch(p + i);
}

template <class T>
void stage(const ConvStage<T>& s) {
  constexpr int kLanes = VectorOf<T>::type::lanes;
  int64_t b2, e2;
  clip(s.first[2], s.step[2], s.size[2], s.n[2], &b2, &e2);
  const int64_t step2 = s.step[2] * s.stride[2];
  for (int64_t t0 = 0; t0 < s.n[0]; ++t0) {
    const int64_t i0 = s.first[0] + s.step[0] * t0;
    for (int64_t t1 = 0; t1 < s.n[1]; ++t1) {
      const int64_t i1 = s.first[1] + s.step[1] * t1;
      T* to = s.dst + t0 * s.pitch[0] + t1 * s.pitch[1];
      if (i0 < 0 || i0 >= s.size[0] || i1 < 0 || i1 >= s.size[1] || b2 == e2) {
        fill_zero<kLanes>(to, s.n[2]);
        continue;
      }
      const char* from = s.src + i0 * s.stride[0] + i1 * s.stride[1] + s.first[2] * s.stride[2];
      if (s.next) prefetch_row<T>(from + s.next, b2 * step2, e2 * step2);
      if (b2 > 0) fill_zero<kLanes>(to, b2);
      gather_run<kLanes>(to + b2, from + b2 * step2, e2 - b2, step2);
      if (e2 < s.n[2]) fill_zero<kLanes>(to + e2, s.n[2] - e2);
    }
  }
}

template <class T>
void store(const ConvStore<T>& s) {
  constexpr int kLanes = VectorOf<T>::type::lanes;
  int64_t b2, e2;
  clip(s.first[2], s.step[2], s.size[2], s.n[2], &b2, &e2);
  if (b2 == e2) return;
  for (int64_t t0 = 0; t0 < s.n[0]; ++t0) {
    const int64_t i0 = s.first[0] + s.step[0] * t0;
    if (i0 < 0 || i0 >= s.size[0]) continue;
    for (int64_t t1 = 0; t1 < s.n[1]; ++t1) {
      const int64_t i1 = s.first[1] + s.step[1] * t1;
      if (i1 < 0 || i1 >= s.size[1]) continue;
      const T* from = s.src + t0 * s.pitch[0] + t1 * s.pitch[1] + b2;
      T* to = s.dst + (i0 * s.size[1] + i1) * s.size[2] + s.first[2] + b2 * s.step[2];
      const int64_t n = e2 - b2, step = s.step[2];
      if (step == 2) {
        s.add ? spread_run<true, kLanes>(to, from, n) : spread_run<false, kLanes>(to, from, n);
      } else if (step != 1) {
        if (s.add) {
          for (int64_t i = 0; i < n; ++i) to[i * step] += from[i];
        } else {
          for (int64_t i = 0; i < n; ++i) to[i * step] = from[i];
        }
      } else if (s.add) {
        add_run<kLanes>(to, from, n);
      } else {
        copy_run<kLanes>(to, from, n);
      }
    }
  }
}

template <class T>
void pack(const ConvPack<T>& p) {
  using V = typename VectorOf<T>::type;
  for (int64_t k = 0; k < p.k; ++k) {
    const T* from = p.src + p.off[k];
    T* to = p.dst + k * p.width;
    // Whole vectors: what is too much is overwritten by what follows.
    for (int64_t s = 0; s < p.segments; ++s) {
      const T* f = from + p.start[s];
      const int64_t n = p.length[s];
      for (int64_t i = 0; i < n; i += V::lanes) V::load(f + i).store(to + i);
      to += n;
    }
  }
}

// ---- Panels -------------------------------------------------------------------------------------

// The first n lanes only.
template <class V, class T>
__attribute__((noinline)) void store_tail(T* to, V x, int64_t n, bool add) {
  T lanes[V::lanes];
  x.store(lanes);
  for (int64_t j = 0; j < n; ++j) to[j] = add ? to[j] + lanes[j] : lanes[j];
}

// R rows by N vectors of points.
template <int R, int N, class V, class T>
PHINTYS_INLINE void panel_tile(const ConvPanel<T>& p, int64_t q) {
  constexpr int64_t kLanes = V::lanes;
  V sums[R][N];
#pragma GCC unroll 8
  for (int m = 0; m < R; ++m) {
#pragma GCC unroll 8
    for (int i = 0; i < N; ++i) sums[m][i] = V::broadcast(0);
  }
  const T* a = p.a;
  const T* b = p.b + q;
  const int64_t* off = p.off;
  if (p.k > 128) {
    for (int m = 0; m < R; ++m) {
      for (int i = 0; i < N; ++i) __builtin_prefetch(p.c + m * p.ldc + q + i * kLanes, 1);
    }
  }
  for (const int64_t* end = off + p.k; off != end; ++off, a += R) {
    const T* from = b + *off;
    V x[N];
#pragma GCC unroll 8
    for (int i = 0; i < N; ++i) x[i] = V::load(from + i * kLanes);
#pragma GCC unroll 8
    for (int m = 0; m < R; ++m) {
      const V w = V::broadcast(a[m]);
#pragma GCC unroll 8
      for (int i = 0; i < N; ++i) sums[m][i] = fma(w, x[i], sums[m][i]);
    }
  }
  const int64_t left = p.n - q;
#pragma GCC unroll 8
  for (int m = 0; m < R; ++m) {
    T* c = p.c + m * p.ldc + q;
#pragma GCC unroll 8
    for (int i = 0; i < N; ++i) {
      T* to = c + i * kLanes;
      if (i < N - 1 || left >= N * kLanes) {
        (p.add ? sums[m][i] + V::load(to) : sums[m][i]).store(to);
      } else {
        store_tail(to, sums[m][i], left - i * kLanes, p.add);
      }
    }
  }
}

template <int R, int N, class V, class T>
void panel_rows(const ConvPanel<T>& p) {
  constexpr int64_t kLanes = V::lanes;
  int64_t q = 0;
  for (; q + (N - 1) * kLanes < p.n; q += N * kLanes) panel_tile<R, N, V>(p, q);
  if constexpr (N > 4) {
    if (q + 3 * kLanes < p.n) {
      panel_tile<R, 4, V>(p, q);
      q += 4 * kLanes;
    }
  }
  if constexpr (N > 2) {
    if (q + kLanes < p.n) {
      panel_tile<R, 2, V>(p, q);
      q += 2 * kLanes;
    }
  }
  if (q < p.n) panel_tile<R, 1, V>(p, q);
}

template <class T>
void panel(const ConvPanel<T>& p) {
  using V = typename VectorOf<T>::type;
  constexpr int N = kTileVectors, W = kWideVectors;
  switch (p.rows) {
    case 1:
      return panel_rows<1, W, V>(p);
    case 2:
      return panel_rows<2, W, V>(p);
    case 3:
      return panel_rows<3, W, V>(p);
    case 4:
      return panel_rows<4, kManyRegisters ? W : N, V>(p);
    case 5:
      return panel_rows<5, N, V>(p);
    case 6:
      return panel_rows<6, N, V>(p);
    default:
      break;
  }
  if constexpr (kMaxRows > 6) {
    if (p.rows == 7) return panel_rows<7, N, V>(p);
    if (p.rows == 8) return panel_rows<8, N, V>(p);
  }
}

// ---- Dot products -------------------------------------------------------------------------------

// Adds the lanes of each of N vectors to c.
template <int N, class V, class T>
PHINTYS_INLINE void add_lanes(const V (&x)[N], T* c) {
  if constexpr (N == 4 && V::lanes >= 8) {
    V s[2];
#pragma GCC unroll 2
    for (int i = 0; i < 2; ++i) {
      const V a = x[2 * i], b = x[2 * i + 1];
      if constexpr (V::lanes == 16) {
        s[i].v = __builtin_shufflevector(a.v, b.v, 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12,
                                         28, 14, 30) +
                 __builtin_shufflevector(a.v, b.v, 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13,
                                         29, 15, 31);
      } else {
        s[i].v = __builtin_shufflevector(a.v, b.v, 0, 8, 2, 10, 4, 12, 6, 14) +
                 __builtin_shufflevector(a.v, b.v, 1, 9, 3, 11, 5, 13, 7, 15);
      }
    }
    typename Few<T, 8>::Raw half;
    if constexpr (V::lanes == 16) {
      const auto r = __builtin_shufflevector(s[0].v, s[1].v, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24,
                                             25, 12, 13, 28, 29) +
                     __builtin_shufflevector(s[0].v, s[1].v, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26,
                                             27, 14, 15, 30, 31);
      half = __builtin_shufflevector(r, r, 0, 1, 2, 3, 4, 5, 6, 7) +
             __builtin_shufflevector(r, r, 8, 9, 10, 11, 12, 13, 14, 15);
    } else {
      half = __builtin_shufflevector(s[0].v, s[1].v, 0, 1, 8, 9, 4, 5, 12, 13) +
             __builtin_shufflevector(s[0].v, s[1].v, 2, 3, 10, 11, 6, 7, 14, 15);
    }
    const auto sum = __builtin_shufflevector(half, half, 0, 1, 2, 3) +
                     __builtin_shufflevector(half, half, 4, 5, 6, 7);
    Few<T, 4>::store(c, Few<T, 4>::load(c) + sum);
  } else {
    for (int i = 0; i < N; ++i) {
      T t[V::lanes];
      x[i].store(t);
      T sum = t[0];
      for (int j = 1; j < V::lanes; ++j) sum += t[j];
      c[i] += sum;
    }
  }
}

template <int R, int N, class V, class T>
void dot_tile(const ConvDots<T>& d, int64_t m0, int64_t k0) {
  V sums[R][N];
#pragma GCC unroll 8
  for (int m = 0; m < R; ++m) {
#pragma GCC unroll 8
    for (int i = 0; i < N; ++i) sums[m][i] = V::broadcast(0);
  }
  const T* a[R];
  const T* b[N];
  for (int m = 0; m < R; ++m) a[m] = d.a + (m0 + m) * d.lda;
  for (int i = 0; i < N; ++i) b[i] = d.b + d.off[k0 + i];
  for (int m = 0; m < R; ++m) __builtin_prefetch(d.c + (m0 + m) * d.ldc + k0, 1);
  for (int64_t q = 0; q < d.n; q += V::lanes) {
    V x[N];
#pragma GCC unroll 8
    for (int i = 0; i < N; ++i) x[i] = V::load(b[i] + q);
#pragma GCC unroll 8
    for (int m = 0; m < R; ++m) {
      const V g = V::load(a[m] + q);
#pragma GCC unroll 8
      for (int i = 0; i < N; ++i) sums[m][i] = fma(g, x[i], sums[m][i]);
    }
  }
#pragma GCC unroll 8
  for (int m = 0; m < R; ++m) add_lanes<N, V>(sums[m], d.c + (m0 + m) * d.ldc + k0);
}

template <int R, class V, class T>
void dot_taps(const ConvDots<T>& d, int64_t m) {
  int64_t k = 0;
  for (; k + kDotTaps <= d.taps; k += kDotTaps) dot_tile<R, kDotTaps, V>(d, m, k);
  const int64_t left = d.taps - k;
  if (kDotTaps > 3 && left == 3) dot_tile<R, 3, V>(d, m, k);
  if (left == 2) dot_tile<R, 2, V>(d, m, k);
  if (left == 1) dot_tile<R, 1, V>(d, m, k);
}

// Some rows stay in L1 while all taps go by.
template <class T>
void dots(const ConvDots<T>& d) {
  using V = typename VectorOf<T>::type;
  int64_t m = 0;
  for (; m + kDotRows <= d.rows; m += kDotRows) dot_taps<kDotRows, V>(d, m);
  const int64_t left = d.rows - m;
  if constexpr (kDotRows > 3) {
    if (left == 5) return dot_taps<5, V>(d, m);
    if (left == 4) return dot_taps<4, V>(d, m);
    if (left == 3) return dot_taps<3, V>(d, m);
  }
  if (left == 2) return dot_taps<2, V>(d, m);
  if (left == 1) return dot_taps<1, V>(d, m);
}

template <class T>
bool finite(const T* x, int64_t n) {
  using V = typename VectorOf<T>::type;
  V sum = V::broadcast(0);
  int64_t i = 0;
  for (; i + V::lanes <= n; i += V::lanes) sum = fma(V::load(x + i), V::broadcast(0), sum);
  T lanes[V::lanes], rest = 0;
  sum.store(lanes);
  for (int j = 0; j < V::lanes; ++j) rest += lanes[j];
  for (; i < n; ++i) rest += x[i] * T(0);
  return rest == T(0);
}

template <class T>
constexpr ConvKernels<T> kKernels{VectorOf<T>::type::lanes,
                                  kMaxRows,
                                  kTileVectors * VectorOf<T>::type::lanes,
                                  kWideVectors * VectorOf<T>::type::lanes,
                                  kWideRows,
                                  kDotRows,
                                  stage<T>,
                                  store<T>,
                                  panel<T>,
                                  pack<T>,
                                  dots<T>,
                                  finite<T>};

}  // namespace

const ConvKernels<float>* conv_kernels_f32() { return &kKernels<float>; }
const ConvKernels<double>* conv_kernels_f64() { return &kKernels<double>; }

}  // namespace phintys::PHINTYS_ISA
