// Products of square matrices by a BLAS, without anything around it.
#include <cstdint>

namespace {

// cblas_?gemm with 64-bit integers; order, transpositions: enums, as ints.
template <typename T>
using Gemm = void (*)(int, int, int, int64_t, int64_t, int64_t, T, const T*, int64_t, const T*,
                      int64_t, T, T*, int64_t);
constexpr int kRowMajor = 101, kNoTranspose = 111;

template <typename T>
void run(void* gemm, const T* a, const T* b, T* out, int64_t n, int repeats) {
  for (int r = 0; r < repeats; ++r) {
    reinterpret_cast<Gemm<T>>(gemm)(kRowMajor, kNoTranspose, kNoTranspose, n, n, n, T(1), a, n, b,
                                    n, T(0), out, n);
  }
}

}  // namespace

extern "C" void gemm_float32(void* gemm, const float* a, const float* b, float* out, int64_t n,
                             int repeats) {
  run(gemm, a, b, out, n, repeats);
}

extern "C" void gemm_float64(void* gemm, const double* a, const double* b, double* out, int64_t n,
                             int repeats) {
  run(gemm, a, b, out, n, repeats);
}
