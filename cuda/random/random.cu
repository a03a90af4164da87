// Random numbers: the table, and draws without parameters.
#include "random/random.h"

#include "plugin.h"

namespace phintys::cuda {

namespace random {

namespace {

__global__ void next_state(RandomStream random) {
  const PhiloxState s = read_state(random);
  random.next[0] = s.key;
  random.next[1] = s.draw + 1;
}

// --- without parameters: a thread for each block of the stream -----------------------------------

struct Bits {
  using type = uint64_t;
  __device__ static void make(const Words& w, uint64_t* low, uint64_t* high) {
    *low = w.low;
    *high = w.high;
  }
};
struct Uniform64 {
  using type = double;
  __device__ static void make(const Words& w, double* low, double* high) {
    *low = unit_interval(lane(w.low)).v;
    *high = unit_interval(lane(w.high)).v;
  }
};
struct Normal64 {
  using type = double;
  __device__ static void make(const Words& w, double* low, double* high) {
    const auto pair = device_random::box_muller(lane(w.low), lane(w.high));
    *low = pair.c.v;
    *high = pair.s.v;
  }
};
struct Exponential64 {
  using type = double;
  __device__ static void make(const Words& w, double* low, double* high) {
    *low = device_random::minus_log(unit_positive(lane(w.low))).v;
    *high = device_random::minus_log(unit_positive(lane(w.high))).v;
  }
};
// Each word makes two float32 numbers.
struct Uniform32 {
  using type = float;
  __device__ static void make(const Words& w, float* low, float* high) {
    low[0] = unit_interval(low_half(w.low)).v;
    low[1] = unit_interval(high_half(w.low)).v;
    high[0] = unit_interval(low_half(w.high)).v;
    high[1] = unit_interval(high_half(w.high)).v;
  }
};
struct Normal32 {
  using type = float;
  __device__ static void make(const Words& w, float* low, float* high) {
    const auto a = device_random::box_muller(low_half(w.low), low_half(w.high));
    const auto b = device_random::box_muller(high_half(w.low), high_half(w.high));
    low[0] = a.c.v;
    low[1] = b.c.v;
    high[0] = a.s.v;
    high[1] = b.s.v;
  }
};
struct Exponential32 {
  using type = float;
  __device__ static void make(const Words& w, float* low, float* high) {
    low[0] = device_random::minus_log(unit_positive(low_half(w.low))).v;
    low[1] = device_random::minus_log(unit_positive(high_half(w.low))).v;
    high[0] = device_random::minus_log(unit_positive(low_half(w.high))).v;
    high[1] = device_random::minus_log(unit_positive(high_half(w.high))).v;
  }
};

// Stores those of two float32 numbers that there is room for.
__device__ __forceinline__ void store_pair(float* out, int64_t at, int64_t size, const float* x,
                                           bool aligned) {
  if (aligned && at + 1 < size) {
    *reinterpret_cast<float2*>(out + at) = make_float2(x[0], x[1]);
    return;
  }
  if (at < size) out[at] = x[0];
  if (at + 1 < size) out[at + 1] = x[1];
}

template <class Make>
__global__ void __launch_bounds__(kThreads)
    fill(RandomStream random, typename Make::type* out, int64_t size) {
  using T = typename Make::type;
  constexpr int kPer = 8 / sizeof(T);  // numbers that a word makes
  const int64_t block = thread_number();
  const int64_t at = word_position(block) * kPer;
  if (at >= size) return;
  const Words w = words_of_block(read_state(random), static_cast<uint64_t>(block));
  T low[kPer], high[kPer];
  Make::make(w, low, high);
  const int64_t later = at + 8 * kPer;
  if constexpr (kPer == 1) {
    out[at] = low[0];
    if (later < size) out[later] = high[0];
  } else {
    const bool aligned = reinterpret_cast<uintptr_t>(out) % 8 == 0;
    store_pair(out, at, size, low, aligned);
    store_pair(out, later, size, high, aligned);
  }
}

// 32-bit words are the halves of those of 64.
__global__ void __launch_bounds__(kThreads)
    fill_words(RandomStream random, uint32_t* out, int64_t size) {
  const int64_t block = thread_number();
  const int64_t at = word_position(block) * 2;
  if (at >= size) return;
  const Words w = words_of_block(read_state(random), static_cast<uint64_t>(block));
  const uint64_t words[2] = {w.low, w.high};
  for (int k = 0; k < 2; ++k) {
    const int64_t to = at + 16 * k;
    if (to < size) out[to] = static_cast<uint32_t>(words[k]);
    if (to + 1 < size) out[to + 1] = static_cast<uint32_t>(words[k] >> 32);
  }
}

// Threads that make `size` numbers: whole groups of eight blocks.
int64_t blocks_of_stream(int64_t size, int64_t item) {
  const int64_t words = (size * item + 7) / 8;
  return (words + 15) / 16 * 8;
}

template <class Make>
Status run(Stream* stream, const device::RandomDraw& d) {
  using T = typename Make::type;
  const int64_t work = blocks_of_stream(d.size, sizeof(T));
  return gpu::launch(stream, fill<Make>, blocks_for(work), dim3(kThreads), 0, d.stream,
                     static_cast<T*>(d.out), d.size);
}

Status without_parameters(Stream* stream, const device::RandomDraw& d) {
  using device::Law;
  const bool single = d.dtype == DType::f32;
  switch (d.law) {
    case Law::bits:
      if (d.dtype == DType::u64) return run<Bits>(stream, d);
      return gpu::launch(stream, fill_words, blocks_for(blocks_of_stream(d.size, 4)),
                         dim3(kThreads), 0, d.stream, static_cast<uint32_t*>(d.out), d.size);
    case Law::uniform:
      return single ? run<Uniform32>(stream, d) : run<Uniform64>(stream, d);
    case Law::normal:
      return single ? run<Normal32>(stream, d) : run<Normal64>(stream, d);
    default:
      return single ? run<Exponential32>(stream, d) : run<Exponential64>(stream, d);
  }
}

}  // namespace

// In parameters.cu.
Status with_parameters(Stream* stream, const device::RandomDraw& draw);

Status advance(Stream* stream, const RandomStream& random) {
  return gpu::launch(stream, next_state, dim3(1), dim3(1), 0, random);
}

Status draw(Stream* stream, const device::RandomDraw& d) {
  using device::Law;
  if (!fits(d.size)) return kUnsupported;
  if (d.size > 0) {
    const bool plain = d.law == Law::bits || d.law == Law::uniform || d.law == Law::normal ||
                       d.law == Law::exponential;
    const Status status = plain ? without_parameters(stream, d) : with_parameters(stream, d);
    if (status != kOk) return status;
  }
  return advance(stream, d.stream);
}

}  // namespace random

const device::RandomKernels* random_kernels() {
  using namespace random;
  static constexpr device::RandomKernels kKernels{
      draw,           categorical,         multinomial, sample, permutation, categorical_scratch,
      sample_scratch, permutation_scratch, mrg,         choose};
  return &kKernels;
}

}  // namespace phintys::cuda
