// MRG31k3p, and what Theano's MRG_RandomStreams chooses with its numbers.
#include "ops/random/mrg_step.h"
#include "random/random.h"

namespace phintys::cuda::random {

namespace {

using device::MrgDraw;
using device::RandomChoice;

// Theano's float16: 15 bits of the word, and a factor that keeps their maximum below 1.
struct HalfOf {
  using type = uint16_t;
  __device__ static uint16_t make(uint32_t word) {
    const float norm = gpu::half_to_float(gpu::float_to_half(3.0458e-05f));
    return gpu::float_to_half(static_cast<float>((word & 0x7fff) + 1) * norm);
  }
};
struct FloatOf {
  using type = float;
  __device__ static float make(uint32_t word) {
    return static_cast<float>(static_cast<int32_t>(word)) * mrg::kNorm32;
  }
};
struct DoubleOf {
  using type = double;
  __device__ static double make(uint32_t word) {
    return static_cast<double>(static_cast<int32_t>(word)) * mrg::kNorm64;
  }
};

// A thread for each stream that is used.
template <class Make>
__global__ void __launch_bounds__(kThreads) draw_streams(MrgDraw d) {
  const int64_t i = thread_number();
  if (i >= d.streams || i >= d.size) return;
  int32_t* state = d.states + i * 6;
  uint32_t x[6];
  for (int w = 0; w < 6; ++w) x[w] = static_cast<uint32_t>(state[w]);
  auto* out = static_cast<typename Make::type*>(d.out);
  for (int64_t at = i; at < d.size; at += d.streams) {
    out[at] = Make::make(phintys::mrg::step(x[0], x[1], x[2], x[3], x[4], x[5]));
  }
  for (int w = 0; w < 6; ++w) state[w] = static_cast<int32_t>(x[w]);
}

// --- choices -------------------------------------------------------------------------------------

template <class P>
__device__ __forceinline__ P probability(const RandomChoice& c, int64_t row, int64_t column) {
  return *reinterpret_cast<const P*>(c.p.data + row * c.p.strides[0] + column * c.p.strides[1]);
}

__device__ __forceinline__ double uniform_of(const RandomChoice& c, int64_t row, int64_t sample) {
  const char* at = c.u.data + (sample * c.rows + row) * c.u.strides[0];
  return c.u.dtype == DType::f32 ? static_cast<double>(*reinterpret_cast<const float*>(at))
                                 : *reinterpret_cast<const double*>(at);
}

template <class P>
__global__ void __launch_bounds__(kThreads) count_choices(RandomChoice c) {
  const int64_t row = thread_number();
  if (row >= c.rows) return;
  int64_t* counts = c.out + row * c.columns;
  for (int64_t m = 0; m < c.columns; ++m) counts[m] = 0;
  for (int64_t s = 0; s < c.n; ++s) {
    const double u = uniform_of(c, row, s);
    double sum = 0;
    for (int64_t m = 0; m < c.columns; ++m) {
      sum += static_cast<double>(probability<P>(c, row, m));
      if (sum > u) {
        ++counts[m];
        break;
      }
    }
  }
}

// What was chosen gets no probability, and the rest is scaled to 1 again: as the host does it.
template <class P>
__global__ void __launch_bounds__(kThreads) choose_different(RandomChoice c) {
  const int64_t row = thread_number();
  if (row >= c.rows) return;
  // Element m of row r is left[m * rows]: threads side by side read side by side.
  P* left = static_cast<P*>(c.scratch) + row;
  for (int64_t m = 0; m < c.columns; ++m) left[m * c.rows] = probability<P>(c, row, m);
  for (int64_t s = 0; s < c.n; ++s) {
    const double u = uniform_of(c, row, s);
    double sum = 0;
    int64_t m = 0;
    for (; m < c.columns; ++m) {
      sum += static_cast<double>(left[m * c.rows]);
      if (sum > u) break;
    }
    if (m == c.columns) {
      --m;
      while (m > 0 && !(left[m * c.rows] > 0)) --m;
    }
    c.out[row * c.n + s] = m;
    if (s == c.n - 1) break;
    P rest = static_cast<P>(sum - static_cast<double>(left[m * c.rows]));
    left[m * c.rows] = 0;
    for (int64_t k = m; k < c.columns; ++k) rest += left[k * c.rows];
    for (int64_t k = 0; k < c.columns; ++k) left[k * c.rows] /= rest;
  }
}

}  // namespace

Status mrg(Stream* stream, const MrgDraw& d) {
  const int64_t work = d.streams < d.size ? d.streams : d.size;
  if (work == 0) return kOk;
  const auto kernel = d.dtype == DType::f32   ? draw_streams<FloatOf>
                      : d.dtype == DType::f64 ? draw_streams<DoubleOf>
                                              : draw_streams<HalfOf>;
  return gpu::launch(stream, kernel, blocks_for(work), dim3(kThreads), 0, d);
}

Status choose(Stream* stream, const RandomChoice& c) {
  if (c.rows == 0) return kOk;
  const bool single = c.p.dtype == DType::f32;
  const auto kernel = c.replace ? (single ? count_choices<float> : count_choices<double>)
                                : (single ? choose_different<float> : choose_different<double>);
  return gpu::launch(stream, kernel, blocks_for(c.rows), dim3(kThreads), 0, c);
}

}  // namespace phintys::cuda::random
