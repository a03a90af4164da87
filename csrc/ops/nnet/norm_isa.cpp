// Layer and batch normalisation. Variances are means of squares of differences from the mean, which
// is known by then: one more pass over numbers that are in the cache.
#include "ops/nnet/norm_kernels.h"
#include "ops/nnet/rows_isa.h"

namespace phintys::PHINTYS_ISA {
namespace {

template <class T>
const T* in(const char* p) {
  return reinterpret_cast<const T*>(p);
}
template <class T>
T* to(char* p) {
  return reinterpret_cast<T*>(p);
}
template <class T>
inline T root(T v) {
  if constexpr (sizeof(T) == 4) {
    return __builtin_sqrtf(v);
  } else {
    return __builtin_sqrt(v);
  }
}

// ---- Layer normalisation
// -------------------------------------------------------------------------

template <class V>
void layer_norm(const LayerNormWork& w, int64_t begin, int64_t end) {
  using T = elem_of<V>;
  const int64_t n = w.cols;
  const T *const gamma = in<T>(w.gamma), *const beta = in<T>(w.beta);
  for (int64_t r = begin; r < end; ++r) {
    const T* const x = in<T>(w.x) + r * n;
    T* const y = to<T>(w.y) + r * n;
    const V total = sum_vectors<V>(n, [&](int64_t i, auto f) { return f.load(x + i); });
    const T mean = sum_lanes(total) / static_cast<T>(n);
    const V m = V::broadcast(mean);
    const V squares = sum_vectors<V>(n, [&](int64_t i, auto f) {
      const V d = f.load(x + i) - m;
      return d * d;
    });
    const T var = sum_lanes(squares) / static_cast<T>(n);
    const T inv_std = T{1} / root(var + static_cast<T>(w.eps));
    to<T>(w.mean)[r] = mean;
    to<T>(w.inv_std)[r] = inv_std;
    const V s = V::broadcast(inv_std);
    auto write = [&](auto put) {
      if (gamma) {
        for_vectors<V>(n, [&](int64_t i, auto f) {
          const V z = (f.load(x + i) - m) * s;
          put(f, y + i, z * f.load(gamma + i) + f.load(beta + i));
        });
      } else {
        for_vectors<V>(n, [&](int64_t i, auto f) { put(f, y + i, (f.load(x + i) - m) * s); });
      }
    };
    if (w.past_caches) {
      write([](auto f, T* p, V v) { f.stream(p, v); });
    } else {
      write([](auto f, T* p, V v) { f.store(p, v); });
    }
  }
  if (w.past_caches) stream_fence();
}

template <class V, bool kGamma>
void layer_norm_grad(const LayerNormWork& w, int64_t begin, int64_t end, char* ggamma,
                     char* gbeta) {
  using T = elem_of<V>;
  const int64_t n = w.cols;
  const T* const gamma = in<T>(w.gamma);
  T *const gg = to<T>(ggamma), *const gb = to<T>(gbeta);
  for (int64_t r = begin; r < end; ++r) {
    const T *const x = in<T>(w.x) + r * n, *const gy = in<T>(w.gy) + r * n;
    T* const gx = to<T>(w.gx) + r * n;
    const T inv_std = in<T>(w.inv_std)[r];
    const V m = V::broadcast(in<T>(w.mean)[r]), s = V::broadcast(inv_std);
    V plain = V::broadcast(0), scaled = V::broadcast(0);
    for_vectors<V>(n, [&](int64_t i, auto f) {
      const V g = f.load(gy + i);
      const V z = (f.load(x + i) - m) * s;
      V h = g;
      if constexpr (kGamma) {
        h = g * f.load(gamma + i);
        f.store(gg + i, f.load(gg + i) + g * z);
        f.store(gb + i, f.load(gb + i) + g);
      }
      plain += f.only(h);
      scaled += f.only(h * z);
    });
    const V a = V::broadcast(sum_lanes(plain) / static_cast<T>(n));
    const V b = V::broadcast(sum_lanes(scaled) / static_cast<T>(n));
    for_vectors<V>(n, [&](int64_t i, auto f) {
      const V g = f.load(gy + i);
      const V z = (f.load(x + i) - m) * s;
      V h = g;
      if constexpr (kGamma) h = g * f.load(gamma + i);
      f.store(gx + i, ((h - a) - z * b) * s);
    });
  }
}

// ---- Batch normalisation of planes
// ---------------------------------------------------------------

// The sum over one channel: every plane of it adds one partial sum, in order.
template <class V, class F>
PHINTYS_INLINE elem_of<V> sum_channel(const BatchNormWork& w, int64_t c, F&& term) {
  const int64_t step = w.channels * w.inner;
  V total = V::broadcast(0), some = V::broadcast(0);
  for (int64_t a = 0; a < w.outer; ++a) {
    const int64_t at = a * step + c * w.inner;
    some += sum_vectors<V>(w.inner, [&](int64_t i, auto f) { return term(at + i, f); });
    if (a % 64 == 63) {
      total += some;
      some = V::broadcast(0);
    }
  }
  return sum_lanes(total + some);
}

template <class V>
void batch_norm_planes(const BatchNormWork& w, int64_t begin, int64_t end) {
  using T = elem_of<V>;
  const T* const x = in<T>(w.x);
  T* const y = to<T>(w.y);
  const T count = static_cast<T>(w.outer * w.inner);
  for (int64_t c = begin; c < end; ++c) {
    const T mean = sum_channel<V>(w, c, [&](int64_t i, auto f) { return f.load(x + i); }) / count;
    const V m = V::broadcast(mean);
    const T var = sum_channel<V>(w, c,
                                 [&](int64_t i, auto f) {
                                   const V d = f.load(x + i) - m;
                                   return d * d;
                                 }) /
                  count;
    const T inv_std = T{1} / root(var + static_cast<T>(w.eps));
    to<T>(w.mean)[c] = mean;
    to<T>(w.var)[c] = var;
    to<T>(w.inv_std)[c] = inv_std;
    const V s = V::broadcast(inv_std * in<T>(w.gamma)[c]), b = V::broadcast(in<T>(w.beta)[c]);
    for (int64_t a = 0; a < w.outer; ++a) {
      const int64_t at = (a * w.channels + c) * w.inner;
      for_vectors<V>(w.inner, [&](int64_t i, auto f) {
        f.store(y + at + i, (f.load(x + at + i) - m) * s + b);
      });
    }
  }
}

template <class V>
void batch_norm_grad_planes(const BatchNormWork& w, int64_t begin, int64_t end) {
  using T = elem_of<V>;
  const T *const x = in<T>(w.x), *const gy = in<T>(w.gy);
  T* const gx = to<T>(w.gx);
  const T count = static_cast<T>(w.outer * w.inner);
  for (int64_t c = begin; c < end; ++c) {
    const T inv_std = in<T>(w.inv_std)[c];
    const V m = V::broadcast(in<T>(w.mean)[c]);
    V plain = V::broadcast(0), scaled = V::broadcast(0);
    for (int64_t a = 0; a < w.outer; ++a) {
      const int64_t at = (a * w.channels + c) * w.inner;
      V p = V::broadcast(0), q = V::broadcast(0);
      for_vectors<V>(w.inner, [&](int64_t i, auto f) {
        const V g = f.load(gy + at + i);
        p += g;
        q += g * (f.load(x + at + i) - m);  // a lane that is not there has g = 0
      });
      plain += p;
      scaled += q;
    }
    const T sum = sum_lanes(plain), dot = sum_lanes(scaled) * inv_std;
    to<T>(w.gbeta)[c] = sum;
    to<T>(w.ggamma)[c] = dot;
    const V k = V::broadcast(in<T>(w.gamma)[c] * inv_std), a0 = V::broadcast(sum / count);
    const V b0 = V::broadcast(dot / count * inv_std);
    for (int64_t a = 0; a < w.outer; ++a) {
      const int64_t at = (a * w.channels + c) * w.inner;
      for_vectors<V>(w.inner, [&](int64_t i, auto f) {
        const V z = f.load(x + at + i) - m;
        f.store(gx + at + i, ((f.load(gy + at + i) - a0) - z * b0) * k);
      });
    }
  }
}

// ---- Batch normalisation of columns (inner = 1): a vector holds channels
// -------------------------

// Sums of term(row, k) over all rows for each of kNumber vectors, some rows at a time so that
// errors stay small.
template <class V, int kNumber, class F>
PHINTYS_INLINE void sum_columns(int64_t rows, V (&total)[kNumber], F&& term) {
  for (int k = 0; k < kNumber; ++k) total[k] = V::broadcast(0);
  for (int64_t r = 0; r < rows; r += 128) {
    const int64_t end = rows - r < 128 ? rows : r + 128;
    V some[kNumber];
    for (int k = 0; k < kNumber; ++k) some[k] = V::broadcast(0);
    for (int64_t i = r; i < end; ++i) {
      for (int k = 0; k < kNumber; ++k) some[k] += term(i, k);
    }
    for (int k = 0; k < kNumber; ++k) total[k] += some[k];
  }
}

// kNumber vectors side by side, of which the last is a `Last`.
template <class V, int kNumber, class Last>
struct Strip {
  using E = elem_of<V>;
  Last last;

