// One instruction set's math functions behind a C interface, for
// tests/python/test_math_accuracy.py.
//
// Compiled like a kernel file, so that the test can also look for symbols that leak.
#include "kernels/simd/vec.h"
#include "ops/math/bounds.h"
#include "ops/math/math.h"

namespace {

namespace isa = phintys::PHINTYS_ISA;
namespace math = phintys::math;

template <class V, class F>
PHINTYS_INLINE void apply(F f, const typename V::elem* a, const typename V::elem* b,
                          typename V::elem* out, int64_t n) {
  int64_t i = 0;
  for (; i + V::lanes <= n; i += V::lanes) {
    f(V::load(a + i), V::load(b + i)).store(out + i);
  }
  if (i == n) return;
  typename V::elem ta[V::lanes] = {};
  typename V::elem tb[V::lanes] = {};
  typename V::elem to[V::lanes] = {};
  for (int64_t k = i; k < n; ++k) {
    ta[k - i] = a[k];
    tb[k - i] = b[k];
  }
  f(V::load(ta), V::load(tb)).store(to);
  for (int64_t k = i; k < n; ++k) out[k] = to[k - i];
}

bool equal(const char* a, const char* b) {
  while (*a != '\0' && *a == *b) ++a, ++b;
  return *a == *b;
}

template <class V>
bool run(const char* fn, const void* av, const void* bv, void* ov, int64_t n) {
  using E = typename V::elem;
  const E* a = static_cast<const E*>(av);
  const E* b = static_cast<const E*>(bv);
  E* o = static_cast<E*>(ov);
#define PROBE(NAME)                                                                            \
  if (equal(fn, #NAME)) {                                                                      \
    apply<V>([](V x, V) __attribute__((always_inline)) { return math::NAME(x); }, a, b, o, n); \
    return true;                                                                               \
  }
#define PROBE2(NAME)                                                                            \
  if (equal(fn, #NAME)) {                                                                       \
    apply<V>([](V x, V y) __attribute__((always_inline)) { return math::NAME(x, y); }, a, b, o, \
             n);                                                                                \
    return true;                                                                                \
  }
#define PROBE_ISA(NAME)                                                                       \
  if (equal(fn, #NAME)) {                                                                     \
    apply<V>([](V x, V) __attribute__((always_inline)) { return isa::NAME(x); }, a, b, o, n); \
    return true;                                                                              \
  }
  // clang-format off: lists of macros without semicolons, which it moves to and fro
#ifndef PROBE_ONLY
  PROBE(exp) PROBE(exp2) PROBE(expm1) PROBE(log) PROBE(log2) PROBE(log10) PROBE(log1p)
  PROBE(sin) PROBE(cos) PROBE(tan) PROBE(asin) PROBE(acos) PROBE(atan) PROBE(sinh) PROBE(cosh)
  PROBE(tanh) PROBE(asinh) PROBE(acosh) PROBE(atanh) PROBE(erf) PROBE(erfc) PROBE(erfcx)
  PROBE(erfinv) PROBE(erfcinv) PROBE(sigmoid) PROBE(softplus) PROBE2(atan2) PROBE2(pow)
  PROBE_ISA(floor) PROBE_ISA(ceil) PROBE_ISA(trunc) PROBE_ISA(round_even) PROBE_ISA(sqrt)
  PROBE_ISA(abs)
#else
  PROBE(PROBE_ONLY)
#endif
  // clang-format on
#undef PROBE
#undef PROBE2
#undef PROBE_ISA
                      return false;
}

}  // namespace

#define PROBE_JOIN2(A, B) A##B
#define PROBE_JOIN(A, B) PROBE_JOIN2(A, B)

/// 0 if done, 1 for an unknown function.
extern "C" int PROBE_JOIN(probe_, PHINTYS_ISA)(const char* fn, int f64, const void* a,
                                               const void* b, void* out, int64_t n) {
  const bool ok = f64 ? run<isa::VF64>(fn, a, b, out, n) : run<isa::VF32>(fn, a, b, out, n);
  return ok ? 0 : 1;
}

/// The same with scalars of one lane.
extern "C" int PROBE_JOIN(probe_scalar_, PHINTYS_ISA)(const char* fn, int f64, const void* a,
                                                      const void* b, void* out, int64_t n) {
  const bool ok = f64 ? run<isa::SF64>(fn, a, b, out, n) : run<isa::SF32>(fn, a, b, out, n);
  return ok ? 0 : 1;
}

/// Entry i of the table of bounds; returns its length.
extern "C" int PROBE_JOIN(probe_bound_, PHINTYS_ISA)(int i, const char** name, int* arity,
                                                     double* ulp_f32, double* ulp_f64) {
  constexpr int kCount = sizeof(math::kBounds) / sizeof(math::kBounds[0]);
  if (i >= 0 && i < kCount) {
    const math::Bound& b = math::kBounds[i];
    *name = b.name;
    *arity = b.arity;
    *ulp_f32 = b.ulp_f32;
    *ulp_f64 = b.ulp_f64;
  }
  return kCount;
}
