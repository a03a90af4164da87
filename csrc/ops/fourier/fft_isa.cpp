#include "kernels/simd/vec.h"
#include "ops/fourier/fft_kernels.h"

namespace phintys::PHINTYS_ISA {
namespace {

template <class V>
using Elem = elem_of<V>;

template <class V>
struct Complex {
  V re, im;
};

template <class V>
PHINTYS_INLINE Complex<V> operator+(Complex<V> a, Complex<V> b) {
  return {a.re + b.re, a.im + b.im};
}
template <class V>
PHINTYS_INLINE Complex<V> operator-(Complex<V> a, Complex<V> b) {
  return {a.re - b.re, a.im - b.im};
}
template <class V>
PHINTYS_INLINE Complex<V> times(Complex<V> a, V re, V im) {
  return {fma(a.re, re, -(a.im * im)), fma(a.re, im, a.im * re)};
}
// -i a
template <class V>
PHINTYS_INLINE Complex<V> turn(Complex<V> a) {
  return {a.im, -a.re};
}

template <class V>
PHINTYS_INLINE Complex<V> get(const Elem<V>* p) {
  return {V::load(p), V::load(p + V::lanes)};
}
template <class V>
PHINTYS_INLINE void put(Elem<V>* p, Complex<V> x) {
  x.re.store(p);
  x.im.store(p + V::lanes);
}

// --- Butterflies ---------------------------------------------------------------------------------

// b = DFT of a, in place, for radix R.
template <int R, class V>
PHINTYS_INLINE void butterfly(Complex<V>* a) {
  using T = Elem<V>;
  if constexpr (R == 2) {
    const Complex<V> t = a[0];
    a[0] = t + a[1];
    a[1] = t - a[1];
  } else if constexpr (R == 3) {
    const Complex<V> sum = a[1] + a[2];
    const Complex<V> d = turn(a[1] - a[2]);
    const V s = V::broadcast(static_cast<T>(0.86602540378443864676));
    const V h = V::broadcast(static_cast<T>(-0.5));
    const Complex<V> mid{fma(sum.re, h, a[0].re), fma(sum.im, h, a[0].im)};
    a[0] = a[0] + sum;
    a[1] = {fma(d.re, s, mid.re), fma(d.im, s, mid.im)};
    a[2] = {fma(-d.re, s, mid.re), fma(-d.im, s, mid.im)};
  } else if constexpr (R == 4) {
    const Complex<V> p = a[0] + a[2], q = a[0] - a[2];
    const Complex<V> r = a[1] + a[3], s = turn(a[1] - a[3]);
    a[0] = p + r;
    a[1] = q + s;
    a[2] = p - r;
    a[3] = q - s;
  } else {
    static_assert(R == 5);
    const V c1 = V::broadcast(static_cast<T>(0.30901699437494742410));
    const V c2 = V::broadcast(static_cast<T>(-0.80901699437494742410));
    const V s1 = V::broadcast(static_cast<T>(0.95105651629515357212));
    const V s2 = V::broadcast(static_cast<T>(0.58778525229247312917));
    const Complex<V> p = a[1] + a[4], q = a[2] + a[3];
    const Complex<V> u = turn(a[1] - a[4]), v = turn(a[2] - a[3]);
    const Complex<V> m1{fma(q.re, c2, fma(p.re, c1, a[0].re)),
                        fma(q.im, c2, fma(p.im, c1, a[0].im))};
    const Complex<V> m2{fma(q.re, c1, fma(p.re, c2, a[0].re)),
                        fma(q.im, c1, fma(p.im, c2, a[0].im))};
    const Complex<V> w1{fma(v.re, s2, u.re * s1), fma(v.im, s2, u.im * s1)};
    const Complex<V> w2{fma(-v.re, s1, u.re * s2), fma(-v.im, s1, u.im * s2)};
    a[0] = a[0] + p + q;
    a[1] = m1 + w1;
    a[2] = m2 + w2;
    a[3] = m2 - w2;
    a[4] = m1 - w1;
  }
}

// One stage of radix R: m groups, stride s between the elements of a finished sub-transform.
template <int R, class V>
void stage(const Elem<V>* x, Elem<V>* y, int64_t m, int64_t s, const Elem<V>* w) {
  constexpr int64_t kStep = 2 * V::lanes;
  for (int64_t p = 0; p < m; ++p, w += 2 * (R - 1)) {
    V re[R], im[R];
    for (int j = 1; j < R; ++j) {
      re[j] = V::broadcast(w[2 * (j - 1)]);
      im[j] = V::broadcast(w[2 * (j - 1) + 1]);
    }
    const Elem<V>* from = x + p * s * kStep;
    Elem<V>* to = y + p * R * s * kStep;
    for (int64_t q = 0; q < s; ++q, from += kStep, to += kStep) {
      Complex<V> a[R];
      for (int k = 0; k < R; ++k) a[k] = get<V>(from + k * m * s * kStep);
      butterfly<R>(a);
      put(to, a[0]);
      for (int j = 1; j < R; ++j) put(to + j * s * kStep, times(a[j], re[j], im[j]));
    }
  }
}

// The same for an odd prime radix known at run time only; pairs of terms share their products.
template <class V>
void stage_prime(int radix, const Elem<V>* x, Elem<V>* y, int64_t m, int64_t s, const Elem<V>* w,
                 const Elem<V>* roots) {
  constexpr int64_t kStep = 2 * V::lanes;
  const int half = radix / 2;
  for (int64_t p = 0; p < m; ++p, w += 2 * (radix - 1)) {
    const Elem<V>* from = x + p * s * kStep;
    Elem<V>* to = y + p * radix * s * kStep;
    for (int64_t q = 0; q < s; ++q, from += kStep, to += kStep) {
      Complex<V> sum[kMaxFftRadix / 2 + 1], dif[kMaxFftRadix / 2 + 1];
      const Complex<V> first = get<V>(from);
      Complex<V> all = first;
      for (int k = 1; k <= half; ++k) {
        const Complex<V> a = get<V>(from + k * m * s * kStep);
        const Complex<V> b = get<V>(from + (radix - k) * m * s * kStep);
        sum[k] = a + b;
        dif[k] = turn(a - b);
        all = all + sum[k];
      }
      put(to, all);
      for (int j = 1; j <= half; ++j) {
        Complex<V> even = first;
        Complex<V> odd{V::broadcast(0), V::broadcast(0)};
        for (int k = 1, e = j; k <= half; ++k, e = (e + j) % radix) {
          const V c = V::broadcast(roots[2 * e]), d = V::broadcast(roots[2 * e + 1]);
          even = {fma(sum[k].re, c, even.re), fma(sum[k].im, c, even.im)};
          odd = {fma(dif[k].re, d, odd.re), fma(dif[k].im, d, odd.im)};
        }
        const int i = radix - j;
        put(to + j * s * kStep,
            times(even + odd, V::broadcast(w[2 * (j - 1)]), V::broadcast(w[2 * (j - 1) + 1])));
        put(to + i * s * kStep,
            times(even - odd, V::broadcast(w[2 * (i - 1)]), V::broadcast(w[2 * (i - 1) + 1])));
      }
    }
  }
}

// Transforms what is in `a`; returns the buffer (`a` or `b`) that holds the result.
template <class V>
Elem<V>* transform(const FftStages& stages, Elem<V>* a, Elem<V>* b) {
  using T = Elem<V>;
  int64_t left = stages.n, s = 1;
  for (int i = 0; i < stages.count; ++i) {
    const int r = stages.radix[i];
    const T* w = static_cast<const T*>(stages.twiddles[i]);
    left /= r;
    switch (r) {
      case 2:
        stage<2, V>(a, b, left, s, w);
        break;
      case 3:
        stage<3, V>(a, b, left, s, w);
        break;
      case 4:
        stage<4, V>(a, b, left, s, w);
        break;
      case 5:
        stage<5, V>(a, b, left, s, w);
        break;
      default:
        stage_prime<V>(r, a, b, left, s, w, static_cast<const T*>(stages.roots[i]));
    }
    s *= r;
    T* t = a;
    a = b;
    b = t;
  }
  return a;
}

// --- Memory --------------------------------------------------------------------------------------

template <class V>
using Index = typename int_of<V>::raw;

// Lanes of a and b (numbered from V::lanes) in the order of `index`.
template <class V>
PHINTYS_INLINE V shuffle(V a, V b, Index<V> index) {
  return V{__builtin_shuffle(a.v, b.v, index)};
}

template <class V, class F>
PHINTYS_INLINE Index<V> indices(F f) {
  Index<V> index;
  for (int l = 0; l < V::lanes; ++l) index[l] = f(l);
  return index;
}

// V::lanes complex numbers, swapped if the transform is the inverse one.
template <class V>
PHINTYS_INLINE Complex<V> load_pairs(const Elem<V>* p, bool swap) {
  const V low = V::load(p), high = V::load(p + V::lanes);
  const V even = shuffle(low, high, indices<V>([](int l) { return 2 * l; }));
  const V odd = shuffle(low, high, indices<V>([](int l) { return 2 * l + 1; }));
  return swap ? Complex<V>{odd, even} : Complex<V>{even, odd};
}
template <class V>
PHINTYS_INLINE void store_pairs(Elem<V>* p, Complex<V> x, bool swap) {
  const V a = swap ? x.im : x.re, b = swap ? x.re : x.im;
  shuffle(a, b, indices<V>([](int l) { return l / 2 + (l % 2) * V::lanes; })).store(p);
  shuffle(a, b, indices<V>([](int l) { return V::lanes / 2 + l / 2 + (l % 2) * V::lanes; }))
      .store(p + V::lanes);
}
template <class V>
PHINTYS_INLINE Complex<V> load_some(const Elem<V>* p, int64_t n, bool swap) {
  if (n >= V::lanes) return load_pairs<V>(p, swap);
  Elem<V> some[2 * V::lanes] = {};
  for (int64_t i = 0; i < 2 * n; ++i) some[i] = p[i];
  return load_pairs<V>(some, swap);
}
template <class V>
PHINTYS_INLINE void store_some(Elem<V>* p, Complex<V> x, int64_t n, bool swap) {
  if (n >= V::lanes) {
    store_pairs<V>(p, x, swap);
    return;
  }
  Elem<V> some[2 * V::lanes];
  store_pairs<V>(some, x, swap);
  for (int64_t i = 0; i < 2 * n; ++i) p[i] = some[i];
}

// rows[i] lane j becomes rows[j] lane i: blocks of doubling size change places.
template <int D, class V>
PHINTYS_INLINE void transpose_step(V* rows) {
  if constexpr (D < V::lanes) {
    const Index<V> low = indices<V>([](int l) { return (l & D) ? l - D + V::lanes : l; });
    const Index<V> high = indices<V>([](int l) { return (l & D) ? l + V::lanes : l + D; });
    for (int i = 0; i < V::lanes; ++i) {
      if (i & D) continue;
      const V a = rows[i], b = rows[i + D];
      rows[i] = shuffle(a, b, low);
      rows[i + D] = shuffle(a, b, high);
    }
    transpose_step<2 * D>(rows);
  }
}
template <class V>
PHINTYS_INLINE void transpose_lanes(V* rows) {
  transpose_step<1>(rows);
}

// --- Whole transforms ----------------------------------------------------------------------------

template <class V>
void columns(const FftColumns& c) {
  using T = Elem<V>;
  constexpr int64_t kStep = 2 * V::lanes;
  const int64_t n = c.stages->n;
  T* const a = static_cast<T*>(c.work);
  T* const b = a + n * kStep;
  const V scale = V::broadcast(static_cast<T>(c.scale));
  for (int64_t at = 0; at < c.columns; at += V::lanes) {
    const int64_t some = c.columns - at;
    const T* src = static_cast<const T*>(c.src) + 2 * at;
    for (int64_t i = 0; i < n; ++i) {
      put(a + i * kStep, load_some<V>(src + 2 * i * c.src_stride, some, c.inverse));
    }
    const T* done = transform<V>(*c.stages, a, b);
    T* dst = static_cast<T*>(c.dst) + 2 * at;
    for (int64_t i = 0; i < n; ++i) {
      const Complex<V> x = get<V>(done + i * kStep);
      store_some<V>(dst + 2 * i * c.dst_stride, {x.re * scale, x.im * scale}, some, c.inverse);
    }
  }
}

// V::lanes rows (`rows` of them real) between memory and split layout.
template <class V>
void load_rows(const FftRows& r, int64_t at, int64_t rows, Elem<V>* a) {
  using T = Elem<V>;
  const int64_t n = r.stages->n;
  const T* src = static_cast<const T*>(r.src) + 2 * at * r.src_stride;
  for (int64_t i = 0; i < n; i += V::lanes) {
    V re[V::lanes], im[V::lanes];
    for (int l = 0; l < V::lanes; ++l) {
      Complex<V> x{V::broadcast(0), V::broadcast(0)};
      if (l < rows) x = load_some<V>(src + 2 * (l * r.src_stride + i), n - i, r.inverse);
      re[l] = x.re;
      im[l] = x.im;
    }
    transpose_lanes(re);
    transpose_lanes(im);
    const int64_t some = n - i < V::lanes ? n - i : V::lanes;
    for (int64_t l = 0; l < some; ++l) put(a + (i + l) * 2 * V::lanes, Complex<V>{re[l], im[l]});
  }
}

template <class V>
void store_rows(const FftRows& r, int64_t at, int64_t rows, const Elem<V>* a) {
  using T = Elem<V>;
  const int64_t n = r.stages->n;
  const V scale = V::broadcast(static_cast<T>(r.scale));
  T* dst = static_cast<T*>(r.dst) + 2 * at * r.dst_stride;
  for (int64_t i = 0; i < n; i += V::lanes) {
    V re[V::lanes], im[V::lanes];
    for (int l = 0; l < V::lanes; ++l) {
      const Complex<V> x = i + l < n ? get<V>(a + (i + l) * 2 * V::lanes)
                                     : Complex<V>{V::broadcast(0), V::broadcast(0)};
      re[l] = x.re * scale;
      im[l] = x.im * scale;
    }
    transpose_lanes(re);
    transpose_lanes(im);
    for (int64_t l = 0; l < rows; ++l) {
      store_some<V>(dst + 2 * (l * r.dst_stride + i), Complex<V>{re[l], im[l]}, n - i, r.inverse);
    }
  }
}

template <class V>
void all_rows(const FftRows& r) {
  using T = Elem<V>;
  T* const a = static_cast<T*>(r.work);
  T* const b = a + r.stages->n * 2 * V::lanes;
  for (int64_t at = 0; at < r.rows; at += V::lanes) {
    const int64_t some = r.rows - at < V::lanes ? r.rows - at : V::lanes;
    load_rows<V>(r, at, some, a);
    store_rows<V>(r, at, some, transform<V>(*r.stages, a, b));
  }
}

// Columns block * lanes ... of the matrix: transformed, multiplied by w^(k1 j2), transposed.
template <class V>
void split_first(const FftSplit& f, int64_t block, void* work) {
  using T = Elem<V>;
  constexpr int64_t kStep = 2 * V::lanes;
  const int64_t n1 = f.first->n, n2 = f.second->n;
  const int64_t blocks = (n2 + V::lanes - 1) / V::lanes;
  const int64_t at = block * V::lanes, some = n2 - at;
  T* const a = static_cast<T*>(work);
  T* const b = a + n1 * kStep;
  const T* src = static_cast<const T*>(f.src) + 2 * at;
  for (int64_t i = 0; i < n1; ++i) {
    put(a + i * kStep, load_some<V>(src + 2 * i * n2, some, f.inverse));
  }
  const T* done = transform<V>(*f.first, a, b);
  const T* block_factors = static_cast<const T*>(f.block_factors) + 2 * block;
  const T* lane_factors = static_cast<const T*>(f.lane_factors);
  const int64_t valid = some < V::lanes ? some : V::lanes;
  for (int64_t k = 0; k < n1; k += V::lanes) {
    V re[V::lanes], im[V::lanes];
    for (int l = 0; l < V::lanes; ++l) {
      Complex<V> x{V::broadcast(0), V::broadcast(0)};
      if (k + l < n1) {
        const T* outer = block_factors + 2 * (k + l) * blocks;
        const Complex<V> lane = get<V>(lane_factors + (k + l) * kStep);
        const Complex<V> w = times(lane, V::broadcast(outer[0]), V::broadcast(outer[1]));
        x = times(get<V>(done + (k + l) * kStep), w.re, w.im);
      }
      re[l] = x.re;
      im[l] = x.im;
    }
    transpose_lanes(re);
    transpose_lanes(im);
    T* to = static_cast<T*>(f.middle) + (k / V::lanes * n2 + at) * kStep;
    for (int64_t l = 0; l < valid; ++l) put(to + l * kStep, Complex<V>{re[l], im[l]});
  }
}

template <class V>
void split_second(const FftSplit& f, int64_t block, void* work) {
  using T = Elem<V>;
  constexpr int64_t kStep = 2 * V::lanes;
  const int64_t n1 = f.first->n, n2 = f.second->n;
  const int64_t at = block * V::lanes, some = n1 - at;
  const V scale = V::broadcast(static_cast<T>(f.scale));
  T* const a = static_cast<T*>(f.middle) + block * n2 * kStep;
  const T* done = transform<V>(*f.second, a, static_cast<T*>(work));
  T* dst = static_cast<T*>(f.dst) + 2 * at;
  for (int64_t k = 0; k < n2; ++k) {
    const Complex<V> x = get<V>(done + k * kStep);
    store_some<V>(dst + 2 * k * n1, {x.re * scale, x.im * scale}, some, f.inverse);
  }
}

// --- Real sequences ------------------------------------------------------------------------------

template <class V>
PHINTYS_INLINE V reversed(V x) {
  return shuffle(x, x, indices<V>([](int l) { return V::lanes - 1 - l; }));
}

// x[k] = (z[k] + conj z[h-k]) / 2 - i w^k (z[k] - conj z[h-k]) / 2 with z[h] = z[0].
template <class V>
void real_after(const FftReal& f) {
  using T = Elem<V>;
  using S = T;
  const int64_t h = f.half;
  const T* z = static_cast<const T*>(f.src);
  const T* w = static_cast<const T*>(f.twiddles);
  T* x = static_cast<T*>(f.dst);
  const S half = static_cast<T>(0.5 * f.scale);
  const V vhalf = V::broadcast(half);
  int64_t k = 1;
  x[0] = (z[0] + z[1]) * static_cast<T>(f.scale);
  x[1] = 0;
  x[2 * h] = (z[0] - z[1]) * static_cast<T>(f.scale);
  x[2 * h + 1] = 0;
  for (; k + V::lanes <= h; k += V::lanes) {
    const Complex<V> a = load_pairs<V>(z + 2 * k, false);
    Complex<V> b = load_pairs<V>(z + 2 * (h - k - V::lanes + 1), false);
    b = {reversed(b.re), -reversed(b.im)};
    const Complex<V> t = load_pairs<V>(w + 2 * k, false);
    const Complex<V> even = a + b, odd = turn(times(a - b, t.re, t.im));
    store_pairs<V>(x + 2 * k, {(even.re + odd.re) * vhalf, (even.im + odd.im) * vhalf}, false);
  }
  for (; k < h; ++k) {
    const S ar = z[2 * k], ai = z[2 * k + 1], br = z[2 * (h - k)], bi = -z[2 * (h - k) + 1];
    const S dr = ar - br, di = ai - bi, tr = w[2 * k], ti = w[2 * k + 1];
    const S mr = dr * tr - di * ti, mi = dr * ti + di * tr;
    x[2 * k] = (ar + br + mi) * half;
    x[2 * k + 1] = (ai + bi - mr) * half;
  }
}

// z[k] = x[k] + conj x[h-k] + i conj(w^k) (x[k] - conj x[h-k]): the inverse of the above, twice.
// The imaginary parts of x[0] and x[h] mean nothing.
template <class V>
void real_before(const FftReal& f) {
  using T = Elem<V>;
  const int64_t h = f.half;
  const T* x = static_cast<const T*>(f.src);
  const T* w = static_cast<const T*>(f.twiddles);
  T* z = static_cast<T*>(f.dst);
  const T s = static_cast<T>(f.scale);
  const V vs = V::broadcast(s);
  z[0] = (x[0] + x[2 * h]) * s;
  z[1] = (x[0] - x[2 * h]) * s;
  int64_t k = 1;
  for (; k + V::lanes <= h; k += V::lanes) {
    const Complex<V> a = load_pairs<V>(x + 2 * k, false);
    Complex<V> b = load_pairs<V>(x + 2 * (h - k - V::lanes + 1), false);
    b = {reversed(b.re), -reversed(b.im)};
    const Complex<V> t = load_pairs<V>(w + 2 * k, false);
    const Complex<V> d = times(a - b, t.re, -t.im);
    store_pairs<V>(z + 2 * k, {(a.re + b.re - d.im) * vs, (a.im + b.im + d.re) * vs}, false);
  }
  for (; k < h; ++k) {
    const T ar = x[2 * k], ai = x[2 * k + 1], br = x[2 * (h - k)], bi = -x[2 * (h - k) + 1];
    const T dr = ar - br, di = ai - bi, tr = w[2 * k], ti = -w[2 * k + 1];
    const T mr = dr * tr - di * ti, mi = dr * ti + di * tr;
    z[2 * k] = (ar + br - mi) * s;
    z[2 * k + 1] = (ai + bi + mr) * s;
  }
}

}  // namespace

#define PHINTYS_DEFINE_FFT(V, suffix)                                                \
  int fft_lanes_##suffix() { return V::lanes; }                                      \
  void fft_columns_##suffix(const FftColumns& work) { columns<V>(work); }            \
  void fft_rows_##suffix(const FftRows& work) { all_rows<V>(work); }                 \
  void fft_split_first_##suffix(const FftSplit& split, int64_t block, void* work) {  \
    split_first<V>(split, block, work);                                              \
  }                                                                                  \
  void fft_split_second_##suffix(const FftSplit& split, int64_t block, void* work) { \
    split_second<V>(split, block, work);                                             \
  }                                                                                  \
  void fft_real_after_##suffix(const FftReal& real) { real_after<V>(real); }         \
  void fft_real_before_##suffix(const FftReal& real) { real_before<V>(real); }
PHINTYS_DEFINE_FFT(VF32, f32)
PHINTYS_DEFINE_FFT(VF64, f64)
#undef PHINTYS_DEFINE_FFT

}  // namespace phintys::PHINTYS_ISA
