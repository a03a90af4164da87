#include "kernels/permuted_product.h"

#include "kernels/simd/vec.h"

#if defined(PHINTYS_SIMD_AVX512)
#include <immintrin.h>
#endif

namespace phintys::PHINTYS_ISA {

#if defined(PHINTYS_SIMD_AVX512)

namespace {

struct Doubles {
  using T = double;
  using V = __m512d;
  static constexpr int kLanes = 8;
  static PHINTYS_INLINE V load(const T* p) { return _mm512_loadu_pd(p); }
  static PHINTYS_INLINE V all(T x) { return _mm512_set1_pd(x); }
  static PHINTYS_INLINE V pick(V low, const void* places, V high) {
    return _mm512_permutex2var_pd(low, _mm512_load_si512(places), high);
  }
  static PHINTYS_INLINE V add(V x, V y) { return _mm512_add_pd(x, y); }
  static PHINTYS_INLINE V mul(V x, V y) { return _mm512_mul_pd(x, y); }
  static PHINTYS_INLINE void store(T* p, V x) { _mm512_storeu_pd(p, x); }
};

struct Floats {
  using T = float;
  using V = __m512;
  static constexpr int kLanes = 16;
  static PHINTYS_INLINE V load(const T* p) { return _mm512_loadu_ps(p); }
  static PHINTYS_INLINE V all(T x) { return _mm512_set1_ps(x); }
  static PHINTYS_INLINE V pick(V low, const void* places, V high) {
    return _mm512_permutex2var_ps(low, _mm512_load_si512(places), high);
  }
  static PHINTYS_INLINE V add(V x, V y) { return _mm512_add_ps(x, y); }
  static PHINTYS_INLINE V mul(V x, V y) { return _mm512_mul_ps(x, y); }
  static PHINTYS_INLINE void store(T* p, V x) { _mm512_storeu_ps(p, x); }
};

// No multiplication and addition in one: the same bits as the plain loop.
template <class S>
PHINTYS_INLINE void product(const PermutedProduct<typename S::T>& w) {
  using V = typename S::V;
  const V a_low = S::load(w.a), a_high = S::load(w.a + S::kLanes);
  const V b_low = S::load(w.b), b_high = S::load(w.b + S::kLanes);
  const V alpha = S::all(w.alpha), beta = S::all(w.beta);
  const char* places = static_cast<const char*>(w.places);
  for (int64_t v = 0; v < w.vectors; ++v) {
    V sum = S::all(0);
    for (int64_t k = 0; k < w.terms; ++k, places += 128)
      sum =
          S::add(sum, S::mul(S::pick(a_low, places, a_high), S::pick(b_low, places + 64, b_high)));
    sum = S::mul(alpha, sum);
    if (w.beta != 0) sum = S::add(sum, S::mul(beta, S::load(w.c + v * S::kLanes)));
    S::store(w.out + v * S::kLanes, sum);
  }
}

}  // namespace

template <>
void permuted_product(const PermutedProduct<double>& w) {
  product<Doubles>(w);
}
template <>
void permuted_product(const PermutedProduct<float>& w) {
  product<Floats>(w);
}

#else

// Never called: permuted_product_lanes() says so.
template <>
void permuted_product(const PermutedProduct<double>&) {}
template <>
void permuted_product(const PermutedProduct<float>&) {}

#endif

}  // namespace phintys::PHINTYS_ISA
