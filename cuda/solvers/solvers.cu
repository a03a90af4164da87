// Decompositions and linear systems: the table.
#include "solvers/solvers.h"

#include "plugin.h"

namespace phintys::cuda {

namespace solvers {

namespace {

template <class T>
__global__ void __launch_bounds__(256) write_identity(T* to, int64_t n, int64_t size) {
  const int64_t at = static_cast<int64_t>(blockIdx.x) * 256 + threadIdx.x;
  if (at < size) to[at] = make<T>(at % (n * n) % (n + 1) == 0 ? 1 : 0);
}

template <class T>
__global__ void __launch_bounds__(256)
    write_upper(Stack<T> from, T* to, int64_t rows, int64_t cols, int64_t size) {
  const int64_t at = static_cast<int64_t>(blockIdx.x) * 256 + threadIdx.x;
  if (at >= size) return;
  const int64_t matrix = at / (rows * cols), in = at % (rows * cols);
  const int64_t i = in / cols, j = in % cols;
  to[at] = j < i ? make<T>(0) : from.at(matrix)[i * from.row + j * from.col];
}

template <class T>
__global__ void __launch_bounds__(256) write_lower(T* a, int64_t n, int64_t size) {
  const int64_t at = static_cast<int64_t>(blockIdx.x) * 256 + threadIdx.x;
  if (at >= size) return;
  const int64_t matrix = at / (n * n), in = at % (n * n);
  const int64_t i = in / n, j = in % n;
  if (j < i) a[at] = conjugated(a[matrix * n * n + j * n + i]);
}

}  // namespace

Status identity(Stream* stream, DType dtype, void* to, int64_t n, int64_t count) {
  const int64_t size = n * n * count;
  if (size == 0) return kOk;
  return dispatch(dtype, [&]<class T>() {
    return gpu::launch(stream, write_identity<T>, dim3(parts(size, 256)), dim3(256), 0,
                       static_cast<T*>(to), n, size);
  });
}

Status upper(Stream* stream, DType dtype, const Matrices& from, void* to, int64_t rows,
             int64_t cols, int64_t count) {
  const int64_t size = rows * cols * count;
  if (size == 0) return kOk;
  return dispatch(dtype, [&]<class T>() {
    return gpu::launch(stream, write_upper<T>, dim3(parts(size, 256)), dim3(256), 0, Stack<T>(from),
                       static_cast<T*>(to), rows, cols, size);
  });
}

Status mirror(Stream* stream, DType dtype, void* a, int64_t n, int64_t count) {
  const int64_t size = n * n * count;
  if (size == 0) return kOk;
  return dispatch(dtype, [&]<class T>() {
    return gpu::launch(stream, write_lower<T>, dim3(parts(size, 256)), dim3(256), 0,
                       static_cast<T*>(a), n, size);
  });
}

}  // namespace solvers

const device::SolverKernels* solver_kernels() {
  using namespace solvers;
  static constexpr device::SolverKernels kKernels = {identity,
                                                     upper,
                                                     mirror,
                                                     cholesky,
                                                     lu,
                                                     triangular,
                                                     exchange,
                                                     determinant,
                                                     qr_scratch,
                                                     qr,
                                                     orthogonal_scratch,
                                                     orthogonal,
                                                     hermitian_scratch,
                                                     hermitian,
                                                     singular_scratch,
                                                     singular,
                                                     pseudo_inverse};
  return &kKernels;
}

}  // namespace phintys::cuda
