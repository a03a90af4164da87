// LAPACK, and triangular solves, of the library that BLAS comes from: one overload for each value
// type. Matrices are column-major, as LAPACK has them, except where a name ends in _rows. Results
// are LAPACK's `info`: 0, or the position (from 1) of what failed. Every call holds BlasLock.
//
// Workspaces are the caller's; the *_work functions say how many elements one needs.
#pragma once

#include <complex>
#include <cstdint>

#include "kernels/blas_names.h"

namespace phintys::lapack {

template <class T>
struct RealOf {
  using type = T;
};
template <class T>
struct RealOf<std::complex<T>> {
  using type = T;
};
// The type of singular values, and of eigenvalues of Hermitian matrices.
template <class T>
using Real = typename RealOf<T>::type;
template <class T>
inline constexpr bool kComplex = !std::is_same_v<T, Real<T>>;

enum class Op : std::uint8_t { none, trans, adjoint };

#define PHINTYS_DECLARE_LAPACK(T)                                                                  \
  /* Cholesky factor of the triangle `uplo` ('L', 'U'), in its place. */                           \
  std::int64_t potrf(char uplo, std::int64_t n, T* a, std::int64_t lda);                           \
  /* LU factors with row exchanges. */                                                             \
  std::int64_t getrf(std::int64_t m, std::int64_t n, T* a, std::int64_t lda, blas_int* pivots);    \
  /* QR factors: R and the reflectors, then Q from them. */                                        \
  std::int64_t geqrf(std::int64_t m, std::int64_t n, T* a, std::int64_t lda, T* tau, T* work,      \
                     std::int64_t lwork);                                                          \
  std::int64_t orgqr(std::int64_t m, std::int64_t n, std::int64_t k, T* a, std::int64_t lda,       \
                     const T* tau, T* work, std::int64_t lwork);                                   \
  std::int64_t qr_work(std::int64_t m, std::int64_t n, T*);                                        \
  /* Eigenvalues of a Hermitian matrix; with `vectors`, the eigenvectors replace it. */            \
  std::int64_t heevd(bool vectors, char uplo, std::int64_t n, T* a, std::int64_t lda, Real<T>* w,  \
                     T* work, std::int64_t lwork, Real<T>* rwork, std::int64_t lrwork,             \
                     blas_int* iwork, std::int64_t liwork);                                        \
  void heevd_work(bool vectors, std::int64_t n, T*, std::int64_t* lwork, std::int64_t* lrwork,     \
                  std::int64_t* liwork);                                                           \
  /* Singular values; `job` 'N': no vectors, 'S': as many as values, 'A': all. */                  \
  std::int64_t gesdd(char job, std::int64_t m, std::int64_t n, T* a, std::int64_t lda, Real<T>* s, \
                     T* u, std::int64_t ldu, T* vt, std::int64_t ldvt, T* work,                    \
                     std::int64_t lwork, Real<T>* rwork, blas_int* iwork);                         \
  void gesdd_work(char job, std::int64_t m, std::int64_t n, T*, std::int64_t* lwork,               \
                  std::int64_t* lrwork);                                                           \
  /* Eigenvalues and right eigenvectors of any matrix, as LAPACK packs them: of a real matrix, */  \
  /* values in w and wi, a pair of vectors as real and imaginary part. */                          \
  std::int64_t geev(bool vectors, std::int64_t n, T* a, std::int64_t lda, T* w, T* wi, T* vr,      \
                    std::int64_t ldvr, T* work, std::int64_t lwork, Real<T>* rwork);               \
  std::int64_t geev_work(bool vectors, std::int64_t n, T*);                                        \
  /* Least squares by singular values. */                                                          \
  std::int64_t gelsd(std::int64_t m, std::int64_t n, std::int64_t nrhs, T* a, std::int64_t lda,    \
                     T* b, std::int64_t ldb, Real<T>* s, Real<T> rcond, std::int64_t* rank,        \
                     T* work, std::int64_t lwork, Real<T>* rwork, blas_int* iwork);                \
  void gelsd_work(std::int64_t m, std::int64_t n, std::int64_t nrhs, T*, std::int64_t* lwork,      \
                  std::int64_t* lrwork, std::int64_t* liwork);                                     \
  /* B = inverse(op(A)) @ B, or B @ inverse(op(A)) if `right`; A[k,k] triangular, all row-major.   \
   */                                                                                              \
  void trsm_rows(bool right, bool lower, Op op, bool unit, std::int64_t m, std::int64_t n,         \
                 const T* a, std::int64_t lda, T* b, std::int64_t ldb);                            \
  /* The same for one vector of stride 1, from the left. */                                        \
  void trsv_rows(bool lower, Op op, bool unit, std::int64_t n, const T* a, std::int64_t lda, T* x);
PHINTYS_DECLARE_LAPACK(float)
PHINTYS_DECLARE_LAPACK(double)
PHINTYS_DECLARE_LAPACK(std::complex<float>)
PHINTYS_DECLARE_LAPACK(std::complex<double>)
#undef PHINTYS_DECLARE_LAPACK

}  // namespace phintys::lapack
