// What the kernels of linear algebra share.
#pragma once

#include "device/solvers.h"
#include "solvers/scalar.h"

namespace phintys::cuda::solvers {

using device::Matrices;

// Factorisations are cut into panels of this width; a panel's square is the work of one warp.
inline constexpr int kPanel = 32;

// Matrices of a stack, as kernels take them.
template <class T>
struct Stack {
  T* data;
  int64_t row, col, step;

  Stack() = default;
  __host__ __device__ Stack(T* data, int64_t row, int64_t col, int64_t step)
      : data(data), row(row), col(col), step(step) {}
  explicit Stack(const Matrices& m)
      : data(static_cast<T*>(m.data)), row(m.row), col(m.col), step(m.step) {}
  // Begins at element (i, j).
  Stack from(int64_t i, int64_t j) const { return {data + i * row + j * col, row, col, step}; }
  Stack transposed() const { return {data, col, row, step}; }
  __device__ T* at(int64_t matrix) const { return data + matrix * step; }
};

// Rounds up.
inline unsigned parts(int64_t n, int64_t of) { return static_cast<unsigned>((n + of - 1) / of); }
// Blocks for a stack along an axis of the grid that is limited; kernels walk on in steps of it.
inline unsigned stack_blocks(int64_t count) {
  return static_cast<unsigned>(count < gpu::kMaxGridYZ ? count : gpu::kMaxGridYZ);
}

// --- product.cu ----------------------------------------------------------------------------------

// c[m, n] -= a[m, k] @ b[k, n], or c = -a @ b if `fresh`. `lower`: what lies above the diagonal of
// c may stay as it is.
template <class T>
struct Product {
  Stack<T> c, a, b;
  int64_t m, n, k, count;
  bool conjugate_a = false, conjugate_b = false, lower = false, fresh = false;
};
template <class T>
Status subtract_product(Stream* stream, Product<T> work);

// --- triangular.cu -------------------------------------------------------------------------------

template <class T>
struct Triangular {
  Stack<T> a, x;
  int64_t n, m, count;
  bool lower, unit, conjugate;
  int* failed;
};
template <class T>
Status solve_triangular(Stream* stream, const Triangular<T>& work);
Status triangular(Stream* stream, const device::TriangularWork& work);

// --- the others ----------------------------------------------------------------------------------

Status identity(Stream* stream, DType dtype, void* to, int64_t n, int64_t count);
Status upper(Stream* stream, DType dtype, const Matrices& from, void* to, int64_t rows,
             int64_t cols, int64_t count);
Status mirror(Stream* stream, DType dtype, void* a, int64_t n, int64_t count);
Status cholesky(Stream* stream, const device::CholeskyWork& work);
Status lu(Stream* stream, const device::LuWork& work);
Status exchange(Stream* stream, const device::ExchangeWork& work);
Status determinant(Stream* stream, const device::DeterminantWork& work);
size_t qr_scratch(const device::QrWork& work);
Status qr(Stream* stream, const device::QrWork& work);
size_t orthogonal_scratch(const device::OrthogonalWork& work);
Status orthogonal(Stream* stream, const device::OrthogonalWork& work);
size_t hermitian_scratch(Stream* stream, const device::HermitianWork& work);
Status hermitian(Stream* stream, const device::HermitianWork& work);
size_t singular_scratch(Stream* stream, const device::SingularWork& work);
Status singular(Stream* stream, const device::SingularWork& work);
Status pseudo_inverse(Stream* stream, const device::PseudoInverseWork& work);

}  // namespace phintys::cuda::solvers
