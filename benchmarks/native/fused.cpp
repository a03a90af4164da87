// The plain loop that a C++ programmer would write for 2x + 3y - xy, vectorised by the compiler:
// the bandwidth limit of this machine for these buffers.
#include <cstdint>

extern "C" void fused_f32(const float* __restrict x, const float* __restrict y,
                          float* __restrict out, int64_t n, int threads) {
#pragma omp parallel for simd schedule(static) num_threads(threads)
  for (int64_t i = 0; i < n; ++i) out[i] = 2.0f * x[i] + 3.0f * y[i] - x[i] * y[i];
}

extern "C" void fused_f64(const double* __restrict x, const double* __restrict y,
                          double* __restrict out, int64_t n, int threads) {
#pragma omp parallel for simd schedule(static) num_threads(threads)
  for (int64_t i = 0; i < n; ++i) out[i] = 2.0 * x[i] + 3.0 * y[i] - x[i] * y[i];
}
