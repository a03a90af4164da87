// QR factors: panels of reflectors, applied to what is left in blocks (Schreiber and Van Loan, "A
// storage-efficient WY representation for products of Householder transformations", 1989).
#include "solvers/sums.h"

namespace phintys::cuda::solvers {

namespace {

using device::OrthogonalWork;
using device::QrWork;

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / gpu::kWarp;

// A reflector, as LAPACK's larfg makes it.
template <class T>
struct Reflector {
  T tau, scale;  // of what lies below the diagonal
  Real<T> beta;  // what comes onto the diagonal
};
template <class T>
PHINTYS_INLINE_DEVICE Reflector<T> reflector(T alpha, Real<T> below) {
  using R = Real<T>;
  const R re = real_part(alpha);
  if constexpr (kComplex<T>) {
    const R size = absolute(Complex<R>{absolute(alpha), below});
    const R beta = re > 0 ? -size : size;
    return {
        {(beta - re) / beta, -alpha.im / beta}, divided(make<T>(1), T{re - beta, alpha.im}), beta};
  } else {
    const R size = absolute(Complex<R>{alpha, below});
    const R beta = re > 0 ? -size : size;
    return {(beta - re) / beta, 1 / (re - beta), beta};
  }
}
template <class T>
PHINTYS_INLINE_DEVICE bool has_imaginary(T x) {
  if constexpr (kComplex<T>) {
    return x.im != 0;
  } else {
    return false;
  }
}

template <class T>
struct QrPanel {
  Stack<T> a;  // from the panel's first element on
  int64_t m;
  int width;
  int64_t count;
  T* tau;  // of the first matrix, from the panel's first on
  int64_t tau_step;
};

// A block for each matrix.
template <class T>
__global__ void __launch_bounds__(kThreads) factor_panel(QrPanel<T> w) {
  using R = Real<T>;
  __shared__ R parts[kWarps];
  const int t = static_cast<int>(threadIdx.x), lane = t % gpu::kWarp, warp = t / gpu::kWarp;
  const int64_t row = w.a.row;
  for (int64_t matrix = blockIdx.x; matrix < w.count; matrix += gridDim.x) {
    T* a = w.a.at(matrix);
    for (int c = 0; c < w.width && c < w.m; ++c) {
      T* column = a + c * w.a.col;
      // The norm of what lies below the diagonal, scaled: squares neither overflow nor vanish.
      R most = 0;
      for (int64_t i = c + 1 + t; i < w.m; i += kThreads) {
        const R size = size_of(column[i * row]);
        most = size > most || size != size ? size : most;
      }
      most = block_max(most, parts);
      R sum = 0;
      if (most > 0) {
        for (int64_t i = c + 1 + t; i < w.m; i += kThreads) {
          sum += squared(over_real(column[i * row], most));
        }
      }
      const R below = most * root(block_sum(sum, parts));
      const T alpha = column[c * row];
      const bool none = below == 0 && !has_imaginary(alpha);
      const Reflector<T> h =
          none ? Reflector<T>{make<T>(0), make<T>(1), real_part(alpha)} : reflector(alpha, below);
      __syncthreads();
      if (t == 0) {
        w.tau[matrix * w.tau_step + c] = h.tau;
        column[c * row] = make<T>(h.beta);
      }
      for (int64_t i = c + 1 + t; i < w.m; i += kThreads) {
        column[i * row] = times(column[i * row], h.scale);
      }
      __syncthreads();
      if (none) continue;
      // (I - conj(tau) v v^H) from the left: a warp for each of the panel's later columns.
      for (int j = c + 1 + warp; j < w.width; j += kWarps) {
        T* other = a + j * w.a.col;
        T dot = make<T>(0);
        for (int64_t i = c + 1 + lane; i < w.m; i += gpu::kWarp) {
          dot = dot_step(column[i * row], other[i * row], dot);
        }
        const T top = other[c * row];
        dot = warp_sum(dot);
        const T by = times(conjugated(h.tau), mul_add(make<T>(1), top, dot));
        __syncwarp();
        if (lane == 0) other[c * row] = mul_sub(by, make<T>(1), top);
        for (int64_t i = c + 1 + lane; i < w.m; i += gpu::kWarp) {
          other[i * row] = mul_sub(by, column[i * row], other[i * row]);
        }
      }
      __syncthreads();
    }
  }
}

// A block of reflectors: I - V T V^H is the product of all of a panel.
template <class T>
struct Block {
  Stack<T> v;  // [m, width], column by column, with its ones and zeros
  T* t;        // [width, width] of each matrix, row-major
};

// V and T of a panel that is factored.
template <class T>
__global__ void __launch_bounds__(kThreads) make_block(QrPanel<T> w, Block<T> block) {
  __shared__ T products[kPanel][kPanel + 1];  // V^H V above the diagonal, then T
  const int n = w.width, t = static_cast<int>(threadIdx.x);
  const int lane = t % gpu::kWarp, warp = t / gpu::kWarp;
  for (int64_t matrix = blockIdx.x; matrix < w.count; matrix += gridDim.x) {
    const T* a = w.a.at(matrix);
    T* v = block.v.at(matrix);
    const T* tau = w.tau + matrix * w.tau_step;
    for (int64_t e = t; e < w.m * n; e += kThreads) {
      const int64_t j = e / w.m, i = e - j * w.m;
      v[j * block.v.col + i * block.v.row] =
          i > j ? a[i * w.a.row + j * w.a.col] : make<T>(i == j ? 1 : 0);
    }
    __syncthreads();
    for (int pair = warp; pair < n * n; pair += kWarps) {
      const int i = pair / n, j = pair % n;
      if (i >= j) continue;
      T dot = make<T>(0);
      for (int64_t r = j + lane; r < w.m; r += gpu::kWarp) {
        dot = dot_step(v[i * block.v.col + r * block.v.row], v[j * block.v.col + r * block.v.row],
                       dot);
      }
      dot = warp_sum(dot);
      if (lane == 0) products[i][j] = dot;
    }
    __syncthreads();
    // Column by column: -tau_j T (V^H v_j), a lane for each row.
    if (warp == 0) {
      for (int j = 0; j < n; ++j) {
        T sum = make<T>(0);
        if (lane < j) {
          for (int k = lane; k < j; ++k) sum = mul_add(products[lane][k], products[k][j], sum);
        }
        __syncwarp();
        if (lane < j) products[lane][j] = negative(times(tau[j], sum));
        if (lane == j) products[j][j] = tau[j];
        __syncwarp();
      }
    }
    __syncthreads();
    for (int e = t; e < n * n; e += kThreads) {
      const int i = e / n, j = e % n;
      block.t[matrix * kPanel * kPanel + e] = i <= j ? products[i][j] : make<T>(0);
    }
    __syncthreads();
  }
}

// What the blocks need, in scratch.
template <class T>
struct Room {
  T *v, *t, *w1, *w2;
  int64_t m, n;
  Room(void* scratch, int64_t m, int64_t n, int64_t count) : m(m), n(n) {
    v = static_cast<T*>(scratch);
    t = v + count * m * kPanel;
    w1 = t + count * kPanel * kPanel;
    w2 = w1 + count * kPanel * n;
  }
  static size_t bytes(int64_t m, int64_t n, int64_t count) {
    return static_cast<size_t>(count * kPanel * (m + kPanel + 2 * n)) * sizeof(T);
  }
};

dim3 matrix_blocks(int64_t count) {
  return dim3(static_cast<unsigned>(count < gpu::kMaxGridX ? count : gpu::kMaxGridX));
}

// c[m, n] = (I - V T V^H) c, or with T^H.
template <class T>
Status apply_block(Stream* stream, const QrPanel<T>& panel, const Room<T>& room, Stack<T> c,
                   int64_t n, bool adjoint) {
  const int64_t m = panel.m, k = panel.width, count = panel.count;
  if (n == 0) return kOk;
  const Block<T> block{{room.v, 1, m, m * k}, room.t};
  const Stack<T> t(room.t, k, 1, kPanel * kPanel);
  const Stack<T> w1(room.w1, n, 1, k * n), w2(room.w2, n, 1, k * n);
  Status status =
      gpu::launch(stream, make_block<T>, matrix_blocks(count), dim3(kThreads), 0, panel, block);
  if (status != kOk) return status;
  Product<T> first{w1, block.v.transposed(), c, k, n, m, count};
  first.conjugate_a = true;
  first.fresh = true;
  status = subtract_product<T>(stream, first);
  if (status != kOk) return status;
  Product<T> second{w2, adjoint ? t.transposed() : t, w1, k, n, k, count};
  second.conjugate_a = adjoint;
  second.fresh = true;
  status = subtract_product<T>(stream, second);
  if (status != kOk) return status;
  return subtract_product<T>(stream, {c, block.v, w2, m, n, k, count});
}

template <class T>
Status factor(Stream* stream, const QrWork& w) {
  const Stack<T> a(w.a);
  const int64_t k = w.m < w.n ? w.m : w.n;
  const Room<T> room(w.scratch, w.m, w.n, w.count);
  for (int64_t j = 0; j < k; j += kPanel) {
    const int width = static_cast<int>(k - j < kPanel ? k - j : kPanel);
    const QrPanel<T> panel{a.from(j, j), w.m - j, width, w.count, static_cast<T*>(w.tau) + j, k};
    Status status =
        gpu::launch(stream, factor_panel<T>, matrix_blocks(w.count), dim3(kThreads), 0, panel);
    if (status == kOk) {
      status = apply_block(stream, panel, room, a.from(j, j + width), w.n - j - width, true);
    }
    if (status != kOk) return status;
  }
  return kOk;
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    begin_identity(Stack<T> q, int64_t m, int64_t columns, int64_t size) {
  const int64_t e = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (e >= size) return;
  const int64_t matrix = e / (m * columns), in = e % (m * columns);
  const int64_t i = in / columns, j = in % columns;
  q.at(matrix)[i * q.row + j * q.col] = make<T>(i == j ? 1 : 0);
}

template <class T>
Status multiply_out(Stream* stream, const OrthogonalWork& w) {
  const Stack<T> a(w.a), q(w.q);
  const int64_t size = w.count * w.m * w.columns;
  Status status = gpu::launch(stream, begin_identity<T>, dim3(parts(size, kThreads)),
                              dim3(kThreads), 0, q, w.m, w.columns, size);
  const Room<T> room(w.scratch, w.m, w.columns, w.count);
  auto* tau = static_cast<T*>(const_cast<void*>(w.tau));
  for (int64_t j = (w.k - 1) / kPanel * kPanel; status == kOk && j >= 0 && w.k > 0; j -= kPanel) {
    const int width = static_cast<int>(w.k - j < kPanel ? w.k - j : kPanel);
    const QrPanel<T> panel{a.from(j, j), w.m - j, width, w.count, tau + j, w.k};
    status = apply_block(stream, panel, room, q.from(j, j), w.columns - j, false);
  }
  return status;
}

}  // namespace

size_t qr_scratch(const QrWork& w) {
  size_t bytes = 0;
  dispatch(w.dtype, [&]<class T>() {
    bytes = Room<T>::bytes(w.m, w.n, w.count);
    return kOk;
  });
  return bytes;
}

Status qr(Stream* stream, const QrWork& w) {
  if (w.m == 0 || w.n == 0 || w.count == 0) return kOk;
  return dispatch(w.dtype, [&]<class T>() { return factor<T>(stream, w); });
}

size_t orthogonal_scratch(const OrthogonalWork& w) {
  size_t bytes = 0;
  dispatch(w.dtype, [&]<class T>() {
    bytes = Room<T>::bytes(w.m, w.columns, w.count);
    return kOk;
  });
  return bytes;
}

Status orthogonal(Stream* stream, const OrthogonalWork& w) {
  if (w.m == 0 || w.columns == 0 || w.count == 0) return kOk;
  return dispatch(w.dtype, [&]<class T>() { return multiply_out<T>(stream, w); });
}

}  // namespace phintys::cuda::solvers
