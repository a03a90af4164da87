// Decompositions and linear systems on a device, for stacks of matrices.
//
// Elements are f32, f64, c64 or c128; strides are in elements. Stacks have one distance between
// matrices: others are copied first (IndexKernels::copy).
#pragma once

#include "device/table.h"

namespace phintys::device {

// `count` matrices, element (i, j) of matrix k at data + k * step + i * row + j * col.
struct Matrices {
  void* data;
  int64_t row, col, step;
};

// Cholesky factors in place: the lower triangle becomes L with A = L L^H; above it nothing is read.
struct CholeskyWork {
  DType dtype;
  Matrices a;
  int64_t n, count;
  bool clear;      // what lies above the diagonal becomes 0
  bool nan;        // a matrix that is not positive definite becomes NaN
  int* failed;     // otherwise this becomes 1
  int32_t* state;  // scratch: one for each matrix
};

// LU factors in place of A[m, n]: row i was exchanged with row pivots[i]. count x min(m, n) pivots.
struct LuWork {
  DType dtype;
  Matrices a;
  int64_t m, n, count;
  int32_t* pivots;
  int* failed;  // null, or becomes 1 where a pivot is 0
};

// x[n, m] becomes inverse(A) @ x for triangular A[n, n], of which nothing else is read.
struct TriangularWork {
  DType dtype;
  Matrices a, x;
  int64_t n, m, count;
  bool lower, unit, conjugate;  // of A
  int* failed;                  // null, or becomes 1 where A has a 0 on its diagonal
};

// Rows of x[m, n], contiguous stacks of any dtype, exchanged as LuWork says, or back. `step`: from
// the `k` pivots of one matrix to the next; `stride`: from each to the next.
struct ExchangeWork {
  void* x;
  int64_t item;  // bytes of an element
  int64_t m, n, count;
  const int32_t* pivots;
  int64_t k, stride, step;
  bool back;
  int* failed;  // becomes 1 if a pivot is out of range
};

// Determinants from LU factors of square matrices, or their signs and logarithms if `log`.
struct DeterminantWork {
  DType dtype;
  Matrices lu;
  int64_t n, count;
  const int32_t* pivots;  // count x n
  void* value;            // the determinant, or its sign
  void* log;              // null, or real: the logarithm of the absolute value
};

// QR factors of A[m, n]: reflectors below the diagonal and R, as LAPACK's geqrf, and the factors of
// the reflectors, count x min(m, n).
struct QrWork {
  DType dtype;
  Matrices a;
  int64_t m, n, count;
  void* tau;
  void* scratch;
};
// q[m, columns] from what QrWork made of A[m, n]; columns <= m, k = min(m, n) reflectors.
struct OrthogonalWork {
  DType dtype;
  Matrices a;  // with reflectors
  const void* tau;
  Matrices q;
  int64_t m, k, columns, count;
  void* scratch;
};

// Eigenvalues w, ascending, and eigenvectors (columns of v) of Hermitian matrices, of which the
// lower triangle is read (contiguous stacks; `a` is destroyed, `v` may be null). Matrices that hold
// infinities or NaNs fail.
struct HermitianWork {
  DType dtype;
  void* a;
  int64_t n, count;
  void* w;  // real
  void* v;
  int* failed;
  void* scratch;
};

// Singular values s, descending, of A[m, n]; u[m, k] and vh[k, n], or null, k = min(m, n). All are
// contiguous stacks; `a` is only read. Matrices that hold infinities or NaNs fail, and with u and
// vh those that have a singular value of exactly 0.
struct SingularWork {
  DType dtype;
  const void* a;
  int64_t m, n, count;
  void* s;  // real
  void* u;
  void* vh;
  int* failed;
  void* scratch;
};

// out[n, m] = V diag(1 / s) U^H from what SingularWork makes; singular values up to *rcond (f64, or
// `precision` if that is negative) times the largest count as infinite. vh is destroyed.
struct PseudoInverseWork {
  DType dtype;
  int64_t m, n, count;
  const void* s;
  const void* u;
  void* vh;
  const double* rcond;
  double precision;
  void* out;
};

struct SolverKernels {
  // to[n, n] is the identity matrix, `count` times.
  Status (*identity)(Stream* stream, DType dtype, void* to, int64_t n, int64_t count);
  // to[rows, cols], contiguous, is from on and above the diagonal and 0 below it.
  Status (*upper)(Stream* stream, DType dtype, const Matrices& from, void* to, int64_t rows,
                  int64_t cols, int64_t count);
  // What lies below the diagonal becomes the conjugate of what lies above it. Contiguous stacks.
  Status (*mirror)(Stream* stream, DType dtype, void* a, int64_t n, int64_t count);
  Status (*cholesky)(Stream* stream, const CholeskyWork& work);
  Status (*lu)(Stream* stream, const LuWork& work);
  Status (*triangular)(Stream* stream, const TriangularWork& work);
  Status (*exchange)(Stream* stream, const ExchangeWork& work);
  Status (*determinant)(Stream* stream, const DeterminantWork& work);
  size_t (*qr_scratch)(const QrWork& work);
  Status (*qr)(Stream* stream, const QrWork& work);
  size_t (*orthogonal_scratch)(const OrthogonalWork& work);
  Status (*orthogonal)(Stream* stream, const OrthogonalWork& work);
  // 0: there is no kernel for matrices of this size. To be called while `scratch` is not known yet.
  size_t (*hermitian_scratch)(Stream* stream, const HermitianWork& work);
  Status (*hermitian)(Stream* stream, const HermitianWork& work);
  size_t (*singular_scratch)(Stream* stream, const SingularWork& work);
  Status (*singular)(Stream* stream, const SingularWork& work);
  Status (*pseudo_inverse)(Stream* stream, const PseudoInverseWork& work);
};

}  // namespace phintys::device
