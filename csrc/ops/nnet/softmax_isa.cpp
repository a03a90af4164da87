// Gradients of softmax and log-softmax: a row is in the cache when it is read again.
#include "ops/math/exponential.h"
#include "ops/nnet/rows_isa.h"
#include "ops/nnet/softmax_kernels.h"

namespace phintys::PHINTYS_ISA {
namespace {

template <class V, bool kLog>
void softmax_grad(const SoftmaxGradWork& w, int64_t begin, int64_t end) {
  using T = elem_of<V>;
  const int64_t n = w.cols;
  for (int64_t r = begin; r < end; ++r) {
    const T* const g = reinterpret_cast<const T*>(w.g) + r * n;
    const T* const z = reinterpret_cast<const T*>(w.z) + r * n;
    T* const out = reinterpret_cast<T*>(w.out) + r * n;
    const V parts = sum_vectors<V>(n, [&](int64_t i, auto f) {
      if constexpr (kLog) return f.load(g + i);
      return f.load(g + i) * f.load(z + i);
    });
    const V sum = V::broadcast(sum_lanes(parts));
    for_vectors<V>(n, [&](int64_t i, auto f) {
      const V a = f.load(g + i), b = f.load(z + i);
      if constexpr (kLog) {
        f.store(out + i, a - math::exp(b) * sum);
      } else {
        f.store(out + i, (a - sum) * b);
      }
    });
  }
}

}  // namespace

void softmax_grad_rows(const SoftmaxGradWork& w, int64_t begin, int64_t end) {
  if (w.dtype == DType::f32) {
    (w.log ? softmax_grad<VF32, true> : softmax_grad<VF32, false>)(w, begin, end);
  } else {
    (w.log ? softmax_grad<VF64, true> : softmax_grad<VF64, false>)(w, begin, end);
  }
}

}  // namespace phintys::PHINTYS_ISA
