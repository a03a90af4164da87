// Pooling, row by row. A window is taken apart: first the rows that it spans are joined into one
// row, element by element, then the columns of that row. Gradients go the other way, with the
// columns of one remainder modulo the stride side by side, so that all windows move by one element.
// All loops run over contiguous elements, without branches: the compiler makes vectors of them.
#include "ops/nnet/rows_isa.h"
#include "ops/pool/pool_kernels.h"

namespace phintys::PHINTYS_ISA {
namespace {

constexpr int64_t kBuffer = 2048;  // elements of a row buffer
constexpr int64_t kLanes = 16;

struct Max {
  template <class T>
  static T neutral() {
    if constexpr (static_cast<T>(0.5) != static_cast<T>(0)) {
      return -static_cast<T>(__builtin_inf());
    } else if constexpr (static_cast<T>(-1) > static_cast<T>(0)) {
      return 0;
    } else {
      return static_cast<T>(static_cast<T>(1) << (8 * sizeof(T) - 1));
    }
  }
  // NaN wins.
  template <class T>
  static inline T join(T a, T b) {
    const T m = a > b ? a : b;
    return a != a ? a : m;
  }
  template <class V>
  static PHINTYS_INLINE V join_vectors(V a, V b) {
    return select(isnan(a), a, max(a, b));
  }
};
struct Sum {
  template <class T>
  static T neutral() {
    return 0;
  }
  template <class T>
  static inline T join(T a, T b) {
    return static_cast<T>(a + b);
  }
  template <class V>
  static PHINTYS_INLINE V join_vectors(V a, V b) {
    return a + b;
  }
};

inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
inline int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

struct Range {
  int64_t begin, end;
  int64_t size() const { return end - begin; }
};

// The elements of x in window `o`.
inline Range covered(const PoolAxis& a, int64_t o) {
  const int64_t at = o * a.stride - a.pad;
  return {most(at, 0), least(at + a.window, a.length)};
}
// The windows that element i of x is in, followed from one i to a later one without divisions.
class Covering {
 public:
  explicit Covering(const PoolAxis& axis) : a_(axis) {}
  Range at(int64_t i) {
    if (i < last_) found_ = {0, 0};
    last_ = i;
    while (found_.begin < a_.out && found_.begin * a_.stride - a_.pad + a_.window <= i) {
      ++found_.begin;
    }
    while (found_.end < a_.out && found_.end * a_.stride - a_.pad <= i) ++found_.end;
    return found_;
  }

