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

template <class V, bool kLog>
void crossentropy_row(const SoftmaxGradWork& w, int64_t row, int64_t at, elem_of<V> v) {
  using T = elem_of<V>;
  const T* const z = reinterpret_cast<const T*>(w.z) + row * w.cols;
  T* const out = reinterpret_cast<T*>(w.out) + row * w.cols;
  if (at < 0) {
    for (int64_t i = 0; i < w.cols; ++i) out[i] = 0;
    return;
  }
  const V minus = V::broadcast(-v);
  for_vectors<V>(w.cols, [&](int64_t i, auto f) {
    const V p = f.load(z + i);
    if constexpr (kLog) {
      f.store(out + i, math::exp(p) * minus);
    } else {
      f.store(out + i, p * minus);
    }
  });
  out[at] += v;
}

}  // namespace

void crossentropy_softmax_grad_row(const SoftmaxGradWork& w, int64_t row, int64_t at, double v) {
  if (w.dtype == DType::f32) {
    (w.log ? crossentropy_row<VF32, true> : crossentropy_row<VF32, false>)(w, row, at,
                                                                           static_cast<float>(v));
  } else {
    (w.log ? crossentropy_row<VF64, true> : crossentropy_row<VF64, false>)(w, row, at, v);
  }
}

void softmax_grad_rows(const SoftmaxGradWork& w, int64_t begin, int64_t end) {
  if (w.dtype == DType::f32) {
    (w.log ? softmax_grad<VF32, true> : softmax_grad<VF32, false>)(w, begin, end);
  } else {
    (w.log ? softmax_grad<VF64, true> : softmax_grad<VF64, false>)(w, begin, end);
  }
}

}  // namespace phintys::PHINTYS_ISA
