// Eigenvalues and eigenvectors of Hermitian matrices by Jacobi's method: a block for each matrix,
// which works on all pairs of a round at once.
#include "solvers/cusolver.h"
#include "solvers/jacobi.h"

namespace phintys::cuda::solvers {

namespace {

using device::HermitianWork;

constexpr int kThreads = 256;
constexpr int64_t kMaxOrder = 256;
// From this order on cuSOLVER is faster.
constexpr int64_t kLibraryOrder = 128;

template <class T>
struct Eigen {
  T* a;  // [n, n], symmetric: rows and columns are one
  T* v;  // eigenvectors, one after another
  Real<T>* w;
  T* out;  // or null
  int64_t count;
  int n;
  int* failed;
};

template <class T>
struct Round {
  Rotation<T> rotation[kMaxOrder / 2];
  bool used[kMaxOrder / 2];
};

// The rotations of a round; true for a thread that found one.
template <class T>
__device__ bool find_rotations(Round<T>& round, const T* a, int n, int players, int number,
                               Real<T> small) {
  bool found = false;
  for (int k = threadIdx.x; k < players / 2; k += kThreads) {
    const Pair pair = pair_of(players, number, k);
    round.used[k] = false;
    if (pair.q >= n) continue;
    const T b = a[pair.p * n + pair.q];
    const Real<T> size = absolute(b);
    if (!(size > small)) continue;
    round.rotation[k] =
        rotation(real_part(a[pair.p * n + pair.p]), real_part(a[pair.q * n + pair.q]), b, size);
    round.used[k] = true;
    found = true;
  }
  return found;
}

// Columns (or rows, which are the conjugates of columns) p and q of all pairs. Element i of vector
// p is x[p * vector + i * element].
template <class T>
__device__ void rotate_vectors(const Round<T>& round, T* x, int n, int players, int number,
                               int vector, int element, bool conjugate) {
  for (int e = threadIdx.x; e < players / 2 * n; e += kThreads) {
    const int k = e / n, i = e % n;
    if (!round.used[k]) continue;
    const Pair pair = pair_of(players, number, k);
    const Rotation<T>& r = round.rotation[k];
    rotate(r, conjugate ? conjugated(r.phase) : r.phase, x + pair.p * vector + i * element,
           x + pair.q * vector + i * element);
  }
}

// Puts eigenvalues in order: each thread counts those that come before its own.
template <class T>
__device__ void store_sorted(const Eigen<T>& w, const T* a, const T* v, int64_t matrix,
                             int exponent) {
  using R = Real<T>;
  const int n = w.n;
  for (int i = threadIdx.x; i < n; i += kThreads) {
    const R mine = real_part(a[i * n + i]);
    int rank = 0;
    for (int j = 0; j < n; ++j) {
      const R other = real_part(a[j * n + j]);
      rank += other < mine || (other == mine && j < i);
    }
    w.w[matrix * n + rank] = by_power(mine, exponent);
    if (!w.out) continue;
    for (int k = 0; k < n; ++k) {
      w.out[(matrix * n + k) * n + rank] = v[i * n + k];
    }
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads) diagonalise(Eigen<T> w) {
  using R = Real<T>;
  __shared__ Round<T> round;
  __shared__ R parts[kThreads / gpu::kWarp];
  const int n = w.n, players = n + n % 2, t = static_cast<int>(threadIdx.x);
  for (int64_t matrix = blockIdx.x; matrix < w.count; matrix += gridDim.x) {
    T* a = w.a + matrix * n * n;
    T* v = w.v + matrix * n * n;
    // The lower triangle, scaled by a power of two.
    R most = 0;
    bool good = true;
    for (int e = t; e < n * n; e += kThreads) {
      const int i = e / n, j = e % n;
      if (j > i) continue;
      const R size = size_of(a[e]);
      good &= is_finite(size);
      most = size > most ? size : most;
    }
    good = __syncthreads_and(good);
    most = block_max(most, parts);
    if (!good) {
      if (t == 0) *w.failed = 1;
      continue;
    }
    const int exponent = most > 0 ? exponent_of(most) : 0;
    R norm = 0;
    for (int e = t; e < n * n; e += kThreads) {
      const int i = e / n, j = e % n;
      v[e] = make<T>(i == j ? 1 : 0);
      if (j > i) continue;
      T x = by_power(a[e], -exponent);
      if (i == j) x = make<T>(real_part(x));
      a[e] = x;
      a[j * n + i] = conjugated(x);
      norm += squared(x);
    }
    norm = root(2 * block_sum(norm, parts));
    const R small = epsilon<R>() / 4 * norm / static_cast<R>(n);
    int sweep = 0;
    bool found = n > 1;
    for (; found && sweep < kMaxSweeps; ++sweep) {
      found = false;
      for (int number = 0; number < players - 1; ++number) {
        const bool mine = find_rotations(round, a, n, players, number, small);
        if (!__syncthreads_or(mine)) continue;
        found = true;
        // A[i, p] is a[i * n + p].
        rotate_vectors(round, a, n, players, number, 1, n, true);
        rotate_vectors(round, v, n, players, number, n, 1, true);
        __syncthreads();
        rotate_vectors(round, a, n, players, number, n, 1, false);
        __syncthreads();
        for (int k = t; k < players / 2; k += kThreads) {
          if (!round.used[k]) continue;
          const Pair pair = pair_of(players, number, k);
          a[pair.p * n + pair.q] = make<T>(0);
          a[pair.q * n + pair.p] = make<T>(0);
        }
        __syncthreads();
      }
    }
    if (found) {
      if (t == 0) *w.failed = 1;
    } else {
      store_sorted(w, a, v, matrix, exponent);
    }
    __syncthreads();
  }
}

bool use_library(const HermitianWork& w) { return w.n > kLibraryOrder && cusolver::installed(); }

}  // namespace

size_t hermitian_scratch(Stream* stream, const HermitianWork& w) {
  if (use_library(w)) return cusolver::hermitian_scratch(stream, w);
  if (w.n > kMaxOrder) return 0;
  size_t item = 0;
  dispatch(w.dtype, [&]<class T>() {
    item = sizeof(T);
    return kOk;
  });
  return static_cast<size_t>(w.count * w.n * w.n) * item;
}

Status hermitian(Stream* stream, const HermitianWork& w) {
  if (w.n == 0 || w.count == 0) return kOk;
  if (use_library(w)) return cusolver::hermitian(stream, w);
  if (w.n > kMaxOrder) return kUnsupported;
  const dim3 blocks(static_cast<unsigned>(w.count < gpu::kMaxGridX ? w.count : gpu::kMaxGridX));
  return dispatch(w.dtype, [&]<class T>() {
    const Eigen<T> work{static_cast<T*>(w.a),
                        static_cast<T*>(w.scratch),
                        static_cast<Real<T>*>(w.w),
                        static_cast<T*>(w.v),
                        w.count,
                        static_cast<int>(w.n),
                        w.failed};
    return gpu::launch(stream, diagonalise<T>, blocks, dim3(kThreads), 0, work);
  });
}

}  // namespace phintys::cuda::solvers