 private:
  const PoolAxis& a_;
  Range found_{0, 0};
  int64_t last_ = 0;
};

// How many elements an average over window `o` counts along one axis.
inline int64_t counted(const PoolAxis& a, int64_t o, PoolMode mode) {
  if (mode == PoolMode::average_exc_pad) return covered(a, o).size();
  const int64_t at = o * a.stride;
  return least(at + a.window, a.length + 2 * a.pad) - at;
}

// An operand at one position of the leading axes.
inline char* plane_of(const PoolWork& w, const PoolOperand& v, int64_t plane) {
  if (v.even) return v.data + plane * v.plane_stride;
  char* p = v.data;
  for (int d = w.lead - 1; d >= 0; --d) {
    p += plane % w.lead_shape[d] * v.lead_strides[d];
    plane /= w.lead_shape[d];
  }
  return p;
}

// Visits rows [begin, end) of planes of `depth` times `height` rows: f(plane, d, h).
template <class F>
inline void for_rows(int64_t depth, int64_t height, int64_t begin, int64_t end, F&& f) {
  int64_t plane = begin / (depth * height), d = begin / height % depth, h = begin % height;
  for (int64_t r = begin; r < end; ++r) {
    f(plane, d, h);
    if (++h < height) continue;
    h = 0;
    if (++d < depth) continue;
    d = 0;
    ++plane;
  }
}

// n elements from p on, as they are or copied into `buffer`.
template <class T>
inline const T* row_of(const char* p, int64_t step, int64_t n, T* buffer) {
  if (step == static_cast<int64_t>(sizeof(T)) || n < 2) return reinterpret_cast<const T*>(p);
  for (int64_t i = 0; i < n; ++i) buffer[i] = *reinterpret_cast<const T*>(p + i * step);
  return buffer;
}

// Some windows along the last axis, and the elements of x that they see.
struct Block {
  int64_t from, count;   // windows
  int64_t first, width;  // columns, padding included: the first may be negative
  Range inside;          // columns that x has
};
inline int64_t block_size(const PoolAxis& a) {
  // Divisions are slow, and most rows are short.
  if ((a.out - 1) * a.stride + a.window <= kBuffer) return a.out;
  return (kBuffer - a.window) / a.stride + 1;
}
inline Block block_at(const PoolAxis& a, int64_t from, int64_t most_windows) {
  Block b;
  b.from = from;
  b.count = least(most_windows, a.out - from);
  b.first = from * a.stride - a.pad;
  b.width = (b.count - 1) * a.stride + a.window;
  b.inside = {most(b.first, 0), least(b.first + b.width, a.length)};
  if (b.inside.end < b.inside.begin) b.inside.end = b.inside.begin;
  return b;
}

// ---- Forward
// -------------------------------------------------------------------------------------

// One value of n contiguous ones, in kLanes chains.
template <class R, class T>
class Fold {
 public:
  Fold() {
    for (int64_t l = 0; l < kLanes; ++l) lanes_[l] = R::template neutral<T>();
  }
  void add(const T* v, int64_t n) {
    int64_t i = 0;
    for (; i + kLanes <= n; i += kLanes) {
      for (int64_t l = 0; l < kLanes; ++l) lanes_[l] = R::join(lanes_[l], v[i + l]);
    }
    for (int64_t l = 0; i < n; ++l, ++i) lanes_[l] = R::join(lanes_[l], v[i]);
  }
  T value() {
    for (int64_t half = kLanes / 2; half > 0; half /= 2) {
      for (int64_t l = 0; l < half; ++l) lanes_[l] = R::join(lanes_[l], lanes_[l + half]);
    }
    return lanes_[0];
  }

