// Triangular systems: squares of kPanel rows one after another, and what they leave.
#include "solvers/solvers.h"

namespace phintys::cuda::solvers {

namespace {

constexpr int kColumns = 64;  // of x for each block, a thread for each

// Columns of real numbers stay in registers; complex ones would take long to compile that way.
template <class T>
inline constexpr int kUnroll = kComplex<T> ? 1 : kPanel;

// x[n, m] with n <= kPanel; what is on the diagonal is inverted once. An upper triangle is a lower
// one with both axes reversed.
template <class T>
__global__ void __launch_bounds__(kColumns) solve_square(Triangular<T> w) {
  __shared__ T square[kPanel][kPanel + 1];
  const int n = static_cast<int>(w.n);
  const int64_t column = static_cast<int64_t>(blockIdx.x) * kColumns + threadIdx.x;
  for (int64_t matrix = blockIdx.y; matrix < w.count; matrix += gridDim.y) {
    const T* a = w.a.at(matrix);
    bool zero = false;
    for (int t = threadIdx.x; t < kPanel * kPanel; t += kColumns) {
      // Neighbours along the axis that has them side by side.
      const int r = w.a.row == 1 ? t % kPanel : t / kPanel;
      const int c = w.a.row == 1 ? t / kPanel : t % kPanel;
      if (c > r) continue;
      T value = make<T>(r == c ? 1 : 0);
      if (r < n && (r != c || !w.unit)) {
        const int64_t i = w.lower ? r : n - 1 - r, j = w.lower ? c : n - 1 - c;
        value = a[i * w.a.row + j * w.a.col];
        if (w.conjugate) value = conjugated(value);
        if (r == c) {
          zero |= is_zero(value);
          value = divided(make<T>(1), value);
        }
      }
      square[r][c] = value;
    }
    if (zero && w.failed && blockIdx.x == 0) *w.failed = 1;
    __syncthreads();
    if (column < w.m) {
      T* x = w.x.at(matrix) + column * w.x.col;
      T value[kPanel];
#pragma unroll kUnroll < T>
      for (int r = 0; r < kPanel; ++r) {
        value[r] = make<T>(0);
        if (r < n) value[r] = x[(w.lower ? r : n - 1 - r) * w.x.row];
      }
#pragma unroll kUnroll < T>
      for (int r = 0; r < kPanel; ++r) {
        if (!w.unit) value[r] = times(value[r], square[r][r]);
#pragma unroll kUnroll < T>
        for (int i = r + 1; i < kPanel; ++i) value[i] = mul_sub(square[i][r], value[r], value[i]);
      }
#pragma unroll kUnroll < T>
      for (int r = 0; r < kPanel; ++r) {
        if (r < n) x[(w.lower ? r : n - 1 - r) * w.x.row] = value[r];
      }
    }
    __syncthreads();
  }
}

}  // namespace

template <class T>
Status solve_triangular(Stream* stream, const Triangular<T>& w) {
  if (w.n == 0 || w.m == 0 || w.count == 0) return kOk;
  for (int64_t done = 0; done < w.n; done += kPanel) {
    const int64_t width = w.n - done < kPanel ? w.n - done : kPanel;
    const int64_t at = w.lower ? done : w.n - done - width;
    Triangular<T> square = w;
    square.a = w.a.from(at, at);
    square.x = w.x.from(at, 0);
    square.n = width;
    Status status =
        gpu::launch(stream, solve_square<T>, dim3(parts(w.m, kColumns), stack_blocks(w.count)),
                    dim3(kColumns), 0, square);
    const int64_t rest = w.n - done - width, to = w.lower ? at + width : 0;
    if (status == kOk) {
      status = subtract_product<T>(stream, {w.x.from(to, 0), w.a.from(to, at), w.x.from(at, 0),
                                            rest, w.m, width, w.count, w.conjugate});
    }
    if (status != kOk) return status;
  }
  return kOk;
}

template Status solve_triangular(Stream*, const Triangular<float>&);
template Status solve_triangular(Stream*, const Triangular<double>&);
template Status solve_triangular(Stream*, const Triangular<Complex<float>>&);
template Status solve_triangular(Stream*, const Triangular<Complex<double>>&);

Status triangular(Stream* stream, const device::TriangularWork& w) {
  return dispatch(w.dtype, [&]<class T>() {
    return solve_triangular<T>(stream, {Stack<T>(w.a), Stack<T>(w.x), w.n, w.m, w.count, w.lower,
                                        w.unit, w.conjugate, w.failed});
  });
}

}  // namespace phintys::cuda::solvers
