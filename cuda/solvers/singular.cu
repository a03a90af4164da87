// Singular values by Hestenes' method: the columns of A are rotated until they are orthogonal; a
// block for each matrix, a warp for each pair of columns.
#include "solvers/cusolver.h"
#include "solvers/jacobi.h"

namespace phintys::cuda::solvers {

namespace {

using device::PseudoInverseWork;
using device::SingularWork;

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / gpu::kWarp;
constexpr int64_t kMaxColumns = 256;
constexpr int64_t kMaxRows = 4096;
// From so many columns on cuSOLVER is faster.
constexpr int64_t kLibraryColumns = 128;

// A[rows, columns] with rows >= columns: what is asked for, or its adjoint if `flipped`.
template <class T>
struct Singular {
  const T* a;
  int64_t m, n, count;
  bool flipped;
  int rows, columns;
  T* g;  // A, column after column
  T* v;  // columns x columns, column after column; or null
  Real<T>* s;
  T *u, *vh;
  int* failed;
};

// Rotates columns p and q; true if there was something to do.
template <class T>
__device__ bool orthogonalise(const Singular<T>& w, T* g, T* v, Pair pair, int lane) {
  using R = Real<T>;
  T* p = g + static_cast<int64_t>(pair.p) * w.rows;
  T* q = g + static_cast<int64_t>(pair.q) * w.rows;
  R pp = 0, qq = 0;
  T pq = make<T>(0);
  for (int i = lane; i < w.rows; i += gpu::kWarp) {
    const T x = p[i], y = q[i];
    pp += squared(x);
    qq += squared(y);
    pq = dot_step(x, y, pq);
  }
  pp = warp_sum(pp);
  qq = warp_sum(qq);
  pq = warp_sum(pq);
  const R size = absolute(pq);
  if (!(size > epsilon<R>() * root(pp) * root(qq))) return false;
  const Rotation<T> r = rotation(pp, qq, pq, size);
  const T phase = conjugated(r.phase);
  for (int i = lane; i < w.rows; i += gpu::kWarp) rotate(r, phase, p + i, q + i);
  if (v) {
    T* vp = v + static_cast<int64_t>(pair.p) * w.columns;
    T* vq = v + static_cast<int64_t>(pair.q) * w.columns;
    for (int i = lane; i < w.columns; i += gpu::kWarp) rotate(r, phase, vp + i, vq + i);
  }
  return true;
}

// Loads A, scaled by a power of two whose exponent is returned; kNotFinite for infinities and NaNs.
constexpr int kNotFinite = 1 << 20;
template <class T>
__device__ int load(const Singular<T>& w, int64_t matrix, T* g, Real<T>* parts) {
  using R = Real<T>;
  const T* a = w.a + matrix * w.m * w.n;
  R most = 0;
  bool good = true;
  for (int64_t e = threadIdx.x; e < w.m * w.n; e += kThreads) {
    const R size = size_of(a[e]);
    good &= is_finite(size);
    most = size > most ? size : most;
  }
  good = __syncthreads_and(good);
  most = block_max(most, parts);
  if (!good) return kNotFinite;
  const int exponent = most > 0 ? exponent_of(most) : 0;
  for (int64_t e = threadIdx.x; e < w.m * w.n; e += kThreads) {
    const int64_t i = e / w.n, j = e % w.n;
    const T x = by_power(a[e], -exponent);
    g[w.flipped ? i * w.rows + j : j * w.rows + i] = w.flipped ? conjugated(x) : x;
  }
  return exponent;
}

// Singular values in order, and the vectors that belong to them. A = G V^H; flipped: A = V G^H.
template <class T>
__device__ void store_sorted(const Singular<T>& w, int64_t matrix, const T* g, const T* v,
                             const Real<T>* norms, int exponent) {
  using R = Real<T>;
  const int k = w.columns;
  const int lane = static_cast<int>(threadIdx.x) % gpu::kWarp;
  for (int i = static_cast<int>(threadIdx.x) / gpu::kWarp; i < k; i += kWarps) {
    const R mine = norms[i];
    int rank = 0;
    for (int j = 0; j < k; ++j) rank += norms[j] > mine || (norms[j] == mine && j < i);
    if (lane == 0) w.s[matrix * k + rank] = by_power(mine, exponent);
    if (!v) continue;
    if (mine == 0) {
      if (lane == 0) *w.failed = 1;
      continue;
    }
    for (int r = lane; r < w.rows; r += gpu::kWarp) {
      const T x = over_real(g[static_cast<int64_t>(i) * w.rows + r], mine);
      if (w.flipped) {
        w.vh[(matrix * k + rank) * w.rows + r] = conjugated(x);
      } else {
        w.u[(matrix * w.rows + r) * k + rank] = x;
      }
    }
    for (int r = lane; r < k; r += gpu::kWarp) {
      const T x = v[static_cast<int64_t>(i) * k + r];
      if (w.flipped) {
        w.u[(matrix * k + r) * k + rank] = x;
      } else {
        w.vh[(matrix * k + rank) * k + r] = conjugated(x);
      }
    }
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads) hestenes(Singular<T> w) {
  using R = Real<T>;
  __shared__ R parts[kWarps];
  __shared__ R norms[kMaxColumns];
  const int k = w.columns, players = k + k % 2;
  const int t = static_cast<int>(threadIdx.x), lane = t % gpu::kWarp, warp = t / gpu::kWarp;
  for (int64_t matrix = blockIdx.x; matrix < w.count; matrix += gridDim.x) {
    T* g = w.g + matrix * w.m * w.n;
    T* v = w.v ? w.v + matrix * k * k : nullptr;
    const int exponent = load(w, matrix, g, parts);
    if (exponent == kNotFinite) {
      if (t == 0) *w.failed = 1;
      continue;
    }
    for (int e = t; v && e < k * k; e += kThreads) v[e] = make<T>(e % (k + 1) == 0 ? 1 : 0);
    __syncthreads();
    bool found = k > 1;
    for (int sweep = 0; found && sweep < kMaxSweeps; ++sweep) {
      bool mine = false;
      for (int number = 0; number < players - 1; ++number) {
        for (int i = warp; i < players / 2; i += kWarps) {
          const Pair pair = pair_of(players, number, i);
          if (pair.q < k) mine |= orthogonalise(w, g, v, pair, lane);
        }
        __syncthreads();
      }
      found = __syncthreads_or(mine);
    }
    for (int i = warp; i < k; i += kWarps) {
      R sum = 0;
      for (int r = lane; r < w.rows; r += gpu::kWarp) {
        sum += squared(g[static_cast<int64_t>(i) * w.rows + r]);
      }
      sum = root(warp_sum(sum));
      if (lane == 0) norms[i] = sum;
    }
    __syncthreads();
    if (found) {
      if (t == 0) *w.failed = 1;
    } else {
      store_sorted(w, matrix, static_cast<const T*>(g), static_cast<const T*>(v), norms, exponent);
    }
    __syncthreads();
  }
}

bool supported(const SingularWork& w) {
  const int64_t k = w.m < w.n ? w.m : w.n, rows = w.m < w.n ? w.n : w.m;
  return k <= kMaxColumns && rows <= kMaxRows;
}

bool use_library(const SingularWork& w) {
  return (w.m < w.n ? w.m : w.n) > kLibraryColumns && cusolver::installed();
}

// --- the inverse of Moore and Penrose ------------------------------------------------------------

template <class T>
__global__ void __launch_bounds__(kThreads)
    divide_rows(PseudoInverseWork w, int64_t k, int64_t size) {
  using R = Real<T>;
  const int64_t e = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (e >= size) return;
  const int64_t matrix = e / (k * w.n), row = e / w.n % k;
  const R* s = static_cast<const R*>(w.s) + matrix * k;
  const double cut = *w.rcond >= 0 ? *w.rcond : w.precision;
  T* x = static_cast<T*>(w.vh) + e;
  *x = s[row] > static_cast<R>(cut) * s[0] ? over_real(*x, -s[row]) : make<T>(0);
}

}  // namespace

size_t singular_scratch(Stream* stream, const SingularWork& w) {
  if (use_library(w)) return cusolver::singular_scratch(stream, w);
  if (!supported(w)) return 0;
  const int64_t k = w.m < w.n ? w.m : w.n;
  size_t item = 0;
  dispatch(w.dtype, [&]<class T>() {
    item = sizeof(T);
    return kOk;
  });
  return static_cast<size_t>(w.count * (w.m * w.n + (w.u ? k * k : 0))) * item;
}

Status singular(Stream* stream, const SingularWork& w) {
  if (w.m == 0 || w.n == 0 || w.count == 0) return kOk;
  if (use_library(w)) return cusolver::singular(stream, w);
  if (!supported(w)) return kUnsupported;
  const bool flipped = w.m < w.n;
  const int rows = static_cast<int>(flipped ? w.n : w.m);
  const int columns = static_cast<int>(flipped ? w.m : w.n);
  const dim3 blocks(static_cast<unsigned>(w.count < gpu::kMaxGridX ? w.count : gpu::kMaxGridX));
  return dispatch(w.dtype, [&]<class T>() {
    T* g = static_cast<T*>(w.scratch);
    const Singular<T> work{static_cast<const T*>(w.a),
                           w.m,
                           w.n,
                           w.count,
                           flipped,
                           rows,
                           columns,
                           g,
                           w.u ? g + w.count * w.m * w.n : nullptr,
                           static_cast<Real<T>*>(w.s),
                           static_cast<T*>(w.u),
                           static_cast<T*>(w.vh),
                           w.failed};
    return gpu::launch(stream, hestenes<T>, blocks, dim3(kThreads), 0, work);
  });
}

Status pseudo_inverse(Stream* stream, const PseudoInverseWork& w) {
  if (w.m == 0 || w.n == 0 || w.count == 0) return kOk;
  const int64_t k = w.m < w.n ? w.m : w.n, size = w.count * k * w.n;
  return dispatch(w.dtype, [&]<class T>() {
    const Status status = gpu::launch(stream, divide_rows<T>, dim3(parts(size, kThreads)),
                                      dim3(kThreads), 0, w, k, size);
    if (status != kOk) return status;
    // V (-1/s) U^H, negated.
    T* u = static_cast<T*>(const_cast<void*>(w.u));
    Product<T> product{{static_cast<T*>(w.out), w.m, 1, w.n * w.m},
                       {static_cast<T*>(w.vh), 1, w.n, k * w.n},
                       {u, 1, k, w.m * k},
                       w.n,
                       w.m,
                       k,
                       w.count};
    product.conjugate_a = true;
    product.conjugate_b = true;
    product.fresh = true;
    return subtract_product<T>(stream, product);
  });
}

}  // namespace phintys::cuda::solvers
