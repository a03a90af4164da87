// One instruction set's special functions behind a C interface, for
// tests/python/test_special_accuracy.py.
#include "kernels/simd/vec.h"
#include "ops/math/special.h"
#include "ops/math/special_bounds.h"
#include "ops/math/special_functions.h"

namespace {

namespace isa = phintys::PHINTYS_ISA;
namespace math = phintys::math;

template <class V, class F>
PHINTYS_INLINE void apply(F f, const typename V::elem* const* in, typename V::elem* out,
                          int64_t n) {
  for (int64_t i = 0; i < n; i += V::lanes) {
    // Ones beyond the end, as the tile kernels have them.
    typename V::elem rows[3][V::lanes];
    typename V::elem result[V::lanes];
    for (int k = 0; k < 3; ++k) {
      for (int j = 0; j < V::lanes; ++j) rows[k][j] = i + j < n ? in[k][i + j] : 1;
    }
    f(V::load(rows[0]), V::load(rows[1]), V::load(rows[2])).store(result);
    for (int j = 0; j < V::lanes && i + j < n; ++j) out[i + j] = result[j];
  }
}

bool equal(const char* a, const char* b) {
  while (*a != '\0' && *a == *b) ++a, ++b;
  return *a == *b;
}

template <class V>
bool run(const char* fn, const void* const* in, void* out, int64_t n) {
  using E = typename V::elem;
  const E* const rows[3] = {static_cast<const E*>(in[0]), static_cast<const E*>(in[1]),
                            static_cast<const E*>(in[2])};
  E* o = static_cast<E*>(out);
#define PROBE(NAME, CALL)                                                         \
  if (equal(fn, NAME)) {                                                          \
    apply<V>([]([[maybe_unused]] V a, [[maybe_unused]] V b, [[maybe_unused]] V c) \
                 __attribute__((always_inline)) { return math::CALL; },           \
             rows, o, n);                                                         \
    return true;                                                                  \
  }
  PROBE("gammaln", gammaln(a))
  PROBE("gamma", gamma(a))
  PROBE("psi", digamma(a))
  PROBE("tri_gamma", trigamma(a))
  PROBE("polygamma", polygamma(a, b))
  PROBE("betaln", betaln(a, b))
  PROBE("beta", beta(a, b))
  PROBE("sinc", sinc(a))
  PROBE("i0", i0(a))
  PROBE("i1", i1(a))
  PROBE("i0e", i0e(a))
  PROBE("i1e", i1e(a))
  PROBE("j0", j0(a))
  PROBE("j1", j1(a))
  PROBE("jv", jv(a, b))
  PROBE("iv", iv(a, b))
  PROBE("ive", ive(a, b))
  PROBE("kv", kv(a, b))
  PROBE("kve", kve(a, b))
  PROBE("gammainc", gammainc(a, b))
  PROBE("gammaincc", gammaincc(a, b))
  PROBE("betainc", betainc(a, b, c))
  PROBE("gammaincinv", gammaincinv(a, b))
  PROBE("gammainccinv", gammainccinv(a, b))
  PROBE("betaincinv", betaincinv(a, b, c))
  PROBE("log1mexp", log1mexp(a))
  PROBE("logit", logit(a))
  PROBE("xlogy", xlogy(a, b))
  PROBE("xlog1py", xlog1py(a, b))
  PROBE("ndtr", ndtr(a))
  PROBE("log_ndtr", log_ndtr(a))
  PROBE("ndtri", ndtri(a))
  PROBE("ndtri_exp", ndtri_exp(a))
  PROBE("owens_t", owens_t(a, b))
  PROBE("gammainc_grad", gammainc_grad(a, b))
  PROBE("gammainc_density", gammainc_density(a, b))
  PROBE("betainc_grad", betainc_grad(a, b, c))
  PROBE("betainc_density", betainc_density(a, b, c))
#undef PROBE
  return false;
}

}  // namespace

#define PROBE_JOIN2(A, B) A##B
#define PROBE_JOIN(A, B) PROBE_JOIN2(A, B)

/// 0 if done, 1 for an unknown function.
extern "C" int PROBE_JOIN(probe_, PHINTYS_ISA)(const char* fn, int f64, const void* const* in,
                                               void* out, int64_t n) {
  const bool ok = f64 ? run<isa::VF64>(fn, in, out, n) : run<isa::VF32>(fn, in, out, n);
  return ok ? 0 : 1;
}

/// The same with scalars of one lane.
extern "C" int PROBE_JOIN(probe_scalar_, PHINTYS_ISA)(const char* fn, int f64,
                                                      const void* const* in, void* out, int64_t n) {
  const bool ok = f64 ? run<isa::SF64>(fn, in, out, n) : run<isa::SF32>(fn, in, out, n);
  return ok ? 0 : 1;
}

/// Entry i of the table of bounds; returns its length.
extern "C" int PROBE_JOIN(probe_bound_, PHINTYS_ISA)(int i, const char** name, int* arity,
                                                     double* ulp_f32, double* ulp_f64) {
  constexpr int kCount = sizeof(math::kSpecialBounds) / sizeof(math::kSpecialBounds[0]);
  if (i >= 0 && i < kCount) {
    const math::Bound& b = math::kSpecialBounds[i];
    *name = b.name;
    *arity = b.arity;
    *ulp_f32 = b.ulp_f32;
    *ulp_f64 = b.ulp_f64;
  }
  return kCount;
}