 private:
  T lanes_[kLanes];
};
template <class T>
struct VectorOf {};
template <>
struct VectorOf<float> {
  using type = VF32;
};
template <>
struct VectorOf<double> {
  using type = VF64;
};
template <class R, class T>
inline T fold(const T* v, int64_t n) {
  if constexpr (static_cast<T>(0.5) != static_cast<T>(0)) {
    using V = typename VectorOf<T>::type;
    const V neutral = V::broadcast(R::template neutral<T>());
    auto join = [](V a, V b) { return R::join_vectors(a, b); };
    V total = neutral;
    for_vectors<V>(n,
                   [&](int64_t i, auto f) { total = join(total, f.only(f.load(v + i), neutral)); });
    return get_lane(join_lanes<V::lanes / 2>(total, join), 0);
  }
  Fold<R, T> f;
  f.add(v, n);
  return f.value();
}

template <class R, class T>
void join_columns(T* __restrict z, const T* __restrict row, const Block& b, const PoolAxis& a) {
  const int64_t n = b.count;
  auto strided = [&]<int kStride, int kWindow>() {
    for (int64_t j = 0; j < n; ++j) {
      T v = row[j * kStride];
      for (int k = 1; k < kWindow; ++k) v = R::join(v, row[j * kStride + k]);
      z[j] = v;
    }
  };
  const int64_t s = a.stride, k = a.window;
  if (s == 1 && k == 2) return strided.template operator()<1, 2>();
  if (s == 1 && k == 3) return strided.template operator()<1, 3>();
  if (s == 2 && k == 2) return strided.template operator()<2, 2>();
  if (s == 2 && k == 3) return strided.template operator()<2, 3>();
  if (s == 3 && k == 3) return strided.template operator()<3, 3>();
  if (s == 4 && k == 4) return strided.template operator()<4, 4>();
  if (n == 1) {  // one long window
    z[0] = fold<R>(row, k);
    return;
  }
  if (s == 1) {
    for (int64_t j = 0; j < n; ++j) z[j] = row[j];
    for (int64_t c = 1; c < k; ++c) {
      for (int64_t j = 0; j < n; ++j) z[j] = R::join(z[j], row[j + c]);
    }
    return;
  }
  for (int64_t j = 0; j < n; ++j) {
    T v = row[j * s];
    for (int64_t c = 1; c < k; ++c) v = R::join(v, row[j * s + c]);
    z[j] = v;
  }
}

template <class T>
void divide(T* z, const PoolWork& w, int64_t from, int64_t n, int64_t outer_count) {
  if (w.mode != PoolMode::average_inc_pad && w.mode != PoolMode::average_exc_pad) return;
  const PoolAxis& a = w.axes[2];
  const T whole = static_cast<T>(outer_count * a.window);
  // All windows but those at the ends count the same number of elements.
  for (int64_t j = 0; j < n;) {
    if (counted(a, from + j, w.mode) != a.window) {
      z[j] /= static_cast<T>(outer_count * counted(a, from + j, w.mode));
      ++j;
      continue;
    }
    int64_t end = n;
    while (end > j + 1 && counted(a, from + end - 1, w.mode) != a.window) --end;
    for (; j < end; ++j) z[j] /= whole;
  }
}

template <class R, class T>
void pool_row(const PoolWork& w, const char* x, T* z, Range depth, Range height, int64_t count) {
  const PoolAxis& a = w.axes[2];
  T joined[kBuffer], copy[kBuffer];
  const int64_t step = w.x.strides[2];
  const int64_t most_windows = block_size(a);
  for (int64_t from = 0; from < a.out; from += most_windows) {
    const Block b = block_at(a, from, most_windows);
    const int64_t n = b.inside.size(), before = b.inside.begin - b.first;
    for (int64_t i = 0; i < before; ++i) joined[i] = R::template neutral<T>();
    for (int64_t i = before + n; i < b.width; ++i) joined[i] = R::template neutral<T>();
    T* const to = joined + before;
    bool started = false;
    for (int64_t d = depth.begin; d < depth.end; ++d) {
      const char* p = x + d * w.x.strides[0] + b.inside.begin * step;
      int64_t h = height.begin;
      if (!started && height.size() > 1 && step == static_cast<int64_t>(sizeof(T))) {
        const T* const r0 = reinterpret_cast<const T*>(p + h * w.x.strides[1]);
        const T* const r1 = reinterpret_cast<const T*>(p + (h + 1) * w.x.strides[1]);
        for (int64_t i = 0; i < n; ++i) to[i] = R::join(r0[i], r1[i]);
        h += 2;
        started = true;
      }
      for (; h < height.end; ++h) {
        const T* const row = row_of<T>(p + h * w.x.strides[1], step, n, copy);
        if (started) {
          for (int64_t i = 0; i < n; ++i) to[i] = R::join(to[i], row[i]);
        } else {
          for (int64_t i = 0; i < n; ++i) to[i] = row[i];
        }
        started = true;
      }
    }
    join_columns<R>(z + from, joined, b, a);
    divide(z + from, w, from, b.count, count);
  }
}

// Windows that are too wide for the buffers: each on its own.
template <class R, class T>
void pool_wide_row(const PoolWork& w, const char* x, T* z, Range depth, Range height,
                   int64_t count) {
  T copy[kBuffer];
  for (int64_t o = 0; o < w.axes[2].out; ++o) {
    const Range columns = covered(w.axes[2], o);
    Fold<R, T> total;
    for (int64_t d = depth.begin; d < depth.end; ++d) {
      for (int64_t h = height.begin; h < height.end; ++h) {
        const char* row = x + d * w.x.strides[0] + h * w.x.strides[1];
        for (int64_t c = columns.begin; c < columns.end; c += kBuffer) {
          const int64_t n = least(kBuffer, columns.end - c);
          total.add(row_of<T>(row + c * w.x.strides[2], w.x.strides[2], n, copy), n);
        }
      }
    }
    z[o] = total.value();
    divide(z + o, w, o, 1, count);
  }
}

template <class R, class T>
void pool(const PoolWork& w, int64_t begin, int64_t end) {
  T* z = reinterpret_cast<T*>(w.out.data) + begin * w.axes[2].out;
  if (w.whole > 0) {
    for (int64_t p = begin; p < end; ++p, ++z) {
      *z = fold<R>(reinterpret_cast<const T*>(plane_of(w, w.x, p)), w.whole);
      divide(z, w, 0, 1, counted(w.axes[0], 0, w.mode) * counted(w.axes[1], 0, w.mode));
    }
    return;
  }
  const bool buffered = pool_buffered(w.axes[2]);
  for_rows(w.axes[0].out, w.axes[1].out, begin, end, [&](int64_t plane, int64_t od, int64_t oh) {
    const char* const x = plane_of(w, w.x, plane);
    const int64_t count = counted(w.axes[0], od, w.mode) * counted(w.axes[1], oh, w.mode);
    const Range depth = covered(w.axes[0], od), height = covered(w.axes[1], oh);
    (buffered ? pool_row<R, T> : pool_wide_row<R, T>)(w, x, z, depth, height, count);
    z += w.axes[2].out;
  });
}

template <class T>
void pool_of(const PoolWork& w, int64_t begin, int64_t end) {
  if (w.mode == PoolMode::max) {
    pool<Max, T>(w, begin, end);
  } else {
    pool<Sum, T>(w, begin, end);
  }
}

// ---- Gradients
// -----------------------------------------------------------------------------------

// A row with the columns of each remainder modulo the stride side by side.
struct Phases {
  int64_t stride, number, length;
  Phases(const PoolAxis& a, const Block& b)
      : stride(a.stride),
        number(least(a.stride, a.window)),
        length(b.count + (a.window > a.stride ? (a.window - 1) / a.stride : 0)) {}
};
template <class T>
void split(T* __restrict to, const T* __restrict row, const Phases& p, int64_t width) {
  if (p.stride == 2 && p.number == 2) {
    T *const even = to, *const odd = to + p.length;
    for (int64_t q = 0; q < width / 2; ++q) {
      even[q] = row[2 * q];
      odd[q] = row[2 * q + 1];
    }
    if (width % 2) even[width / 2] = row[width - 1];
    return;
  }
  for (int64_t k = 0; k < p.number; ++k) {
    for (int64_t q = 0, i = k; i < width; ++q, i += p.stride) to[k * p.length + q] = row[i];
  }
}
template <class T>
void unite(T* __restrict row, const T* __restrict from, const Phases& p, int64_t width) {
  if (p.stride == 2 && p.number == 2) {
    const T *const even = from, *const odd = from + p.length;
    for (int64_t q = 0; q < width / 2; ++q) {
      row[2 * q] = even[q];
      row[2 * q + 1] = odd[q];
    }
    if (width % 2) row[width - 1] = even[width / 2];
    return;
  }
  if (p.number < p.stride) {
    for (int64_t i = 0; i < width; ++i) row[i] = 0;
  }
  for (int64_t k = 0; k < p.number; ++k) {
    for (int64_t q = 0, i = k; i < width; ++q, i += p.stride) row[i] = from[k * p.length + q];
  }
}

// Phases have up to window - 1 elements more than the row.
constexpr int64_t kPhases = kBuffer + 2 * kPoolBuffered;

template <class T>
struct GradBuffers {
  T row[kBuffer], x[kPhases], gx[kPhases], z[kBuffer], g[kBuffer];
};

template <class T>
inline void add_block(T* __restrict gx, T* row, const T* phases, const Phases& p, const Block& b) {
  const T* from = phases;
  if (p.stride > 1) {
    unite(row, phases, p, b.width);
    from = row;
  }
  from += b.inside.begin - b.first;
  T* const to = gx + b.inside.begin;
  for (int64_t i = 0; i < b.inside.size(); ++i) to[i] += from[i];
}

template <class T>
void max_grad_row(const PoolWork& w, const char* x, const char* z, const char* g, T* gx,
                  Range depth, Range height, GradBuffers<T>& t) {
  const PoolAxis& a = w.axes[2];
  const int64_t most_windows = block_size(a);
  for (int64_t from = 0; from < a.out; from += most_windows) {
    const Block b = block_at(a, from, most_windows);
    const Phases p(a, b);
    const int64_t step = w.x.strides[2], n = b.inside.size(), before = b.inside.begin - b.first;
    T* const flat = p.stride > 1 ? t.row : t.x;
    for (int64_t i = 0; i < before; ++i) flat[i] = 0;
    for (int64_t i = before + n; i < b.width; ++i) flat[i] = 0;
    const T* const row = row_of<T>(x + b.inside.begin * step, step, n, t.z);
    for (int64_t i = 0; i < n; ++i) flat[before + i] = row[i];
    if (p.stride > 1) split(t.x, t.row, p, b.width);
    for (int64_t i = 0; i < p.number * p.length; ++i) t.gx[i] = 0;
    for (int64_t d = depth.begin; d < depth.end; ++d) {
      for (int64_t h = height.begin; h < height.end; ++h) {
        const T* const zr =
            row_of<T>(z + d * w.z.strides[0] + h * w.z.strides[1] + from * w.z.strides[2],
                      w.z.strides[2], b.count, t.z);
        const T* const gr =
            row_of<T>(g + d * w.g.strides[0] + h * w.g.strides[1] + from * w.g.strides[2],
                      w.g.strides[2], b.count, t.g);
        for (int64_t k = 0, phase = 0, shift = 0; k < a.window; ++k) {
          const int64_t at = phase * p.length + shift;
          if (++phase == a.stride) phase = 0, ++shift;
          const T* __restrict xs = t.x + at;
          T* __restrict gs = t.gx + at;
          for (int64_t j = 0; j < b.count; ++j) gs[j] += xs[j] == zr[j] ? gr[j] : T{0};
        }
      }
    }
    add_block(gx, t.row, t.gx, p, b);
  }
}

template <class T>
void average_grad_row(const PoolWork& w, const char* g, T* gx, Range depth, Range height,
                      GradBuffers<T>& t) {
  const PoolAxis& a = w.axes[2];
  const int64_t most_windows = block_size(a);
  for (int64_t from = 0; from < a.out; from += most_windows) {
    const Block b = block_at(a, from, most_windows);
    const Phases p(a, b);
    T* const total = t.z;
    for (int64_t j = 0; j < b.count; ++j) total[j] = 0;
    for (int64_t d = depth.begin; d < depth.end; ++d) {
      for (int64_t h = height.begin; h < height.end; ++h) {
        const T* gr = row_of<T>(g + d * w.g.strides[0] + h * w.g.strides[1] + from * w.g.strides[2],
                                w.g.strides[2], b.count, t.g);
        if (w.mode != PoolMode::sum) {
          const T outer =
              static_cast<T>(counted(w.axes[0], d, w.mode) * counted(w.axes[1], h, w.mode));
          for (int64_t j = 0; j < b.count; ++j) total[j] += gr[j] / outer;
        } else {
          for (int64_t j = 0; j < b.count; ++j) total[j] += gr[j];
        }
      }
    }
    divide(total, w, from, b.count, 1);
    for (int64_t i = 0; i < p.number * p.length; ++i) t.gx[i] = 0;
    for (int64_t k = 0, phase = 0, shift = 0; k < a.window; ++k) {
      T* __restrict gs = t.gx + phase * p.length + shift;
      if (++phase == a.stride) phase = 0, ++shift;
      for (int64_t j = 0; j < b.count; ++j) gs[j] += total[j];
    }
    add_block(gx, t.row, t.gx, p, b);
  }
}

template <class T, bool kMax>
void wide_grad_plane(const PoolWork& w, const char* x, const char* z, const char* g, T* gx) {
  const PoolAxis* a = w.axes;
  for (int64_t i = 0; i < a[0].length * a[1].length * a[2].length; ++i) gx[i] = 0;
  for (int64_t od = 0; od < a[0].out; ++od) {
    for (int64_t oh = 0; oh < a[1].out; ++oh) {
      for (int64_t ow = 0; ow < a[2].out; ++ow) {
        T gz = *reinterpret_cast<const T*>(g + od * w.g.strides[0] + oh * w.g.strides[1] +
                                           ow * w.g.strides[2]);
        T top = 0;
        if constexpr (kMax) {
          top = *reinterpret_cast<const T*>(z + od * w.z.strides[0] + oh * w.z.strides[1] +
                                            ow * w.z.strides[2]);
        } else if (w.mode != PoolMode::sum) {
          gz /= static_cast<T>(counted(a[0], od, w.mode) * counted(a[1], oh, w.mode) *
                               counted(a[2], ow, w.mode));
        }
        const Range depth = covered(a[0], od), height = covered(a[1], oh), c = covered(a[2], ow);
        for (int64_t d = depth.begin; d < depth.end; ++d) {
          for (int64_t h = height.begin; h < height.end; ++h) {
            T* const to = gx + (d * a[1].length + h) * a[2].length;
            const char* const row = x + d * w.x.strides[0] + h * w.x.strides[1];
            const int64_t step = w.x.strides[2];
            for (int64_t i = c.begin; i < c.end; ++i) {
              if constexpr (kMax) {
                to[i] += *reinterpret_cast<const T*>(row + i * step) == top ? gz : T{0};
              } else {
                to[i] += gz;
              }
            }
          }
        }
      }
    }
  }
}

// Windows side by side without gaps or padding along the last axis, one of them above each row.
template <class T, bool kMax, int kWindow>
void apart_row(const T* __restrict x, const T* __restrict z, const T* __restrict g,
               T* __restrict gx, int64_t windows, int64_t length, T count) {
  for (int64_t j = 0; j < windows; ++j) {
    for (int k = 0; k < kWindow; ++k) {
      if constexpr (kMax) {
        gx[j * kWindow + k] = x[j * kWindow + k] == z[j] ? g[j] : T{0};
      } else {
        gx[j * kWindow + k] = g[j] / count;
      }
    }
  }
  for (int64_t i = windows * kWindow; i < length; ++i) gx[i] = 0;
}
template <class T, bool kMax>
auto apart_kernel(const PoolWork& w) -> decltype(&apart_row<T, kMax, 2>) {
  const PoolAxis* a = w.axes;
  const int64_t item = static_cast<int64_t>(sizeof(T));
  if (a[2].stride != a[2].window || a[2].pad > 0 || a[2].out * a[2].window > a[2].length)
    return nullptr;
  if (a[1].stride < a[1].window || a[0].stride < a[0].window || w.g.strides[2] != item)
    return nullptr;
  if (kMax && (w.x.strides[2] != item || w.z.strides[2] != item)) return nullptr;
  if (a[2].window == 2) return apart_row<T, kMax, 2>;
  if (a[2].window == 3) return apart_row<T, kMax, 3>;
  if (a[2].window == 4) return apart_row<T, kMax, 4>;
  return nullptr;
}

// One window over whole planes.
template <class T, bool kMax>
void whole_grad(const PoolWork& w, int64_t begin, int64_t end) {
  T* gx = reinterpret_cast<T*>(w.out.data) + begin * w.whole;
  for (int64_t p = begin; p < end; ++p, gx += w.whole) {
    T g = *reinterpret_cast<const T*>(plane_of(w, w.g, p));
    if constexpr (kMax) {
      const T z = *reinterpret_cast<const T*>(plane_of(w, w.z, p));
      const T* const x = reinterpret_cast<const T*>(plane_of(w, w.x, p));
      for (int64_t i = 0; i < w.whole; ++i) gx[i] = x[i] == z ? g : T{0};
    } else {
      const int64_t outer = counted(w.axes[0], 0, w.mode) * counted(w.axes[1], 0, w.mode);
      divide(&g, w, 0, 1, outer);
      for (int64_t i = 0; i < w.whole; ++i) gx[i] = g;
    }
  }
}

template <class T, bool kMax>
void grad(const PoolWork& w, int64_t begin, int64_t end) {
  const PoolAxis* a = w.axes;
  if (w.whole > 0) return whole_grad<T, kMax>(w, begin, end);
  if (!pool_buffered(a[2])) {
    const int64_t size = a[0].length * a[1].length * a[2].length;
    for (int64_t p = begin; p < end; ++p) {
      T* const gx = reinterpret_cast<T*>(w.out.data) + p * size;
      wide_grad_plane<T, kMax>(w, kMax ? plane_of(w, w.x, p) : nullptr,
                               kMax ? plane_of(w, w.z, p) : nullptr, plane_of(w, w.g, p), gx);
    }
    return;
  }
  GradBuffers<T> t;
  Covering above(a[0]), beside(a[1]);
  const auto apart = apart_kernel<T, kMax>(w);
  T* gx = reinterpret_cast<T*>(w.out.data) + begin * a[2].length;
  for_rows(a[0].length, a[1].length, begin, end, [&](int64_t plane, int64_t d, int64_t h) {
    T* const to = gx;
    gx += a[2].length;
    const Range depth = above.at(d), height = beside.at(h);
    const bool seen = depth.size() > 0 && height.size() > 0;
    const char *x = nullptr, *z = nullptr;
    const char* const g = plane_of(w, w.g, plane);
    if constexpr (kMax) {
      x = plane_of(w, w.x, plane) + d * w.x.strides[0] + h * w.x.strides[1];
      z = plane_of(w, w.z, plane);
    }
    if (apart && seen) {
      const int64_t od = depth.begin, oh = height.begin;
      const T count =
          w.mode == PoolMode::sum || w.mode == PoolMode::max
              ? T{1}
              : static_cast<T>(counted(a[0], od, w.mode) * counted(a[1], oh, w.mode) * a[2].window);
      const char* const zr = kMax ? z + od * w.z.strides[0] + oh * w.z.strides[1] : nullptr;
      const char* const gr = g + od * w.g.strides[0] + oh * w.g.strides[1];
      return apart(reinterpret_cast<const T*>(x), reinterpret_cast<const T*>(zr),
                   reinterpret_cast<const T*>(gr), to, a[2].out, a[2].length, count);
    }
    for (int64_t i = 0; i < a[2].length; ++i) to[i] = 0;
    if (!seen) return;
    if constexpr (kMax) {
      max_grad_row<T>(w, x, z, g, to, depth, height, t);
    } else {
      average_grad_row<T>(w, g, to, depth, height, t);
    }
  });
}

// out = the sum of v over the elements of each window that equal its maximum z.
template <class T>
void chosen_row(const PoolWork& w, const char* x, const char* v, const char* z, T* out, Range depth,
                Range height, GradBuffers<T>& t) {
  const PoolAxis& a = w.axes[2];
  const int64_t most_windows = block_size(a);
  for (int64_t from = 0; from < a.out; from += most_windows) {
    const Block b = block_at(a, from, most_windows);
    const Phases p(a, b);
    const int64_t n = b.inside.size(), before = b.inside.begin - b.first;
    const T* const zr = row_of<T>(z + from * w.z.strides[2], w.z.strides[2], b.count, t.z);
    T* const o = out + from;
    for (int64_t j = 0; j < b.count; ++j) o[j] = 0;
    auto load = [&](T* to, const PoolOperand& v_, const char* at) {
      for (int64_t i = 0; i < b.width; ++i) t.row[i] = 0;
      const T* const row = row_of<T>(at + b.inside.begin * v_.strides[2], v_.strides[2], n, t.g);
      for (int64_t i = 0; i < n; ++i) t.row[before + i] = row[i];
      split(to, t.row, p, b.width);
    };
    for (int64_t d = depth.begin; d < depth.end; ++d) {
      for (int64_t h = height.begin; h < height.end; ++h) {
        load(t.x, w.x, x + d * w.x.strides[0] + h * w.x.strides[1]);
        load(t.gx, w.g, v + d * w.g.strides[0] + h * w.g.strides[1]);
        for (int64_t k = 0, phase = 0, shift = 0; k < a.window; ++k) {
          const int64_t at = phase * p.length + shift;
          if (++phase == a.stride) phase = 0, ++shift;
          const T *const xs = t.x + at, *const vs = t.gx + at;
          for (int64_t j = 0; j < b.count; ++j) o[j] += xs[j] == zr[j] ? vs[j] : T{0};
        }
      }
    }
  }
}

template <class T>
void chosen_wide_row(const PoolWork& w, const char* x, const char* v, const char* z, T* out,
                     Range depth, Range height) {
  for (int64_t o = 0; o < w.axes[2].out; ++o) {
    const Range c = covered(w.axes[2], o);
    const T top = *reinterpret_cast<const T*>(z + o * w.z.strides[2]);
    T total = 0;
    for (int64_t d = depth.begin; d < depth.end; ++d) {
      for (int64_t h = height.begin; h < height.end; ++h) {
        const char* const xs = x + d * w.x.strides[0] + h * w.x.strides[1];
        const char* const vs = v + d * w.g.strides[0] + h * w.g.strides[1];
        for (int64_t i = c.begin; i < c.end; ++i) {
          const bool hit = *reinterpret_cast<const T*>(xs + i * w.x.strides[2]) == top;
          total += hit ? *reinterpret_cast<const T*>(vs + i * w.g.strides[2]) : T{0};
        }
      }
    }
    out[o] = total;
  }
}

template <class T>
void chosen(const PoolWork& w, int64_t begin, int64_t end) {
  GradBuffers<T> t;
  const bool buffered = pool_buffered(w.axes[2]);
  T* out = reinterpret_cast<T*>(w.out.data) + begin * w.axes[2].out;
  for_rows(w.axes[0].out, w.axes[1].out, begin, end, [&](int64_t plane, int64_t od, int64_t oh) {
    const Range depth = covered(w.axes[0], od), height = covered(w.axes[1], oh);
    const char *const x = plane_of(w, w.x, plane), *const v = plane_of(w, w.g, plane);
    const char* const z = plane_of(w, w.z, plane) + od * w.z.strides[0] + oh * w.z.strides[1];
    if (buffered) {
      chosen_row<T>(w, x, v, z, out, depth, height, t);
    } else {
      chosen_wide_row<T>(w, x, v, z, out, depth, height);
    }
    out += w.axes[2].out;
  });
}

}  // namespace

void pool_rows(const PoolWork& w, int64_t begin, int64_t end) {
  switch (w.dtype) {
    case DType::f32:
      return pool_of<float>(w, begin, end);
    case DType::f64:
      return pool_of<double>(w, begin, end);
    case DType::i8:
      return pool_of<int8_t>(w, begin, end);
    case DType::i16:
      return pool_of<int16_t>(w, begin, end);
    case DType::i32:
      return pool_of<int32_t>(w, begin, end);
    case DType::i64:
      return pool_of<int64_t>(w, begin, end);
    case DType::u8:
      return pool_of<uint8_t>(w, begin, end);
    case DType::u16:
      return pool_of<uint16_t>(w, begin, end);
    case DType::u32:
      return pool_of<uint32_t>(w, begin, end);
    case DType::u64:
      return pool_of<uint64_t>(w, begin, end);
    default:
      return;
  }
}
void max_pool_grad_rows(const PoolWork& w, int64_t begin, int64_t end) {
  (w.dtype == DType::f32 ? grad<float, true> : grad<double, true>)(w, begin, end);
}
void average_pool_grad_rows(const PoolWork& w, int64_t begin, int64_t end) {
  (w.dtype == DType::f32 ? grad<float, false> : grad<double, false>)(w, begin, end);
}
void max_pool_grad_grad_rows(const PoolWork& w, int64_t begin, int64_t end) {
  (w.dtype == DType::f32 ? chosen<float> : chosen<double>)(w, begin, end);
}

}  // namespace phintys::PHINTYS_ISA
