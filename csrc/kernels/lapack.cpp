#include "kernels/lapack.h"

#include <algorithm>
#include <cstddef>

#include "kernels/blas.h"

using phintys::blas_int;

// Fortran: all by reference, and the lengths of strings at the end.
extern "C" {
#define INT const blas_int*
#define PHINTYS_DECLARE_COMMON(T, p)                                                \
  void PHINTYS_LAPACK(p##potrf)(const char*, INT, T*, INT, blas_int*, std::size_t); \
  void PHINTYS_LAPACK(p##getrf)(INT, INT, T*, INT, blas_int*, blas_int*);           \
  void PHINTYS_LAPACK(p##geqrf)(INT, INT, T*, INT, T*, T*, INT, blas_int*);         \
  void PHINTYS_CBLAS(p##trsv)(int, int, int, int, blas_int, const void*, blas_int, void*, blas_int);
PHINTYS_DECLARE_COMMON(float, s)
PHINTYS_DECLARE_COMMON(double, d)
PHINTYS_DECLARE_COMMON(std::complex<float>, c)
PHINTYS_DECLARE_COMMON(std::complex<double>, z)

#define PHINTYS_DECLARE_REAL(T, p)                                                                 \
  void PHINTYS_LAPACK(p##orgqr)(INT, INT, INT, T*, INT, const T*, T*, INT, blas_int*);             \
  void PHINTYS_LAPACK(p##syevd)(const char*, const char*, INT, T*, INT, T*, T*, INT, blas_int*,    \
                                INT, blas_int*, std::size_t, std::size_t);                         \
  void PHINTYS_LAPACK(p##gesdd)(const char*, INT, INT, T*, INT, T*, T*, INT, T*, INT, T*, INT,     \
                                blas_int*, blas_int*, std::size_t);                                \
  void PHINTYS_LAPACK(p##geev)(const char*, const char*, INT, T*, INT, T*, T*, T*, INT, T*, INT,   \
                               T*, INT, blas_int*, std::size_t, std::size_t);                      \
  void PHINTYS_LAPACK(p##gelsd)(INT, INT, INT, T*, INT, T*, INT, T*, const T*, blas_int*, T*, INT, \
                                blas_int*, blas_int*);                                             \
  void PHINTYS_CBLAS(p##trsm)(int, int, int, int, int, blas_int, blas_int, T, const T*, blas_int,  \
                              T*, blas_int);
PHINTYS_DECLARE_REAL(float, s)
PHINTYS_DECLARE_REAL(double, d)

#define PHINTYS_DECLARE_COMPLEX(T, R, p)                                                           \
  void PHINTYS_LAPACK(p##ungqr)(INT, INT, INT, T*, INT, const T*, T*, INT, blas_int*);             \
  void PHINTYS_LAPACK(p##heevd)(const char*, const char*, INT, T*, INT, R*, T*, INT, R*, INT,      \
                                blas_int*, INT, blas_int*, std::size_t, std::size_t);              \
  void PHINTYS_LAPACK(p##gesdd)(const char*, INT, INT, T*, INT, R*, T*, INT, T*, INT, T*, INT, R*, \
                                blas_int*, blas_int*, std::size_t);                                \
  void PHINTYS_LAPACK(p##geev)(const char*, const char*, INT, T*, INT, T*, T*, INT, T*, INT, T*,   \
                               INT, R*, blas_int*, std::size_t, std::size_t);                      \
  void PHINTYS_LAPACK(p##gelsd)(INT, INT, INT, T*, INT, T*, INT, R*, const R*, blas_int*, T*, INT, \
                                R*, blas_int*, blas_int*);                                         \
  void PHINTYS_CBLAS(p##trsm)(int, int, int, int, int, blas_int, blas_int, const void*,            \
                              const void*, blas_int, void*, blas_int);
PHINTYS_DECLARE_COMPLEX(std::complex<float>, float, c)
PHINTYS_DECLARE_COMPLEX(std::complex<double>, double, z)
#undef INT
}

namespace phintys::lapack {

namespace {

// The optimal size that a routine reports in the first element of its workspace.
template <class T>
std::int64_t reported(T value) {
  return std::max<std::int64_t>(1, static_cast<std::int64_t>(std::real(value)) + 1);
}

constexpr char job_of(bool vectors) { return vectors ? 'V' : 'N'; }
constexpr int cblas_op(Op op) { return op == Op::none ? 111 : op == Op::trans ? 112 : 113; }
constexpr int kRowMajor = 101, kUpper = 121, kLower = 122, kNonUnit = 131, kUnit = 132;
constexpr int kLeft = 141, kRight = 142;
constexpr blas_int kQuery = -1, kOne = 1;

}  // namespace

#define PHINTYS_COMMON(T, p)                                                                     \
  std::int64_t potrf(char uplo, std::int64_t n, T* a, std::int64_t lda) {                        \
    const BlasLock lock;                                                                         \
    const blas_int bn = static_cast<blas_int>(n), bl = static_cast<blas_int>(lda);               \
    blas_int info = 0;                                                                           \
    PHINTYS_LAPACK(p##potrf)(&uplo, &bn, a, &bl, &info, 1);                                      \
    return info;                                                                                 \
  }                                                                                              \
  std::int64_t getrf(std::int64_t m, std::int64_t n, T* a, std::int64_t lda, blas_int* pivots) { \
    const BlasLock lock;                                                                         \
    const blas_int bm = static_cast<blas_int>(m), bn = static_cast<blas_int>(n),                 \
                   bl = static_cast<blas_int>(lda);                                              \
    blas_int info = 0;                                                                           \
    PHINTYS_LAPACK(p##getrf)(&bm, &bn, a, &bl, pivots, &info);                                   \
    return info;                                                                                 \
  }                                                                                              \
  std::int64_t geqrf(std::int64_t m, std::int64_t n, T* a, std::int64_t lda, T* tau, T* work,    \
                     std::int64_t lwork) {                                                       \
    const BlasLock lock;                                                                         \
    const blas_int bm = static_cast<blas_int>(m), bn = static_cast<blas_int>(n),                 \
                   bl = static_cast<blas_int>(lda), bw = static_cast<blas_int>(lwork);           \
    blas_int info = 0;                                                                           \
    PHINTYS_LAPACK(p##geqrf)(&bm, &bn, a, &bl, tau, work, &bw, &info);                           \
    return info;                                                                                 \
  }                                                                                              \
  void trsv_rows(bool lower, Op op, bool unit, std::int64_t n, const T* a, std::int64_t lda,     \
                 T* x) {                                                                         \
    if (n == 0) return;                                                                          \
    const BlasLock lock;                                                                         \
    PHINTYS_CBLAS(p##trsv)(kRowMajor, lower ? kLower : kUpper, cblas_op(op),                     \
                           unit ? kUnit : kNonUnit, static_cast<blas_int>(n), a,                 \
                           static_cast<blas_int>(lda), x, 1);                                    \
  }
PHINTYS_COMMON(float, s)
PHINTYS_COMMON(double, d)
PHINTYS_COMMON(std::complex<float>, c)
PHINTYS_COMMON(std::complex<double>, z)

#define PHINTYS_ORTHOGONAL(T, name)                                                             \
  std::int64_t orgqr(std::int64_t m, std::int64_t n, std::int64_t k, T* a, std::int64_t lda,    \
                     const T* tau, T* work, std::int64_t lwork) {                               \
    const BlasLock lock;                                                                        \
    const blas_int bm = static_cast<blas_int>(m), bn = static_cast<blas_int>(n),                \
                   bk = static_cast<blas_int>(k), bl = static_cast<blas_int>(lda),              \
                   bw = static_cast<blas_int>(lwork);                                           \
    blas_int info = 0;                                                                          \
    PHINTYS_LAPACK(name)(&bm, &bn, &bk, a, &bl, tau, work, &bw, &info);                         \
    return info;                                                                                \
  }                                                                                             \
  std::int64_t qr_work(std::int64_t m, std::int64_t n, T*) {                                    \
    T size[1] = {};                                                                             \
    geqrf(m, n, static_cast<T*>(nullptr), std::max<std::int64_t>(1, m), nullptr, size, kQuery); \
    return std::max(reported(size[0]), 64 * std::max<std::int64_t>(1, std::max(m, n)));         \
  }
PHINTYS_ORTHOGONAL(float, sorgqr)
PHINTYS_ORTHOGONAL(double, dorgqr)
PHINTYS_ORTHOGONAL(std::complex<float>, cungqr)
PHINTYS_ORTHOGONAL(std::complex<double>, zungqr)

#define PHINTYS_REAL(T, p)                                                                         \
  std::int64_t heevd(bool vectors, char uplo, std::int64_t n, T* a, std::int64_t lda, T* w,        \
                     T* work, std::int64_t lwork, T*, std::int64_t, blas_int* iwork,               \
                     std::int64_t liwork) {                                                        \
    const BlasLock lock;                                                                           \
    const char job = job_of(vectors);                                                              \
    const blas_int bn = static_cast<blas_int>(n), bl = static_cast<blas_int>(lda),                 \
                   bw = static_cast<blas_int>(lwork), bi = static_cast<blas_int>(liwork);          \
    blas_int info = 0;                                                                             \
    PHINTYS_LAPACK(p##syevd)(&job, &uplo, &bn, a, &bl, w, work, &bw, iwork, &bi, &info, 1, 1);     \
    return info;                                                                                   \
  }                                                                                                \
  void heevd_work(bool vectors, std::int64_t n, T*, std::int64_t* lwork, std::int64_t* lrwork,     \
                  std::int64_t* liwork) {                                                          \
    T size[1] = {};                                                                                \
    blas_int ints[1] = {};                                                                         \
    heevd(vectors, 'L', n, static_cast<T*>(nullptr), std::max<std::int64_t>(1, n), nullptr, size,  \
          kQuery, nullptr, kQuery, ints, kQuery);                                                  \
    *lwork = reported(size[0]);                                                                    \
    *lrwork = 1;                                                                                   \
    *liwork = std::max<std::int64_t>(1, ints[0]);                                                  \
  }                                                                                                \
  std::int64_t gesdd(char job, std::int64_t m, std::int64_t n, T* a, std::int64_t lda, T* s, T* u, \
                     std::int64_t ldu, T* vt, std::int64_t ldvt, T* work, std::int64_t lwork, T*,  \
                     blas_int* iwork) {                                                            \
    const BlasLock lock;                                                                           \
    const blas_int bm = static_cast<blas_int>(m), bn = static_cast<blas_int>(n),                   \
                   bl = static_cast<blas_int>(lda), bu = static_cast<blas_int>(ldu),               \
                   bv = static_cast<blas_int>(ldvt), bw = static_cast<blas_int>(lwork);            \
    blas_int info = 0;                                                                             \
    PHINTYS_LAPACK(p##gesdd)(&job, &bm, &bn, a, &bl, s, u, &bu, vt, &bv, work, &bw, iwork, &info,  \
                             1);                                                                   \
    return info;                                                                                   \
  }                                                                                                \
  void gesdd_work(char job, std::int64_t m, std::int64_t n, T*, std::int64_t* lwork,               \
                  std::int64_t* lrwork) {                                                          \
    T size[1] = {};                                                                                \
    blas_int ints[8] = {};                                                                         \
    gesdd(job, m, n, nullptr, std::max<std::int64_t>(1, m), nullptr, nullptr,                      \
          std::max<std::int64_t>(1, m), nullptr, std::max<std::int64_t>(1, n), size, kQuery,       \
          static_cast<T*>(nullptr), ints);                                                         \
    *lwork = reported(size[0]);                                                                    \
    *lrwork = 1;                                                                                   \
  }                                                                                                \
  std::int64_t geev(bool vectors, std::int64_t n, T* a, std::int64_t lda, T* w, T* wi, T* vr,      \
                    std::int64_t ldvr, T* work, std::int64_t lwork, T*) {                          \
    const BlasLock lock;                                                                           \
    const char job = job_of(vectors);                                                              \
    const blas_int bn = static_cast<blas_int>(n), bl = static_cast<blas_int>(lda),                 \
                   bv = static_cast<blas_int>(ldvr), bw = static_cast<blas_int>(lwork);            \
    blas_int info = 0;                                                                             \
    PHINTYS_LAPACK(p##geev)("N", &job, &bn, a, &bl, w, wi, nullptr, &kOne, vr, &bv, work, &bw,     \
                            &info, 1, 1);                                                          \
    return info;                                                                                   \
  }                                                                                                \
  std::int64_t gelsd(std::int64_t m, std::int64_t n, std::int64_t nrhs, T* a, std::int64_t lda,    \
                     T* b, std::int64_t ldb, T* s, T rcond, std::int64_t* rank, T* work,           \
                     std::int64_t lwork, T*, blas_int* iwork) {                                    \
    const BlasLock lock;                                                                           \
    const blas_int bm = static_cast<blas_int>(m), bn = static_cast<blas_int>(n),                   \
                   br = static_cast<blas_int>(nrhs), la = static_cast<blas_int>(lda),              \
                   lb = static_cast<blas_int>(ldb), bw = static_cast<blas_int>(lwork);             \
    blas_int info = 0, found = 0;                                                                  \
    PHINTYS_LAPACK(p##gelsd)(&bm, &bn, &br, a, &la, b, &lb, s, &rcond, &found, work, &bw, iwork,   \
                             &info);                                                               \
    if (rank) *rank = found;                                                                       \
    return info;                                                                                   \
  }                                                                                                \
  void gelsd_work(std::int64_t m, std::int64_t n, std::int64_t nrhs, T*, std::int64_t* lwork,      \
                  std::int64_t* lrwork, std::int64_t* liwork) {                                    \
    T size[1] = {};                                                                                \
    blas_int ints[1] = {};                                                                         \
    gelsd(m, n, nrhs, nullptr, std::max<std::int64_t>(1, m), static_cast<T*>(nullptr),             \
          std::max<std::int64_t>(1, std::max(m, n)), nullptr, T(-1), nullptr, size, kQuery,        \
          nullptr, ints);                                                                          \
    *lwork = reported(size[0]);                                                                    \
    *lrwork = 1;                                                                                   \
    *liwork = std::max<std::int64_t>(1, ints[0]);                                                  \
  }                                                                                                \
  void trsm_rows(bool right, bool lower, Op op, bool unit, std::int64_t m, std::int64_t n,         \
                 const T* a, std::int64_t lda, T* b, std::int64_t ldb) {                           \
    if (m == 0 || n == 0) return;                                                                  \
    const BlasLock lock;                                                                           \
    PHINTYS_CBLAS(p##trsm)(kRowMajor, right ? kRight : kLeft, lower ? kLower : kUpper,             \
                           cblas_op(op), unit ? kUnit : kNonUnit, static_cast<blas_int>(m),        \
                           static_cast<blas_int>(n), T(1), a, static_cast<blas_int>(lda), b,       \
                           static_cast<blas_int>(ldb));                                            \
  }
PHINTYS_REAL(float, s)
PHINTYS_REAL(double, d)

#define PHINTYS_COMPLEX(T, R, p)                                                                   \
  std::int64_t heevd(bool vectors, char uplo, std::int64_t n, T* a, std::int64_t lda, R* w,        \
                     T* work, std::int64_t lwork, R* rwork, std::int64_t lrwork, blas_int* iwork,  \
                     std::int64_t liwork) {                                                        \
    const BlasLock lock;                                                                           \
    const char job = job_of(vectors);                                                              \
    const blas_int bn = static_cast<blas_int>(n), bl = static_cast<blas_int>(lda),                 \
                   bw = static_cast<blas_int>(lwork), br = static_cast<blas_int>(lrwork),          \
                   bi = static_cast<blas_int>(liwork);                                             \
    blas_int info = 0;                                                                             \
    PHINTYS_LAPACK(p##heevd)(&job, &uplo, &bn, a, &bl, w, work, &bw, rwork, &br, iwork, &bi,       \
                             &info, 1, 1);                                                         \
    return info;                                                                                   \
  }                                                                                                \
  void heevd_work(bool vectors, std::int64_t n, T*, std::int64_t* lwork, std::int64_t* lrwork,     \
                  std::int64_t* liwork) {                                                          \
    T size[1] = {};                                                                                \
    R reals[1] = {};                                                                               \
    blas_int ints[1] = {};                                                                         \
    heevd(vectors, 'L', n, static_cast<T*>(nullptr), std::max<std::int64_t>(1, n), nullptr, size,  \
          kQuery, reals, kQuery, ints, kQuery);                                                    \
    *lwork = reported(size[0]);                                                                    \
    *lrwork = reported(reals[0]);                                                                  \
    *liwork = std::max<std::int64_t>(1, ints[0]);                                                  \
  }                                                                                                \
  std::int64_t gesdd(char job, std::int64_t m, std::int64_t n, T* a, std::int64_t lda, R* s, T* u, \
                     std::int64_t ldu, T* vt, std::int64_t ldvt, T* work, std::int64_t lwork,      \
                     R* rwork, blas_int* iwork) {                                                  \
    const BlasLock lock;                                                                           \
    const blas_int bm = static_cast<blas_int>(m), bn = static_cast<blas_int>(n),                   \
                   bl = static_cast<blas_int>(lda), bu = static_cast<blas_int>(ldu),               \
                   bv = static_cast<blas_int>(ldvt), bw = static_cast<blas_int>(lwork);            \
    blas_int info = 0;                                                                             \
    PHINTYS_LAPACK(p##gesdd)(&job, &bm, &bn, a, &bl, s, u, &bu, vt, &bv, work, &bw, rwork, iwork,  \
                             &info, 1);                                                            \
    return info;                                                                                   \
  }                                                                                                \
  void gesdd_work(char job, std::int64_t m, std::int64_t n, T*, std::int64_t* lwork,               \
                  std::int64_t* lrwork) {                                                          \
    T size[1] = {};                                                                                \
    R reals[1] = {};                                                                               \
    blas_int ints[8] = {};                                                                         \
    gesdd(job, m, n, static_cast<T*>(nullptr), std::max<std::int64_t>(1, m), nullptr, nullptr,     \
          std::max<std::int64_t>(1, m), nullptr, std::max<std::int64_t>(1, n), size, kQuery,       \
          reals, ints);                                                                            \
    const std::int64_t low = std::min(m, n), high = std::max(m, n);                                \
    *lwork = reported(size[0]);                                                                    \
    *lrwork = std::max<std::int64_t>(                                                              \
        1, job == 'N' ? 7 * low : low * std::max(5 * low + 7, 2 * high + 2 * low + 1));            \
  }                                                                                                \
  std::int64_t geev(bool vectors, std::int64_t n, T* a, std::int64_t lda, T* w, T*, T* vr,         \
                    std::int64_t ldvr, T* work, std::int64_t lwork, R* rwork) {                    \
    const BlasLock lock;                                                                           \
    const char job = job_of(vectors);                                                              \
    const blas_int bn = static_cast<blas_int>(n), bl = static_cast<blas_int>(lda),                 \
                   bv = static_cast<blas_int>(ldvr), bw = static_cast<blas_int>(lwork);            \
    blas_int info = 0;                                                                             \
    PHINTYS_LAPACK(p##geev)("N", &job, &bn, a, &bl, w, nullptr, &kOne, vr, &bv, work, &bw, rwork,  \
                            &info, 1, 1);                                                          \
    return info;                                                                                   \
  }                                                                                                \
  std::int64_t gelsd(std::int64_t m, std::int64_t n, std::int64_t nrhs, T* a, std::int64_t lda,    \
                     T* b, std::int64_t ldb, R* s, R rcond, std::int64_t* rank, T* work,           \
                     std::int64_t lwork, R* rwork, blas_int* iwork) {                              \
    const BlasLock lock;                                                                           \
    const blas_int bm = static_cast<blas_int>(m), bn = static_cast<blas_int>(n),                   \
                   br = static_cast<blas_int>(nrhs), la = static_cast<blas_int>(lda),              \
                   lb = static_cast<blas_int>(ldb), bw = static_cast<blas_int>(lwork);             \
    blas_int info = 0, found = 0;                                                                  \
    PHINTYS_LAPACK(p##gelsd)(&bm, &bn, &br, a, &la, b, &lb, s, &rcond, &found, work, &bw, rwork,   \
                             iwork, &info);                                                        \
    if (rank) *rank = found;                                                                       \
    return info;                                                                                   \
  }                                                                                                \
  void gelsd_work(std::int64_t m, std::int64_t n, std::int64_t nrhs, T*, std::int64_t* lwork,      \
                  std::int64_t* lrwork, std::int64_t* liwork) {                                    \
    T size[1] = {};                                                                                \
    R reals[1] = {};                                                                               \
    blas_int ints[1] = {};                                                                         \
    gelsd(m, n, nrhs, nullptr, std::max<std::int64_t>(1, m), static_cast<T*>(nullptr),             \
          std::max<std::int64_t>(1, std::max(m, n)), nullptr, R(-1), nullptr, size, kQuery, reals, \
          ints);                                                                                   \
    *lwork = reported(size[0]);                                                                    \
    *lrwork = reported(reals[0]);                                                                  \
    *liwork = std::max<std::int64_t>(1, ints[0]);                                                  \
  }                                                                                                \
  void trsm_rows(bool right, bool lower, Op op, bool unit, std::int64_t m, std::int64_t n,         \
                 const T* a, std::int64_t lda, T* b, std::int64_t ldb) {                           \
    if (m == 0 || n == 0) return;                                                                  \
    const BlasLock lock;                                                                           \
    const T one(1);                                                                                \
    PHINTYS_CBLAS(p##trsm)(kRowMajor, right ? kRight : kLeft, lower ? kLower : kUpper,             \
                           cblas_op(op), unit ? kUnit : kNonUnit, static_cast<blas_int>(m),        \
                           static_cast<blas_int>(n), &one, a, static_cast<blas_int>(lda), b,       \
                           static_cast<blas_int>(ldb));                                            \
  }
PHINTYS_COMPLEX(std::complex<float>, float, c)
PHINTYS_COMPLEX(std::complex<double>, double, z)

#define PHINTYS_SIZES(T)                                                                        \
  std::int64_t geev_work(bool vectors, std::int64_t n, T*) {                                    \
    T size[1] = {};                                                                             \
    Real<T> reals[1] = {};                                                                      \
    const std::int64_t ld = std::max<std::int64_t>(1, n);                                       \
    geev(vectors, n, static_cast<T*>(nullptr), ld, nullptr, nullptr, nullptr, ld, size, kQuery, \
         reals);                                                                                \
    return reported(size[0]);                                                                   \
  }
PHINTYS_SIZES(float)
PHINTYS_SIZES(double)
PHINTYS_SIZES(std::complex<float>)
PHINTYS_SIZES(std::complex<double>)

}  // namespace phintys::lapack
