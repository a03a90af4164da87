// Dense linear algebra on row-major matrices, by kernels of our own (gemm.h, small_gemv.h) where
// those are faster, and through one-threaded OpenBLAS calls, both split over the pool of
// parallel.h. Blocks that could change a result depend on the shape only, so results do not depend
// on the number of threads. Strides are in elements.
//
// gemm, gemv and ger return false, with nothing done, if the library cannot take the strides (a row
// stride shorter than a row, a vector stride of 0): the caller then copies or uses its own loops.
// Vector pointers address the first element, whatever the sign of the stride.
#pragma once

#include <complex>
#include <cstdint>

#include "base/export.h"

namespace phintys {

// C[m,n] = alpha * op(A)[m,k] @ op(B)[k,n] + beta * C; op transposes if the flag is set.
// With beta == 0, C is not read; with k == 0 or alpha == 0, A and B are not.
PHINTYS_PUBLIC bool gemm(bool trans_a, bool trans_b, std::int64_t m, std::int64_t n, std::int64_t k,
                         float alpha, const float* a, std::int64_t lda, const float* b,
                         std::int64_t ldb, float beta, float* c, std::int64_t ldc);
PHINTYS_PUBLIC bool gemm(bool trans_a, bool trans_b, std::int64_t m, std::int64_t n, std::int64_t k,
                         double alpha, const double* a, std::int64_t lda, const double* b,
                         std::int64_t ldb, double beta, double* c, std::int64_t ldc);
PHINTYS_PUBLIC bool gemm(bool trans_a, bool trans_b, std::int64_t m, std::int64_t n, std::int64_t k,
                         std::complex<float> alpha, const std::complex<float>* a, std::int64_t lda,
                         const std::complex<float>* b, std::int64_t ldb, std::complex<float> beta,
                         std::complex<float>* c, std::int64_t ldc);
PHINTYS_PUBLIC bool gemm(bool trans_a, bool trans_b, std::int64_t m, std::int64_t n, std::int64_t k,
                         std::complex<double> alpha, const std::complex<double>* a,
                         std::int64_t lda, const std::complex<double>* b, std::int64_t ldb,
                         std::complex<double> beta, std::complex<double>* c, std::int64_t ldc);

// y = alpha * op(A) @ x + beta * y for A[m,n] as stored: y has m elements, or n if transposed.
PHINTYS_PUBLIC bool gemv(bool trans, std::int64_t m, std::int64_t n, float alpha, const float* a,
                         std::int64_t lda, const float* x, std::int64_t incx, float beta, float* y,
                         std::int64_t incy);
PHINTYS_PUBLIC bool gemv(bool trans, std::int64_t m, std::int64_t n, double alpha, const double* a,
                         std::int64_t lda, const double* x, std::int64_t incx, double beta,
                         double* y, std::int64_t incy);
PHINTYS_PUBLIC bool gemv(bool trans, std::int64_t m, std::int64_t n, std::complex<float> alpha,
                         const std::complex<float>* a, std::int64_t lda,
                         const std::complex<float>* x, std::int64_t incx, std::complex<float> beta,
                         std::complex<float>* y, std::int64_t incy);
PHINTYS_PUBLIC bool gemv(bool trans, std::int64_t m, std::int64_t n, std::complex<double> alpha,
                         const std::complex<double>* a, std::int64_t lda,
                         const std::complex<double>* x, std::int64_t incx,
                         std::complex<double> beta, std::complex<double>* y, std::int64_t incy);

// A[m,n] += alpha * outer(x, y).
PHINTYS_PUBLIC bool ger(std::int64_t m, std::int64_t n, float alpha, const float* x,
                        std::int64_t incx, const float* y, std::int64_t incy, float* a,
                        std::int64_t lda);
PHINTYS_PUBLIC bool ger(std::int64_t m, std::int64_t n, double alpha, const double* x,
                        std::int64_t incx, const double* y, std::int64_t incy, double* a,
                        std::int64_t lda);

// sum(x * y); any strides, 0 included.
PHINTYS_PUBLIC float dot(std::int64_t n, const float* x, std::int64_t incx, const float* y,
                         std::int64_t incy);
PHINTYS_PUBLIC double dot(std::int64_t n, const double* x, std::int64_t incx, const double* y,
                          std::int64_t incy);

// y += alpha * x; any strides of x, incy != 0.
PHINTYS_PUBLIC void axpy(std::int64_t n, float alpha, const float* x, std::int64_t incx, float* y,
                         std::int64_t incy);
PHINTYS_PUBLIC void axpy(std::int64_t n, double alpha, const double* x, std::int64_t incx,
                         double* y, std::int64_t incy);

// Held around every direct call of a BLAS or LAPACK routine (the functions above do it themselves):
// fork() waits until no thread holds one, because a child born in the middle of a routine would
// inherit its locks and buffers. Must not be nested.
class PHINTYS_PUBLIC BlasLock {
 public:
  BlasLock() noexcept;
  ~BlasLock();
  BlasLock(const BlasLock&) = delete;
  BlasLock& operator=(const BlasLock&) = delete;

 private:
  int shard_;
};

// What the library says about itself ("OpenBLAS 0.3.34 ... SkylakeX"), for show_config().
PHINTYS_PUBLIC const char* blas_config() noexcept;

}  // namespace phintys
