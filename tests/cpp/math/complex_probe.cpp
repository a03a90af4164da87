// One instruction set's functions of complex numbers behind a C interface, for
// tests/python/test_complex_accuracy.py.
#include "kernels/simd/vec.h"
#include "ops/math/bounds.h"
#include "ops/math/complex.h"

namespace {

namespace isa = phintys::PHINTYS_ISA;
namespace math = phintys::math;
using V = isa::VF64;

template <class F>
void apply(F f, const double* in, double* out, int64_t n) {
  for (int64_t i = 0; i < n; i += V::lanes) {
    double re[V::lanes] = {};
    double im[V::lanes] = {};
    const int64_t m = n - i < V::lanes ? n - i : V::lanes;
    for (int64_t k = 0; k < m; ++k) {
      re[k] = in[2 * (i + k)];
      im[k] = in[2 * (i + k) + 1];
    }
    const math::Complex<V> r = f(math::Complex<V>{V::load(re), V::load(im)});
    r.re.store(re);
    r.im.store(im);
    for (int64_t k = 0; k < m; ++k) {
      out[2 * (i + k)] = re[k];
      out[2 * (i + k) + 1] = im[k];
    }
  }
}

bool equal(const char* a, const char* b) {
  while (*a != '\0' && *a == *b) ++a, ++b;
  return *a == *b;
}

}  // namespace

/// 0 if done, 1 for an unknown function. Rows are pairs (real, imaginary).
extern "C" int complex_probe(const char* fn, const double* in, double* out, int64_t n) {
#define PROBE(NAME)                                                      \
  if (equal(fn, #NAME)) {                                                \
    apply([](math::Complex<V> z) { return math::NAME(z); }, in, out, n); \
    return 0;                                                            \
  }
  // clang-format off: lists of macros without semicolons, which it moves to and fro
  PROBE(exp) PROBE(exp2) PROBE(expm1) PROBE(log) PROBE(log2) PROBE(log10) PROBE(log1p) PROBE(sqrt)
  PROBE(sinh) PROBE(cosh) PROBE(tanh) PROBE(sin) PROBE(cos) PROBE(tan) PROBE(asin) PROBE(acos)
  PROBE(atan) PROBE(asinh) PROBE(acosh) PROBE(atanh) PROBE(sign) PROBE(inverse)
  // clang-format on
#undef PROBE
              return 1;
}

/// Entry i of the table of bounds; returns its length.
extern "C" int complex_probe_bound(int i, const char** name, double* part, double* size) {
  constexpr int kCount = sizeof(math::kComplexBounds) / sizeof(math::kComplexBounds[0]);
  if (i >= 0 && i < kCount) {
    const math::ComplexBound& b = math::kComplexBounds[i];
    *name = b.name;
    *part = b.part;
    *size = b.size;
  }
  return kCount;
}
