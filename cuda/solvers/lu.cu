// LU factors with row exchanges: a block for each panel of columns, then the rows of U that it
// makes, then the rest.
#include "solvers/solvers.h"

namespace phintys::cuda::solvers {

namespace {

constexpr int kThreads = 256;

// Where the largest element of a column is; of equal ones the first. NaN is never the largest.
template <class R>
struct Largest {
  R size;
  int row;
  PHINTYS_INLINE_DEVICE void take(R other, int other_row) {
    if (other > size || (other == size && other_row < row)) {
      size = other;
      row = other_row;
    }
  }
  // Of all lanes of a warp.
  PHINTYS_INLINE_DEVICE void join() {
    for (int step = gpu::kWarp / 2; step > 0; step /= 2) {
      const R other = __shfl_xor_sync(gpu::kAllLanes, size, step);
      take(other, __shfl_xor_sync(gpu::kAllLanes, row, step));
    }
  }
};
template <class T>
PHINTYS_INLINE_DEVICE Real<T> comparable(T x) {
  const Real<T> size = size_of(x);
  return size == size ? size : 0;
}
inline constexpr int kNoRow = 0x7fffffff;

template <class T>
struct Panel {
  Stack<T> a;  // from the panel's first element on
  int64_t m;   // rows from there on
  int width;
  int64_t count, first;  // row and column of that element
  int32_t* pivots;       // of the first matrix, from the panel's first on
  int64_t pivot_step;
  int* failed;
};

// A[m, width] with m <= kPanel: a warp for each matrix, a lane for each row.
template <class T>
__global__ void __launch_bounds__(gpu::kWarp) factor_small(Panel<T> w) {
  using R = Real<T>;
  __shared__ T a[kPanel][kPanel + 1];
  const int m = static_cast<int>(w.m), n = w.width, lane = static_cast<int>(threadIdx.x);
  const int k = m < n ? m : n;
  for (int64_t matrix = blockIdx.x; matrix < w.count; matrix += gridDim.x) {
    T* global = w.a.at(matrix);
    const bool rows = w.a.row == 1;
    for (int i = 0; i < kPanel; ++i) {
      const int r = rows ? lane : i, c = rows ? i : lane;
      if (r < m && c < n) a[r][c] = global[r * w.a.row + c * w.a.col];
    }
    __syncwarp();
    for (int c = 0; c < k; ++c) {
      Largest<R> best{-1, kNoRow};
      if (lane >= c && lane < m) best = {comparable(a[lane][c]), lane};
      best.join();
      const int pivot = best.row;
      if (lane == 0) {
        w.pivots[matrix * w.pivot_step + c] = static_cast<int32_t>(w.first + pivot);
      }
      if (pivot != c && lane < n) {
        const T other = a[c][lane];
        a[c][lane] = a[pivot][lane];
        a[pivot][lane] = other;
      }
      __syncwarp();
      const T d = a[c][c];
      if (is_zero(d)) {
        if (lane == 0 && w.failed) *w.failed = 1;
        continue;
      }
      if (lane > c && lane < m) {
        const T x = divided(a[lane][c], d);
        a[lane][c] = x;
        for (int j = c + 1; j < n; ++j) a[lane][j] = mul_sub(x, a[c][j], a[lane][j]);
      }
      __syncwarp();
    }
    for (int i = 0; i < kPanel; ++i) {
      const int r = rows ? lane : i, c = rows ? i : lane;
      if (r < m && c < n) global[r * w.a.row + c * w.a.col] = a[r][c];
    }
    __syncwarp();
  }
}

// A[m, width] of any height, a block for each matrix.
template <class T>
__global__ void __launch_bounds__(kThreads) factor_panel(Panel<T> w) {
  using R = Real<T>;
  __shared__ T top[kPanel];
  __shared__ R sizes[kThreads / gpu::kWarp];
  __shared__ int rows[kThreads / gpu::kWarp];
  const int m = static_cast<int>(w.m), n = w.width, t = static_cast<int>(threadIdx.x);
  const int k = m < n ? m : n;
  for (int64_t matrix = blockIdx.x; matrix < w.count; matrix += gridDim.x) {
    T* a = w.a.at(matrix);
    Largest<R> best{-1, kNoRow};
    for (int i = t; i < m; i += kThreads) best.take(comparable(a[i * w.a.row]), i);
    for (int c = 0; c < k; ++c) {
      best.join();
      if (t % gpu::kWarp == 0) {
        sizes[t / gpu::kWarp] = best.size;
        rows[t / gpu::kWarp] = best.row;
      }
      __syncthreads();
      for (int i = 0; i < kThreads / gpu::kWarp; ++i) best.take(sizes[i], rows[i]);
      const int pivot = best.row;
      if (t == 0) w.pivots[matrix * w.pivot_step + c] = static_cast<int32_t>(w.first + pivot);
      if (t < n) {
        T* above = a + c * w.a.row + t * w.a.col;
        T* below = a + pivot * w.a.row + t * w.a.col;
        const T other = *above, mine = *below;
        *above = mine;
        *below = other;
        top[t] = mine;
      }
      __syncthreads();
      const T d = top[c];
      const bool zero = is_zero(d);
      if (zero && t == 0 && w.failed) *w.failed = 1;
      best = {-1, kNoRow};
      for (int i = c + 1 + t; i < m; i += kThreads) {
        T* row = a + i * w.a.row;
        if (!zero) {
          const T x = divided(row[c * w.a.col], d);
          row[c * w.a.col] = x;
          for (int j = c + 1; j < n; ++j) {
            row[j * w.a.col] = mul_sub(x, top[j], row[j * w.a.col]);
          }
        }
        if (c + 1 < n) best.take(comparable(row[(c + 1) * w.a.col]), i);
      }
      __syncthreads();
    }
  }
}

// The rows of the other columns exchanged as the panel's were: columns [0, skip) and from
// skip + width on. A thread for each column.
template <class T>
__global__ void __launch_bounds__(kThreads)
    exchange_columns(Stack<T> a, int64_t columns, int64_t first, int width, int64_t count,
                     const int32_t* pivots, int64_t pivot_step) {
  int64_t column = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (column >= first) column += width;
  if (column >= columns) return;
  for (int64_t matrix = blockIdx.y; matrix < count; matrix += gridDim.y) {
    T* x = a.at(matrix) + column * a.col;
    const int32_t* p = pivots + matrix * pivot_step;
    for (int i = 0; i < width; ++i) {
      const int64_t from = first + i, to = p[i];
      if (from == to) continue;
      const T other = x[from * a.row];
      x[from * a.row] = x[to * a.row];
      x[to * a.row] = other;
    }
  }
}

template <class T>
Status factor(Stream* stream, const device::LuWork& w) {
  const Stack<T> a(w.a);
  const int64_t k = w.m < w.n ? w.m : w.n;
  const dim3 blocks(static_cast<unsigned>(w.count < gpu::kMaxGridX ? w.count : gpu::kMaxGridX));
  if (w.m <= kPanel && w.n <= kPanel) {
    const Panel<T> all{a, w.m, static_cast<int>(w.n), w.count, 0, w.pivots, k, w.failed};
    return gpu::launch(stream, factor_small<T>, blocks, dim3(gpu::kWarp), 0, all);
  }
  for (int64_t j = 0; j < k; j += kPanel) {
    const int width = static_cast<int>(k - j < kPanel ? k - j : kPanel);
    const int64_t next = j + width;
    const Panel<T> panel{a.from(j, j), w.m - j, width, w.count, j, w.pivots + j, k, w.failed};
    Status status = gpu::launch(stream, factor_panel<T>, blocks, dim3(kThreads), 0, panel);
    if (status == kOk && w.n > width) {
      status =
          gpu::launch(stream, exchange_columns<T>,
                      dim3(parts(w.n - width, kThreads), stack_blocks(w.count)), dim3(kThreads), 0,
                      a, w.n, j, width, w.count, static_cast<const int32_t*>(w.pivots + j), k);
    }
    if (status == kOk && w.n > next) {
      status = solve_triangular<T>(stream, {a.from(j, j), a.from(j, next), width, w.n - next,
                                            w.count, true, true, false, nullptr});
    }
    if (status == kOk) {
      status = subtract_product<T>(stream, {a.from(next, next), a.from(next, j), a.from(j, next),
                                            w.m - next, w.n - next, width, w.count});
    }
    if (status != kOk) return status;
  }
  return kOk;
}

// --- exchanges by themselves ---------------------------------------------------------------------

// U: so much of a row moves as one.
template <class U>
__global__ void __launch_bounds__(kThreads) exchange_rows(device::ExchangeWork w, int64_t units) {
  const int64_t column = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (column >= units) return;
  for (int64_t matrix = blockIdx.y; matrix < w.count; matrix += gridDim.y) {
    U* x = static_cast<U*>(w.x) + matrix * w.m * units + column;
    const int32_t* p = w.pivots + matrix * w.step;
    for (int64_t r = 0; r < w.k; ++r) {
      const int64_t from = w.back ? w.k - 1 - r : r;
      const int64_t to = p[from * w.stride];
      if (to < 0 || to >= w.m || from >= w.m) {
        *w.failed = 1;
        continue;
      }
      if (from == to) continue;
      const U other = x[from * units];
      x[from * units] = x[to * units];
      x[to * units] = other;
    }
  }
}

template <class U>
Status exchange_units(Stream* stream, const device::ExchangeWork& w) {
  const int64_t units = w.n * w.item / static_cast<int64_t>(sizeof(U));
  return gpu::launch(stream, exchange_rows<U>, dim3(parts(units, kThreads), stack_blocks(w.count)),
                     dim3(kThreads), 0, w, units);
}

// --- determinants --------------------------------------------------------------------------------

PHINTYS_INLINE_DEVICE float logarithm(float x) { return logf(x); }
PHINTYS_INLINE_DEVICE double logarithm(double x) { return log(x); }

// A warp for each matrix loads, its first lane multiplies.
template <class T>
__global__ void __launch_bounds__(gpu::kWarp)
    determinants(Stack<T> lu, int64_t n, int64_t count, const int32_t* pivots, T* value,
                 Real<T>* log) {
  using R = Real<T>;
  __shared__ T diagonal[gpu::kWarp];
  const int lane = static_cast<int>(threadIdx.x);
  for (int64_t matrix = blockIdx.x; matrix < count; matrix += gridDim.x) {
    T product = make<T>(1);
    R sum = 0;
    for (int64_t first = 0; first < n; first += gpu::kWarp) {
      const int64_t i = first + lane;
      if (i < n) {
        const T x = lu.at(matrix)[i * (lu.row + lu.col)];
        diagonal[lane] = pivots[matrix * n + i] == i ? x : negative(x);
      }
      __syncwarp();
      for (int k = 0; lane == 0 && k < gpu::kWarp && first + k < n; ++k) {
        T x = diagonal[k];
        if (log) {
          const R size = absolute(x);
          if (size == 0) {
            x = make<T>(0);
          } else if (size == size) {
            x = over_real(x, size);
          }
          sum += logarithm(size);
        }
        product = times(product, x);
      }
      __syncwarp();
    }
    if (lane != 0) continue;
    value[matrix] = product;
    if (log) log[matrix] = sum;
  }
}

}  // namespace

Status lu(Stream* stream, const device::LuWork& w) {
  if (w.m == 0 || w.n == 0 || w.count == 0) return kOk;
  if (w.m > INT32_MAX / 2) return kUnsupported;
  return dispatch(w.dtype, [&]<class T>() { return factor<T>(stream, w); });
}

Status exchange(Stream* stream, const device::ExchangeWork& w) {
  const int64_t bytes = w.n * w.item;
  if (w.m == 0 || bytes == 0 || w.count == 0) return kOk;
  if (bytes % 8 == 0 && w.item >= 8) return exchange_units<uint64_t>(stream, w);
  if (bytes % 4 == 0 && w.item >= 4) return exchange_units<uint32_t>(stream, w);
  if (bytes % 2 == 0 && w.item >= 2) return exchange_units<uint16_t>(stream, w);
  return exchange_units<uint8_t>(stream, w);
}

Status determinant(Stream* stream, const device::DeterminantWork& w) {
  if (w.count == 0) return kOk;
  const dim3 blocks(static_cast<unsigned>(w.count < gpu::kMaxGridX ? w.count : gpu::kMaxGridX));
  return dispatch(w.dtype, [&]<class T>() {
    return gpu::launch(stream, determinants<T>, blocks, dim3(gpu::kWarp), 0, Stack<T>(w.lu), w.n,
                       w.count, w.pivots, static_cast<T*>(w.value), static_cast<Real<T>*>(w.log));
  });
}

}  // namespace phintys::cuda::solvers
