// Distributions with parameters: a thread for each element, with counters of its own.
#include "ops/random/philox_parameters.h"
#include "random/random.h"

namespace phintys::cuda::random {

namespace {

using device::Law;
using device::RandomDraw;

__device__ __forceinline__ void store(const RandomDraw& d, int64_t at, double x) {
  if (d.dtype == DType::f32) {
    static_cast<float*>(d.out)[at] = static_cast<float>(x);
  } else if (d.dtype == DType::f64) {
    static_cast<double*>(d.out)[at] = x;
  } else {
    static_cast<int64_t*>(d.out)[at] = static_cast<int64_t>(x);
  }
}

template <class F, int kParameters>
__global__ void __launch_bounds__(kThreads) draw_elements(RandomDraw d) {
  const int64_t at = thread_number();
  if (at >= d.size) return;
  const double a = element<double>(d.parameters[0], at);
  const double b = kParameters > 1 ? element<double>(d.parameters[1], at) : a;
  if (problem(d.law, a, b)) {
    *d.stream.failed = 1;
    return;
  }
  store(d, at, accepted(F(), read_state(d.stream), static_cast<uint64_t>(at), a, b));
}

// A thread for each block of the stream: two elements.
__global__ void __launch_bounds__(kThreads) draw_integers(RandomDraw d) {
  const int64_t block = thread_number();
  const int64_t first = word_position(block);
  if (first >= d.size) return;
  const PhiloxState s = read_state(d.stream);
  const Words w = words_of_block(s, static_cast<uint64_t>(block));
  for (int k = 0; k < 2; ++k) {
    const int64_t at = first + 8 * k;
    if (at >= d.size) return;
    const int64_t low = element<int64_t>(d.parameters[0], at);
    const int64_t high = element<int64_t>(d.parameters[1], at);
    if (low >= high) {
      *d.stream.failed = 1;
      continue;
    }
    const BoundedInteger bounded(static_cast<uint64_t>(high) - static_cast<uint64_t>(low));
    const uint64_t x = bounded(k == 0 ? w.low : w.high, s, static_cast<uint64_t>(at));
    static_cast<int64_t*>(d.out)[at] = static_cast<int64_t>(static_cast<uint64_t>(low) + x);
  }
}

template <class F, int kParameters>
Status run(Stream* stream, const RandomDraw& d) {
  return gpu::launch(stream, draw_elements<F, kParameters>, blocks_for(d.size), dim3(kThreads), 0,
                     d);
}

}  // namespace

Status with_parameters(Stream* stream, const RandomDraw& d) {
  using namespace device_random;
  switch (d.law) {
    case Law::gamma:
      return run<GammaCandidate<false>, 1>(stream, d);
    case Law::log_gamma:
      return run<GammaCandidate<true>, 1>(stream, d);
    case Law::poisson:
      return run<PoissonCandidate, 1>(stream, d);
    case Law::binomial:
      return run<BinomialCandidate, 2>(stream, d);
    case Law::truncated_normal:
      return run<TruncatedNormalCandidate, 2>(stream, d);
    case Law::integers:
      return gpu::launch(stream, draw_integers, blocks_for((d.size + 15) / 16 * 8), dim3(kThreads),
                         0, d);
    default:
      return kUnsupported;
  }
}

}  // namespace phintys::cuda::random
