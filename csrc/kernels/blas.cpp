#include "kernels/blas.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <complex>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <type_traits>

#include "kernels/blas_names.h"
#include "kernels/gemm.h"
#include "kernels/parallel.h"
#include "kernels/small_gemv.h"

// Declared here rather than taken from cblas.h: the names depend on the build, and this is all that
// is used. The enumerations of CBLAS are ints.
extern "C" {
#define PHINTYS_DECLARE_BLAS(T, p)                                                                 \
  void PHINTYS_CBLAS(p##gemm)(int order, int ta, int tb, phintys::blas_int m, phintys::blas_int n, \
                              phintys::blas_int k, T alpha, const T* a, phintys::blas_int lda,     \
                              const T* b, phintys::blas_int ldb, T beta, T* c,                     \
                              phintys::blas_int ldc);                                              \
  void PHINTYS_CBLAS(p##gemv)(int order, int trans, phintys::blas_int m, phintys::blas_int n,      \
                              T alpha, const T* a, phintys::blas_int lda, const T* x,              \
                              phintys::blas_int incx, T beta, T* y, phintys::blas_int incy);       \
  void PHINTYS_CBLAS(p##ger)(int order, phintys::blas_int m, phintys::blas_int n, T alpha,         \
                             const T* x, phintys::blas_int incx, const T* y,                       \
                             phintys::blas_int incy, T* a, phintys::blas_int lda);                 \
  T PHINTYS_CBLAS(p##dot)(phintys::blas_int n, const T* x, phintys::blas_int incx, const T* y,     \
                          phintys::blas_int incy);                                                 \
  void PHINTYS_CBLAS(p##axpy)(phintys::blas_int n, T alpha, const T* x, phintys::blas_int incx,    \
                              T* y, phintys::blas_int incy);
PHINTYS_DECLARE_BLAS(float, s)
PHINTYS_DECLARE_BLAS(double, d)
#define PHINTYS_DECLARE_COMPLEX_BLAS(p)                                                            \
  void PHINTYS_CBLAS(p##gemm)(int order, int ta, int tb, phintys::blas_int m, phintys::blas_int n, \
                              phintys::blas_int k, const void* alpha, const void* a,               \
                              phintys::blas_int lda, const void* b, phintys::blas_int ldb,         \
                              const void* beta, void* c, phintys::blas_int ldc);                   \
  void PHINTYS_CBLAS(p##gemv)(int order, int trans, phintys::blas_int m, phintys::blas_int n,      \
                              const void* alpha, const void* a, phintys::blas_int lda,             \
                              const void* x, phintys::blas_int incx, const void* beta, void* y,    \
                              phintys::blas_int incy);
PHINTYS_DECLARE_COMPLEX_BLAS(c)
PHINTYS_DECLARE_COMPLEX_BLAS(z)
#ifdef PHINTYS_BLAS_NAME
void PHINTYS_BLAS_NAME(openblas_set_num_threads)(int n);
char* PHINTYS_BLAS_NAME(openblas_get_config)(void);
#else
// Present if the system's BLAS is an OpenBLAS.
__attribute__((weak)) void openblas_set_num_threads(int n);
__attribute__((weak)) char* openblas_get_config(void);
#endif
}

