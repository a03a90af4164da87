// The plain loops that a C++ programmer would write for these expressions, vectorised by the
// compiler: the limit of this machine for these buffers. Each repeats itself, so that the cost of
// calling it from Python does not count.
#include <cstdint>

namespace {

// What a loop wrote must be there before the next repetition: none may be left out.
void keep() { asm volatile("" ::: "memory"); }

template <typename T>
void fused(const T* __restrict x, const T* __restrict y, T* __restrict out, int64_t n, int threads,
           int repeats) {
  for (int r = 0; r < repeats; ++r, keep()) {
#pragma omp parallel for simd schedule(static) num_threads(threads) if (parallel : threads > 1)
    for (int64_t i = 0; i < n; ++i) out[i] = T(2) * x[i] + T(3) * y[i] - x[i] * y[i];
  }
}

template <typename T>
void multiply_adds(const T* __restrict x, const T* __restrict y, T* __restrict out, int64_t n,
                   int threads, int repeats) {
  for (int r = 0; r < repeats; ++r, keep()) {
#pragma omp parallel for simd schedule(static) num_threads(threads) if (parallel : threads > 1)
    for (int64_t i = 0; i < n; ++i) {
      T h = x[i];
#pragma GCC unroll 20
      for (int k = 0; k < 20; ++k) h = h * x[i] + y[i];
      out[i] = h;
    }
  }
}

template <typename T>
void add(const T* __restrict x, const T* __restrict y, T* __restrict out, int64_t n, int threads,
         int repeats) {
  for (int r = 0; r < repeats; ++r, keep()) {
#pragma omp parallel for simd schedule(static) num_threads(threads) if (parallel : threads > 1)
    for (int64_t i = 0; i < n; ++i) out[i] = x[i] + y[i];
  }
}

template <typename T>
void scale(const T* __restrict x, const T*, T* __restrict out, int64_t n, int threads,
           int repeats) {
  for (int r = 0; r < repeats; ++r, keep()) {
#pragma omp parallel for simd schedule(static) num_threads(threads) if (parallel : threads > 1)
    for (int64_t i = 0; i < n; ++i) out[i] = T(3) * x[i];
  }
}

// A programmer who knows that the order of a sum is free may say so; the clause does it.
template <typename T>
void sum(const T* __restrict x, const T*, T* __restrict out, int64_t n, int threads, int repeats) {
  for (int r = 0; r < repeats; ++r, keep()) {
    T total = 0;
#pragma omp parallel for simd schedule(static) num_threads(threads) reduction(+ : total) \
    if (parallel : threads > 1)
    for (int64_t i = 0; i < n; ++i) total += x[i];
    *out = total;
  }
}

template <typename T>
void dot(const T* __restrict x, const T* __restrict y, T* __restrict out, int64_t n, int threads,
         int repeats) {
  for (int r = 0; r < repeats; ++r, keep()) {
    T total = 0;
#pragma omp parallel for simd schedule(static) num_threads(threads) reduction(+ : total) \
    if (parallel : threads > 1)
    for (int64_t i = 0; i < n; ++i) total += x[i] * y[i];
    *out = total;
  }
}

}  // namespace

#define LOOP(name)                                                                             \
  extern "C" void name##_float32(const float* x, const float* y, float* out, int64_t n,        \
                                 int threads, int repeats) {                                   \
    name(x, y, out, n, threads, repeats);                                                      \
  }                                                                                            \
  extern "C" void name##_float64(const double* x, const double* y, double* out, int64_t n,     \
                                 int threads, int repeats) {                                   \
    name(x, y, out, n, threads, repeats);                                                      \
  }

LOOP(fused)
LOOP(multiply_adds)
LOOP(add)
LOOP(scale)
LOOP(sum)
LOOP(dot)
