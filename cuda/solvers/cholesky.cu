// Cholesky factors: a warp for each square on the diagonal, then the rows below it, then the rest.
#include "solvers/solvers.h"

namespace phintys::cuda::solvers {

namespace {

template <class T>
struct Square {
  Stack<T> a;
  int64_t n, count;
  int32_t* state;  // of each matrix: 1 if it is not positive definite
  bool first;      // state has no value yet
};

// A[n, n] with n <= kPanel, in place; a lane for each row.
template <class T>
__global__ void __launch_bounds__(gpu::kWarp) factor_square(Square<T> w) {
  using R = Real<T>;
  __shared__ T a[kPanel][kPanel + 1];
  const int n = static_cast<int>(w.n), lane = static_cast<int>(threadIdx.x);
  for (int64_t matrix = blockIdx.x; matrix < w.count; matrix += gridDim.x) {
    T* global = w.a.at(matrix);
    const bool rows = w.a.row == 1;  // of what side by side is in memory
    for (int i = 0; i < n; ++i) {
      const int r = rows ? lane : i, c = rows ? i : lane;
      if (r < n && c <= r) a[r][c] = global[r * w.a.row + c * w.a.col];
    }
    __syncwarp();
    bool bad = false;
    for (int j = 0; j < n; ++j) {
      const R d = real_part(a[j][j]);
      bad |= !(d > 0);
      const R r = root(d);
      __syncwarp();
      if (lane == j) a[j][j] = make<T>(r);
      if (lane > j && lane < n) {
        const T x = over_real(a[lane][j], r);
        a[lane][j] = x;
      }
      __syncwarp();
      if (lane > j && lane < n) {
        const T x = a[lane][j];
        for (int k = j + 1; k <= lane; ++k) {
          a[lane][k] = mul_sub(x, conjugated(a[k][j]), a[lane][k]);
        }
      }
      __syncwarp();
    }
    for (int i = 0; i < n; ++i) {
      const int r = rows ? lane : i, c = rows ? i : lane;
      if (r < n && c <= r) global[r * w.a.row + c * w.a.col] = a[r][c];
    }
    if (lane == 0) w.state[matrix] = bad || (!w.first && w.state[matrix]) ? 1 : 0;
    __syncwarp();
  }
}

// What was asked of each whole matrix: zeros above the diagonal, NaN or `failed`.
template <class T>
__global__ void __launch_bounds__(256)
    finish_matrices(Stack<T> a, int64_t n, int64_t count, const int32_t* state, bool clear,
                    bool nan, int* failed) {
  const int64_t at = static_cast<int64_t>(blockIdx.x) * 256 + threadIdx.x;
  for (int64_t matrix = blockIdx.y; matrix < count; matrix += gridDim.y) {
    const bool bad = state[matrix] != 0;
    if (bad && !nan && at == 0) *failed = 1;
    if (at >= n * n) continue;
    const int64_t i = at / n, j = at % n;
    // Along the axis that has neighbours side by side.
    const bool above = a.row == 1 ? i > j : j > i;
    T* to = a.at(matrix) + (a.row == 1 ? j + i * a.col : i * a.row + j * a.col);
    if (bad && nan) {
      *to = nan_of<T>();
    } else if (above && clear) {
      *to = make<T>(0);
    }
  }
}

template <class T>
Status factor(Stream* stream, const device::CholeskyWork& w) {
  const Stack<T> a(w.a);
  for (int64_t j = 0; j < w.n; j += kPanel) {
    const int64_t width = w.n - j < kPanel ? w.n - j : kPanel, next = j + width;
    const Square<T> square{a.from(j, j), width, w.count, w.state, j == 0};
    const int64_t blocks = w.count < gpu::kMaxGridX ? w.count : gpu::kMaxGridX;
    Status status = gpu::launch(stream, factor_square<T>, dim3(static_cast<unsigned>(blocks)),
                                dim3(gpu::kWarp), 0, square);
    const int64_t rest = w.n - next;
    if (status == kOk && rest > 0) {
      // X L^H = B, by rows: conj(L) X^T = B^T.
      status = solve_triangular<T>(stream, {a.from(j, j), a.from(next, j).transposed(), width, rest,
                                            w.count, true, false, true, nullptr});
    }
    if (status == kOk && rest > 0) {
      Product<T> update{a.from(next, next),
                        a.from(next, j),
                        a.from(next, j).transposed(),
                        rest,
                        rest,
                        width,
                        w.count};
      update.conjugate_b = true;
      update.lower = true;
      status = subtract_product<T>(stream, update);
    }
    if (status != kOk) return status;
  }
  const dim3 blocks(w.clear || w.nan ? parts(w.n * w.n, 256) : 1, stack_blocks(w.count));
  return gpu::launch(stream, finish_matrices<T>, blocks, dim3(256), 0, a, w.n, w.count,
                     static_cast<const int32_t*>(w.state), w.clear, w.nan, w.failed);
}

}  // namespace

Status cholesky(Stream* stream, const device::CholeskyWork& w) {
  if (w.n == 0 || w.count == 0) return kOk;
  return dispatch(w.dtype, [&]<class T>() { return factor<T>(stream, w); });
}

}  // namespace phintys::cuda::solvers