namespace phintys {
namespace {

constexpr int kRowMajor = 101;
constexpr int kNoTrans = 111;
constexpr int kTrans = 112;

template <class T>
struct Blas;
template <>
struct Blas<float> {
  static constexpr auto gemm = PHINTYS_CBLAS(sgemm);
  static constexpr auto gemv = PHINTYS_CBLAS(sgemv);
  static constexpr auto ger = PHINTYS_CBLAS(sger);
  static constexpr auto dot = PHINTYS_CBLAS(sdot);
  static constexpr auto axpy = PHINTYS_CBLAS(saxpy);
};
template <>
struct Blas<double> {
  static constexpr auto gemm = PHINTYS_CBLAS(dgemm);
  static constexpr auto gemv = PHINTYS_CBLAS(dgemv);
  static constexpr auto ger = PHINTYS_CBLAS(dger);
  static constexpr auto dot = PHINTYS_CBLAS(ddot);
  static constexpr auto axpy = PHINTYS_CBLAS(daxpy);
};
#define PHINTYS_COMPLEX_BLAS(T, p)                                                           \
  template <>                                                                                \
  struct Blas<std::complex<T>> {                                                             \
    using C = std::complex<T>;                                                               \
    static void gemm(int order, int ta, int tb, blas_int m, blas_int n, blas_int k, C alpha, \
                     const C* a, blas_int lda, const C* b, blas_int ldb, C beta, C* c,       \
                     blas_int ldc) {                                                         \
      PHINTYS_CBLAS(p##gemm)(order, ta, tb, m, n, k, &alpha, a, lda, b, ldb, &beta, c, ldc); \
    }                                                                                        \
    static void gemv(int order, int trans, blas_int m, blas_int n, C alpha, const C* a,      \
                     blas_int lda, const C* x, blas_int incx, C beta, C* y, blas_int incy) { \
      PHINTYS_CBLAS(p##gemv)(order, trans, m, n, &alpha, a, lda, x, incx, &beta, y, incy);   \
    }                                                                                        \
  };
PHINTYS_COMPLEX_BLAS(float, c)
PHINTYS_COMPLEX_BLAS(double, z)
#undef PHINTYS_COMPLEX_BLAS

// Does it fit the library's integers? Always, unless a system BLAS has 32-bit ones.
template <class... I>
constexpr bool fits(I... values) {
  if constexpr (sizeof(blas_int) >= sizeof(std::int64_t)) {
    return true;
  } else {
    constexpr std::int64_t top = std::numeric_limits<blas_int>::max();
    return ((values <= top && values >= -top) && ...);
  }
}

// ---------------------------------------------------------------------------------------------
// A writer-preferring lock: BLAS calls share it, fork() takes it alone. The count of holders is
// spread over cache lines, as otherwise every small product would contend for one.

constexpr int kShards = 16;
struct alignas(64) Shard {
  std::atomic<int> holders{0};
};
Shard g_shards[kShards];
std::atomic<bool> g_forking{false};

int my_shard() {
  // Threads differ in the addresses of their stacks; cheaper than a thread-local variable.
  const auto address = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
  return static_cast<int>(((address >> 16) * 0x9E3779B97F4A7C15ull) >> 60);
}

inline int lock_shared() {
  const int shard = my_shard();
  for (;;) {
    g_shards[shard].holders.fetch_add(1, std::memory_order_seq_cst);
    if (PHINTYS_LIKELY(!g_forking.load(std::memory_order_seq_cst))) return shard;
    g_shards[shard].holders.fetch_sub(1, std::memory_order_seq_cst);
    while (g_forking.load(std::memory_order_acquire)) sched_yield();
  }
}
inline void unlock_shared(int shard) {
  g_shards[shard].holders.fetch_sub(1, std::memory_order_release);
}

struct Shared {
  const int shard = lock_shared();
  ~Shared() { unlock_shared(shard); }
};

void before_fork() {
  // Two threads may fork at once.
  while (g_forking.exchange(true, std::memory_order_seq_cst)) sched_yield();
  for (Shard& s : g_shards) {
    while (s.holders.load(std::memory_order_seq_cst) != 0) sched_yield();
  }
}
void after_fork() { g_forking.store(false, std::memory_order_release); }

// At load: our handlers are registered after the library's own, so they run before them in fork().
// The library's threads are never used: with any other busy thread its fork-join loses whole
// scheduler ticks, and its partition would make results depend on the number of threads.
[[maybe_unused]] const bool g_loaded = [] {
#ifdef PHINTYS_BLAS_NAME
  PHINTYS_BLAS_NAME(openblas_set_num_threads)(1);
#else
  if (openblas_set_num_threads) openblas_set_num_threads(1);
#endif
  pthread_atfork(before_fork, after_fork, after_fork);
  return true;
}();

// ---------------------------------------------------------------------------------------------

template <class T>
void scale_rows(std::int64_t m, std::int64_t n, T beta, T* c, std::int64_t ldc) {
  if (beta == T(1)) return;
  for (std::int64_t i = 0; i < m; ++i) {
    T* row = c + i * ldc;
    if (beta == T(0)) {
      std::memset(static_cast<void*>(row), 0, static_cast<std::size_t>(n) * sizeof(T));
    } else {
      for (std::int64_t j = 0; j < n; ++j) row[j] *= beta;
    }
  }
}

// Into how many pieces a product is cut: at least some 8 million operations a piece, and beyond
// four pieces at least 256 x 256 results, because every piece packs its operands anew.
struct Blocks {
  std::int64_t rows, cols;  // of one block
  std::int64_t down, across;
};

constexpr double kBlockFlops = 8e6;
constexpr double kMaxBlocks = 64;

inline std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

Blocks plan(std::int64_t m, std::int64_t n, double flops) {
  const double area = static_cast<double>(m) * static_cast<double>(n);
  const double limit =
      std::min(kMaxBlocks, std::min(flops / kBlockFlops, std::max(4.0, area / (256.0 * 256.0))));
  std::int64_t down = 1;
  std::int64_t across = 1;
  // Halve the longer side of the blocks while that keeps them large enough.
  while (2.0 * static_cast<double>(down * across) <= limit) {
    const std::int64_t rows = m / down;
    const std::int64_t cols = n / across;
    if (rows < 64 && cols < 64) break;
    if (rows >= cols) {
      down *= 2;
    } else {
      across *= 2;
    }
  }
  Blocks b;
  // Whole micro-kernels, except at the edges.
  b.rows = down == 1 ? m : ceil_div(ceil_div(m, down), 16) * 16;
  b.cols = across == 1 ? n : ceil_div(ceil_div(n, across), 16) * 16;
  b.down = ceil_div(m, b.rows);
  b.across = ceil_div(n, b.cols);
  return b;
}

// Operands of a product, all of them as a library takes them.
template <class T>
struct Product {
  bool ta, tb;
  std::int64_t m, n, k;
  T alpha;
  const T* a;
  std::int64_t lda;
  const T* b;
  std::int64_t ldb;
  T beta;
  T* c;
  std::int64_t ldc;
};

// Where the kernels of gemm.h pack operands: one block for each thread, which grows.
struct PackedMemory {
  void* block = nullptr;
  std::int64_t size = 0;
  ~PackedMemory() { std::free(block); }
};

void* packed_memory(std::int64_t bytes) {
  thread_local PackedMemory memory;
  if (bytes > memory.size) {
    const std::int64_t whole = (bytes + 4095) / 4096 * 4096;
    std::free(memory.block);
    memory.block = std::aligned_alloc(4096, static_cast<std::size_t>(whole));
    memory.size = memory.block ? whole : 0;
  }
  return memory.block;
}

// Whether the kernels of gemm.h are at least as fast as the library, from products of many shapes:
// with vectors of 64 bytes always, except where most lanes would stay empty and for two or three
// rows; else if there are few rows, which the library packs B for.
template <class T>
bool suits_own_kernels(const Product<T>& p) {
  constexpr std::int64_t item = sizeof(T);
  const bool wide = take_isa() == Isa::avx512;
  const std::int64_t lanes = (wide ? 64 : 32) / item;
  const bool rows_in_lanes = p.tb && p.m < p.n && p.m <= 96;
  const std::int64_t used = rows_in_lanes ? p.m : p.n;
  const double full =
      static_cast<double>(used) / static_cast<double>((used + lanes - 1) / lanes * lanes);
  if (p.m < 4 || full < (item == 4 ? 0.6 : 0.7)) return false;
  if (rows_in_lanes && full < 0.75) return false;
  return wide || (p.m <= 64 && (p.tb || p.ldb * item % 2048 != 0));
}

template <class T>
bool run_own(const Product<T>& p) {
  const GemmWork<T> work{p.a,
                         p.ta ? 1 : p.lda,
                         p.ta ? p.lda : 1,
                         p.b,
                         p.tb ? 1 : p.ldb,
                         p.tb ? p.ldb : 1,
                         p.c,
                         p.ldc,
                         p.m,
                         p.n,
                         p.k,
                         p.alpha,
                         p.beta};
  return PHINTYS_ISA_CALL(packed_gemm<T>)(work, packed_memory);
}

template <class T>
void run_library(const Product<T>& p) {
  const Shared lock;
  Blas<T>::gemm(kRowMajor, p.ta ? kTrans : kNoTrans, p.tb ? kTrans : kNoTrans,
                static_cast<blas_int>(p.m), static_cast<blas_int>(p.n), static_cast<blas_int>(p.k),
                p.alpha, p.a, static_cast<blas_int>(p.lda), p.b, static_cast<blas_int>(p.ldb),
                p.beta, p.c, static_cast<blas_int>(p.ldc));
}

// Rows [i, i + m) and columns [j, j + n) of the result.
template <class T>
Product<T> part_of(const Product<T>& p, std::int64_t i, std::int64_t m, std::int64_t j,
                   std::int64_t n) {
  Product<T> part = p;
  part.m = std::min(m, p.m - i);
  part.n = std::min(n, p.n - j);
  part.a += p.ta ? i : i * p.lda;
  part.b += p.tb ? j * p.ldb : j;
  part.c += i * p.ldc + j;
  return part;
}

template <class T>
PHINTYS_NOINLINE void run_library_blocks(const Product<T>& p, double flops) {
  const Blocks blocks = plan(p.m, p.n, flops);
  parallel_for(blocks.down * blocks.across, [&](std::int64_t chunk) {
    run_library(part_of(p, chunk / blocks.across * blocks.rows, blocks.rows,
                        chunk % blocks.across * blocks.cols, blocks.cols));
  });
}

// Our own kernels give the same bits however the result is cut, so there are as many pieces as the
// threads at hand can use: of columns, so that each packs its own part of B, or else of rows. A
// piece without memory to pack in is left to the library.
template <class T>
PHINTYS_NOINLINE void run_own_pieces(const Product<T>& p, double flops) {
  constexpr std::int64_t kColumns = 64, kRows = 48;  // of the smallest pieces
  const auto most = static_cast<std::int64_t>(flops / kBlockFlops);
  const std::int64_t wanted =
      num_threads() == 1 ? 1 : std::min<std::int64_t>(2 * num_threads(), most);
  const bool across = p.n >= wanted * kColumns || p.n / kColumns >= p.m / kRows;
  const std::int64_t size = across ? p.n : p.m, unit = across ? kColumns : kRows;
  const std::int64_t step = ceil_div(ceil_div(size, wanted), unit) * unit;
  parallel_for(ceil_div(size, step), [&](std::int64_t piece) {
    const Product<T> part =
        across ? part_of(p, 0, p.m, piece * step, step) : part_of(p, piece * step, step, 0, p.n);
    if (!run_own(part)) run_library(part);
  });
}

template <class T>
inline bool gemm_any(Product<T> p) {
  if (p.m <= 0 || p.n <= 0) return true;
  // The stride of a single row means nothing, but the library insists on it.
  const std::int64_t a_rows = p.ta ? p.k : p.m, a_cols = p.ta ? p.m : p.k;
  const std::int64_t b_rows = p.tb ? p.n : p.k, b_cols = p.tb ? p.k : p.n;
  if (a_rows <= 1) p.lda = std::max<std::int64_t>(a_cols, 1);
  if (b_rows <= 1) p.ldb = std::max<std::int64_t>(b_cols, 1);
  if (p.m == 1) p.ldc = p.n;
  if (p.ldc < p.n || !fits(p.m, p.n, p.k, p.lda, p.ldb, p.ldc)) return false;
  if (PHINTYS_UNLIKELY(p.k <= 0 || p.alpha == T(0))) {
    scale_rows(p.m, p.n, p.beta, p.c, p.ldc);
    return true;
  }
  if (p.lda < a_cols || p.ldb < b_cols) return false;
  const double flops =
      2.0 * static_cast<double>(p.m) * static_cast<double>(p.n) * static_cast<double>(p.k);
  const bool large = flops >= 2 * kBlockFlops;
  if constexpr (std::is_floating_point_v<T>) {
    if (suits_own_kernels(p)) {
      if (large) {
        run_own_pieces(p, flops);
      } else if (!run_own(p)) {
        run_library(p);
      }
      return true;
    }
  }
  large ? run_library_blocks(p, flops) : run_library(p);
  return true;
}

// CBLAS wants the lowest address of a vector with a negative stride.
template <class T>
inline T* lowest(T* x, std::int64_t n, std::int64_t inc) {
  return inc < 0 ? x + (n - 1) * inc : x;
}

// Whether a product is for the kernels of small_gemv.h.
inline bool in_caches(bool trans, std::int64_t m, std::int64_t n, std::int64_t item,
                      std::int64_t incx, std::int64_t incy) {
  const std::int64_t elements = (1 << 16) / item;
  return incy == 1 && (trans || incx == 1) && n >= kSmallGemvLanes && m <= elements / n;
}

template <class T>
inline bool gemv_any(bool trans, std::int64_t m, std::int64_t n, T alpha, const T* a,
                     std::int64_t lda, const T* x, std::int64_t incx, T beta, T* y,
                     std::int64_t incy) {
  const std::int64_t ny = trans ? n : m;
  const std::int64_t nx = trans ? m : n;
  if (ny <= 0) return true;
  if (nx == 1) incx = 1;
  if (ny == 1) incy = 1;
  if (m <= 1) lda = std::max<std::int64_t>(n, 1);
  if (incy == 0 || !fits(m, n, lda, incx, incy)) return false;
  const bool empty = nx <= 0 || alpha == T(0);
  if (!empty && (lda < n || incx == 0)) return false;
  if constexpr (std::is_floating_point_v<T>) {
    if (!empty && in_caches(trans, m, n, sizeof(T), incx, incy)) {
      const SmallGemv<T> work{a, x, y, m, n, lda, incx, alpha, beta};
      trans ? PHINTYS_ISA_CALL(small_gemv_transposed<T>)(work)
            : PHINTYS_ISA_CALL(small_gemv<T>)(work);
      return true;
    }
  }
  if (beta == T(0) || empty) {
    // Scaling by 0 would keep the NaNs of a y that is not meant to be read.
    for (std::int64_t i = 0; i < ny; ++i) y[i * incy] = beta == T(0) ? T(0) : beta * y[i * incy];
    if (empty) return true;
    beta = T(1);
  }
  const auto part = [&](std::int64_t begin, std::int64_t end) {
    const std::int64_t len = end - begin;
    T* yp = y + begin * incy;
    const Shared lock;
    Blas<T>::gemv(kRowMajor, trans ? kTrans : kNoTrans, static_cast<blas_int>(trans ? m : len),
                  static_cast<blas_int>(trans ? len : n), alpha, a + (trans ? begin : begin * lda),
                  static_cast<blas_int>(lda), lowest(x, nx, incx), static_cast<blas_int>(incx),
                  beta, lowest(yp, len, incy), static_cast<blas_int>(incy));
  };
  // Memory-bound: pieces of some 512 KiB of A, and whole cache lines of y.
  const double bytes = static_cast<double>(m) * static_cast<double>(n) * sizeof(T);
  constexpr double kPiece = 512.0 * 1024.0;
  if (bytes < 2 * kPiece || ny < 32) {
    part(0, ny);
  } else {
    const double pieces = std::min(64.0, bytes / kPiece);
    const std::int64_t grain = std::max<std::int64_t>(
        16, ceil_div(static_cast<std::int64_t>(static_cast<double>(ny) / pieces), 16) * 16);
    parallel_ranges(ny, grain, part);
  }
  return true;
}

template <class T>
inline bool ger_any(std::int64_t m, std::int64_t n, T alpha, const T* x, std::int64_t incx,
                    const T* y, std::int64_t incy, T* a, std::int64_t lda) {
  if (m <= 0 || n <= 0 || alpha == T(0)) return true;
  if (m == 1) incx = 1, lda = n;
  if (n == 1) incy = 1;
  if (lda < n || incx == 0 || incy == 0 || !fits(m, n, lda, incx, incy)) return false;
  const auto part = [&](std::int64_t begin, std::int64_t end) {
    const std::int64_t len = end - begin;
    const Shared lock;
    Blas<T>::ger(kRowMajor, static_cast<blas_int>(len), static_cast<blas_int>(n), alpha,
                 lowest(x + begin * incx, len, incx), static_cast<blas_int>(incx),
                 lowest(y, n, incy), static_cast<blas_int>(incy), a + begin * lda,
                 static_cast<blas_int>(lda));
  };
  const std::int64_t grain = std::max<std::int64_t>(
      1, static_cast<std::int64_t>(512.0 * 1024.0 / sizeof(T) / static_cast<double>(n)));
  parallel_ranges(m, grain, part);
  return true;
}

template <class T>
inline T dot_any(std::int64_t n, const T* x, std::int64_t incx, const T* y, std::int64_t incy) {
  if (n <= 0) return T(0);
  if (PHINTYS_UNLIKELY(incx == 0 || incy == 0 || !fits(n, incx, incy))) {
    T sum = T(0);
    for (std::int64_t i = 0; i < n; ++i) sum += x[i * incx] * y[i * incy];
    return sum;
  }
  const auto part = [&](std::int64_t begin, std::int64_t end) {
    const std::int64_t len = end - begin;
    const Shared lock;
    return Blas<T>::dot(static_cast<blas_int>(len), lowest(x + begin * incx, len, incx),
                        static_cast<blas_int>(incx), lowest(y + begin * incy, len, incy),
                        static_cast<blas_int>(incy));
  };
  constexpr std::int64_t kMaxPieces = 64;
  constexpr std::int64_t kGrain = 1 << 16;
  if (n < 2 * kGrain) return part(0, n);
  T sums[kMaxPieces] = {};
  const std::int64_t grain = std::max(kGrain, ceil_div(n, kMaxPieces));
  parallel_ranges(n, grain, [&](std::int64_t begin, std::int64_t end) {
    sums[begin / grain] = part(begin, end);
  });
  T sum = T(0);
  for (T s : sums) sum += s;
  return sum;
}

template <class T>
inline void axpy_any(std::int64_t n, T alpha, const T* x, std::int64_t incx, T* y,
                     std::int64_t incy) {
  if (n <= 0 || alpha == T(0)) return;
  if (PHINTYS_UNLIKELY(incx == 0 || incy == 0 || !fits(n, incx, incy))) {
    for (std::int64_t i = 0; i < n; ++i) y[i * incy] += alpha * x[i * incx];
    return;
  }
  parallel_ranges(n, 1 << 16, [&](std::int64_t begin, std::int64_t end) {
    const std::int64_t len = end - begin;
    const Shared lock;
    Blas<T>::axpy(static_cast<blas_int>(len), alpha, lowest(x + begin * incx, len, incx),
                  static_cast<blas_int>(incx), lowest(y + begin * incy, len, incy),
                  static_cast<blas_int>(incy));
  });
}

}  // namespace

BlasLock::BlasLock() noexcept : shard_(lock_shared()) {}
BlasLock::~BlasLock() { unlock_shared(shard_); }

const char* blas_config() noexcept {
#ifdef PHINTYS_BLAS_NAME
  return PHINTYS_BLAS_NAME(openblas_get_config)();
#else
  return openblas_get_config ? openblas_get_config() : "system BLAS";
#endif
}

#define PHINTYS_DEFINE_PRODUCTS(T)                                                               \
  bool gemm(bool trans_a, bool trans_b, std::int64_t m, std::int64_t n, std::int64_t k, T alpha, \
            const T* a, std::int64_t lda, const T* b, std::int64_t ldb, T beta, T* c,            \
            std::int64_t ldc) {                                                                  \
    return gemm_any<T>({trans_a, trans_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc});        \
  }                                                                                              \
  bool gemv(bool trans, std::int64_t m, std::int64_t n, T alpha, const T* a, std::int64_t lda,   \
            const T* x, std::int64_t incx, T beta, T* y, std::int64_t incy) {                    \
    return gemv_any(trans, m, n, alpha, a, lda, x, incx, beta, y, incy);                         \
  }
PHINTYS_DEFINE_PRODUCTS(float)
PHINTYS_DEFINE_PRODUCTS(double)
PHINTYS_DEFINE_PRODUCTS(std::complex<float>)
PHINTYS_DEFINE_PRODUCTS(std::complex<double>)

#define PHINTYS_DEFINE_VECTORS(T)                                                              \
  bool ger(std::int64_t m, std::int64_t n, T alpha, const T* x, std::int64_t incx, const T* y, \
           std::int64_t incy, T* a, std::int64_t lda) {                                        \
    return ger_any(m, n, alpha, x, incx, y, incy, a, lda);                                     \
  }                                                                                            \
  T dot(std::int64_t n, const T* x, std::int64_t incx, const T* y, std::int64_t incy) {        \
    return dot_any(n, x, incx, y, incy);                                                       \
  }                                                                                            \
  void axpy(std::int64_t n, T alpha, const T* x, std::int64_t incx, T* y, std::int64_t incy) { \
    axpy_any(n, alpha, x, incx, y, incy);                                                      \
  }
PHINTYS_DEFINE_VECTORS(float)
PHINTYS_DEFINE_VECTORS(double)

}  // namespace phintys