  PHINTYS_INLINE V load(const E* p, int k) const {
    return k + 1 < kNumber ? V::load(p + k * V::lanes) : last.load(p + k * V::lanes);
  }
  PHINTYS_INLINE void store(E* p, int k, V v) const {
    k + 1 < kNumber ? v.store(p + k * V::lanes) : last.store(p + k * V::lanes, v);
  }
  PHINTYS_INLINE void stream(E* p, int k, V v) const {
    k + 1 < kNumber ? WholeVector<V>{}.stream(p + k * V::lanes, v)
                    : last.stream(p + k * V::lanes, v);
  }
};

// f<kNumber>(first, strip) for strips of several vectors: a stretch of every row is read at once.
// Long ones pay, as the next row is in another page; as many vectors as there are registers for.
template <class V, class F>
PHINTYS_INLINE void for_columns(int64_t begin, int64_t end, F&& f) {
  using Whole = WholeVector<V>;
  using Part = PartVector<V>;
  int64_t c = begin;
#if defined(PHINTYS_SIMD_AVX512)
  for (; c + 8 * V::lanes <= end; c += 8 * V::lanes) {
    f.template operator()<8>(c, Strip<V, 8, Whole>{});
  }
  if (c == end) return;
  const int number = static_cast<int>((end - c + V::lanes - 1) / V::lanes);
  const Part part{static_cast<int>(end - c) - (number - 1) * V::lanes};
  switch (number) {
    case 1:
      return f.template operator()<1>(c, Strip<V, 1, Part>{part});
    case 2:
      return f.template operator()<2>(c, Strip<V, 2, Part>{part});
    case 3:
      return f.template operator()<3>(c, Strip<V, 3, Part>{part});
    case 4:
      return f.template operator()<4>(c, Strip<V, 4, Part>{part});
    case 5:
      return f.template operator()<5>(c, Strip<V, 5, Part>{part});
    case 6:
      return f.template operator()<6>(c, Strip<V, 6, Part>{part});
    case 7:
      return f.template operator()<7>(c, Strip<V, 7, Part>{part});
    default:
      return f.template operator()<8>(c, Strip<V, 8, Part>{part});
  }
#else
  for (; c + 4 * V::lanes <= end; c += 4 * V::lanes) {
    f.template operator()<4>(c, Strip<V, 4, Whole>{});
  }
  for (; c + V::lanes <= end; c += V::lanes) f.template operator()<1>(c, Strip<V, 1, Whole>{});
  if (c < end) f.template operator()<1>(c, Strip<V, 1, Part>{{static_cast<int>(end - c)}});
#endif
}

// Brings what lies some rows further on into the caches: processors do not foresee long steps.
template <class T>
PHINTYS_INLINE void prefetch_row(const T* at, int64_t step) {
  constexpr int64_t kRows = 8;
  __builtin_prefetch(at + kRows * step);
}

template <class V, int kNumber, class F>
PHINTYS_INLINE void scale_columns(const BatchNormWork& w, int64_t first, F f,
                                  const V (&mean)[kNumber], const V (&scale)[kNumber],
                                  const V (&shift)[kNumber], bool past_caches) {
  using T = elem_of<V>;
  for (int64_t r = 0; r < w.outer; ++r) {
    const T* const x = in<T>(w.x) + r * w.channels + first;
    T* const y = to<T>(w.y) + r * w.channels + first;
    for (int k = 0; k < kNumber; ++k) {
      const V v = (f.load(x, k) - mean[k]) * scale[k] + shift[k];
      past_caches ? f.stream(y, k, v) : f.store(y, k, v);
    }
  }
}

template <class V>
void batch_norm_columns(const BatchNormWork& w, int64_t begin, int64_t end) {
  using T = elem_of<V>;
  const T* const x = in<T>(w.x);
  const int64_t step = w.channels;
  const V count = V::broadcast(static_cast<T>(w.outer));
  for_columns<V>(begin, end, [&]<int kNumber>(int64_t first, auto f) {
    V mean[kNumber], scale[kNumber], shift[kNumber];
    sum_columns<V, kNumber>(w.outer, mean, [&](int64_t r, int k) {
      const T* const at = x + r * step + first;
      prefetch_row(at + k * V::lanes, step);
      return f.load(at, k);
    });
    for (int k = 0; k < kNumber; ++k) mean[k] = mean[k] / count;
    sum_columns<V, kNumber>(w.outer, scale, [&](int64_t r, int k) {
      const V d = f.load(x + r * step + first, k) - mean[k];
      return d * d;
    });
    for (int k = 0; k < kNumber; ++k) {
      const V var = scale[k] / count;
      const V inv_std = V::broadcast(1) / sqrt(var + V::broadcast(static_cast<T>(w.eps)));
      f.store(to<T>(w.mean) + first, k, mean[k]);
      f.store(to<T>(w.var) + first, k, var);
      f.store(to<T>(w.inv_std) + first, k, inv_std);
      scale[k] = inv_std * f.load(in<T>(w.gamma) + first, k);
      shift[k] = f.load(in<T>(w.beta) + first, k);
    }
    if (w.past_caches) {
      scale_columns<V, kNumber>(w, first, f, mean, scale, shift, true);
    } else {
      scale_columns<V, kNumber>(w, first, f, mean, scale, shift, false);
    }
  });
  if (w.past_caches) stream_fence();
}

template <class V>
void batch_norm_grad_columns(const BatchNormWork& w, int64_t begin, int64_t end) {
  using T = elem_of<V>;
  const T *const x = in<T>(w.x), *const gy = in<T>(w.gy);
  T* const gx = to<T>(w.gx);
  const int64_t step = w.channels;
  const V count = V::broadcast(static_cast<T>(w.outer));
  for_columns<V>(begin, end, [&]<int kNumber>(int64_t first, auto f) {
    V mean[kNumber], factor[kNumber], plain[kNumber], scaled[kNumber];
    for (int k = 0; k < kNumber; ++k) mean[k] = f.load(in<T>(w.mean) + first, k);
    // Both sums in one pass, which reads each row once.
    for (int k = 0; k < kNumber; ++k) plain[k] = scaled[k] = V::broadcast(0);
    for (int64_t r = 0; r < w.outer; r += 128) {
      const int64_t end = w.outer - r < 128 ? w.outer : r + 128;
      V p[kNumber], q[kNumber];
      for (int k = 0; k < kNumber; ++k) p[k] = q[k] = V::broadcast(0);
      for (int64_t i = r; i < end; ++i) {
        for (int k = 0; k < kNumber; ++k) {
          const int64_t at = i * step + first;
          prefetch_row(x + at + k * V::lanes, step);
          prefetch_row(gy + at + k * V::lanes, step);
          const V g = f.load(gy + at, k);
          p[k] += g;
          q[k] += g * (f.load(x + at, k) - mean[k]);
        }
      }
      for (int k = 0; k < kNumber; ++k) {
        plain[k] += p[k];
        scaled[k] += q[k];
      }
    }
    for (int k = 0; k < kNumber; ++k) {
      const V inv_std = f.load(in<T>(w.inv_std) + first, k);
      const V dot = scaled[k] * inv_std;
      f.store(to<T>(w.gbeta) + first, k, plain[k]);
      f.store(to<T>(w.ggamma) + first, k, dot);
      factor[k] = f.load(in<T>(w.gamma) + first, k) * inv_std;
      plain[k] = plain[k] / count;
      scaled[k] = dot / count * inv_std;
    }
    auto write = [&](auto put) {
      for (int64_t r = 0; r < w.outer; ++r) {
        for (int k = 0; k < kNumber; ++k) {
          const int64_t at = r * step + first;
          const V z = f.load(x + at, k) - mean[k];
          put(gx + at, k, ((f.load(gy + at, k) - plain[k]) - z * scaled[k]) * factor[k]);
        }
      }
    };
    if (w.past_caches) {
      write([&](T* p, int k, V v) { f.stream(p, k, v); });
    } else {
      write([&](T* p, int k, V v) { f.store(p, k, v); });
    }
  });
  if (w.past_caches) stream_fence();
}

// ---- (x - mean) * gamma + beta with given vectors
// ------------------------------------------------

template <class V>
void scale_channels(const BatchNormWork& w, int64_t begin, int64_t end) {
  using T = elem_of<V>;
  const T *const mean = in<T>(w.mean), *const gamma = in<T>(w.gamma), *const beta = in<T>(w.beta);
  for (int64_t row = begin; row < end; ++row) {
    if (w.inner == 1) {
      const T* const x = in<T>(w.x) + row * w.channels;
      T* const y = to<T>(w.y) + row * w.channels;
      for_vectors<V>(w.channels, [&](int64_t i, auto f) {
        f.store(y + i, (f.load(x + i) - f.load(mean + i)) * f.load(gamma + i) + f.load(beta + i));
      });
      continue;
    }
    for (int64_t c = 0; c < w.channels; ++c) {
      const int64_t at = (row * w.channels + c) * w.inner;
      const T* const x = in<T>(w.x) + at;
      T* const y = to<T>(w.y) + at;
      const V m = V::broadcast(mean[c]), s = V::broadcast(gamma[c]), b = V::broadcast(beta[c]);
      for_vectors<V>(w.inner,
                     [&](int64_t i, auto f) { f.store(y + i, (f.load(x + i) - m) * s + b); });
    }
  }
}

}  // namespace

void layer_norm_rows(const LayerNormWork& w, int64_t begin, int64_t end) {
  (w.dtype == DType::f32 ? layer_norm<VF32> : layer_norm<VF64>)(w, begin, end);
}
void layer_norm_grad_rows(const LayerNormWork& w, int64_t begin, int64_t end, char* ggamma,
                          char* gbeta) {
  if (w.gamma) {
    (w.dtype == DType::f32 ? layer_norm_grad<VF32, true>
                           : layer_norm_grad<VF64, true>)(w, begin, end, ggamma, gbeta);
  } else {
    (w.dtype == DType::f32 ? layer_norm_grad<VF32, false>
                           : layer_norm_grad<VF64, false>)(w, begin, end, ggamma, gbeta);
  }
}
void batch_norm_channels(const BatchNormWork& w, int64_t begin, int64_t end) {
  if (w.inner == 1) {
    (w.dtype == DType::f32 ? batch_norm_columns<VF32> : batch_norm_columns<VF64>)(w, begin, end);
  } else {
    (w.dtype == DType::f32 ? batch_norm_planes<VF32> : batch_norm_planes<VF64>)(w, begin, end);
  }
}
void scale_channel_rows(const BatchNormWork& w, int64_t begin, int64_t end) {
  (w.dtype == DType::f32 ? scale_channels<VF32> : scale_channels<VF64>)(w, begin, end);
}
void batch_norm_grad_channels(const BatchNormWork& w, int64_t begin, int64_t end) {
  if (w.inner == 1) {
    (w.dtype == DType::f32 ? batch_norm_grad_columns<VF32>
                           : batch_norm_grad_columns<VF64>)(w, begin, end);
  } else {
    (w.dtype == DType::f32 ? batch_norm_grad_planes<VF32> : batch_norm_grad_planes<VF64>)(w, begin,
                                                                                          end);
  }
}

}  // namespace phintys::PHINTYS_ISA
