// What the kernels of random numbers share.
#pragma once

// One lane of the vectors of csrc/kernels/simd: the bodies are those of the host. g++ compiles them
// for the emulation in a namespace of their own.
#define PHINTYS_ISA device_random
#define PHINTYS_ONE_LANE
#ifndef PHINTYS_EMULATED
#define PHINTYS_INLINE __device__ __forceinline__
#define PHINTYS_KERNEL [[maybe_unused]] static __device__ __noinline__
#define PHINTYS_DEVICE __device__
#endif

#include "gpu.h"

#include "device/random.h"
#include "ops/random/philox_candidates.h"

namespace phintys::cuda::random {

using device::RandomStream;
using device::Tensor;

inline constexpr int kThreads = 256;

// Blocks of kThreads for `work` threads.
inline dim3 blocks_for(int64_t work) {
  return dim3(static_cast<unsigned>((work + kThreads - 1) / kThreads));
}
// Whether a grid can have that many threads.
inline bool fits(int64_t work) { return work <= gpu::kMaxGridX * kThreads; }

__device__ __forceinline__ int64_t thread_number() {
  return static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
}

__device__ __forceinline__ PhiloxState read_state(const RandomStream& stream) {
  const char* at = reinterpret_cast<const char*>(stream.state);
  return {stream.state[0], *reinterpret_cast<const uint64_t*>(at + stream.stride)};
}

// Element `index`, in C order, of a tensor.
template <class T>
__device__ __forceinline__ T element(const Tensor& t, int64_t index) {
  const char* at = t.data;
  for (int d = t.ndim - 1; d > 0; --d) {
    const int64_t next = index / t.shape[d];
    at += (index - next * t.shape[d]) * t.strides[d];
    index = next;
  }
  if (t.ndim > 0) at += index * t.strides[0];
  return *reinterpret_cast<const T*>(at);
}
__device__ __forceinline__ const char* address(const Tensor& t, int64_t index) {
  const char* at = t.data;
  for (int d = t.ndim - 1; d > 0; --d) {
    const int64_t next = index / t.shape[d];
    at += (index - next * t.shape[d]) * t.strides[d];
    index = next;
  }
  return t.ndim > 0 ? at + index * t.strides[0] : at;
}

// The two words of block `block` of the stream.
struct Words {
  uint64_t low, high;
};
__device__ __forceinline__ Words words_of_block(const PhiloxState& s, uint64_t block) {
  const PhiloxBlock b =
      philox({{static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32),
               static_cast<uint32_t>(s.draw), static_cast<uint32_t>(s.draw >> 32)}},
             static_cast<uint32_t>(s.key), static_cast<uint32_t>(s.key >> 32));
  return {b.word[0] | static_cast<uint64_t>(b.word[1]) << 32,
          b.word[2] | static_cast<uint64_t>(b.word[3]) << 32};
}
// The position of a block's low word in the stream; that of its high word is 8 more.
__device__ __forceinline__ int64_t word_position(int64_t block) {
  return block / 8 * 16 + block % 8;
}
// Word `index` of the stream.
__device__ __forceinline__ uint64_t word_at(const PhiloxState& s, int64_t index) {
  const int64_t in_group = index % 16;
  const Words w = words_of_block(s, static_cast<uint64_t>(index / 16 * 8 + in_group % 8));
  return in_group < 8 ? w.low : w.high;
}

__device__ __forceinline__ device_random::SI64 lane(uint64_t x) {
  return {static_cast<int64_t>(x)};
}
__device__ __forceinline__ device_random::SI32 low_half(uint64_t x) {
  return {static_cast<int32_t>(static_cast<uint32_t>(x))};
}
__device__ __forceinline__ device_random::SI32 high_half(uint64_t x) {
  return {static_cast<int32_t>(static_cast<uint32_t>(x >> 32))};
}
__device__ __forceinline__ double uniform_at(const PhiloxState& s, int64_t index) {
  return unit_interval(lane(word_at(s, index))).v;
}

__device__ __forceinline__ device_random::Lanes lanes_of(const PhiloxState& s, uint64_t index) {
  return {device_random::philox_keys(s), lane(index), lane(s.draw & 0xffffffff),
          lane(s.draw >> 32)};
}
// The number of element `index` that `candidate` finds.
template <class F>
__device__ __forceinline__ double accepted(const F& candidate, const PhiloxState& s, uint64_t index,
                                           double a, double b) {
  using device_random::SF64;
  const device_random::Lanes lanes = lanes_of(s, index);
  device_random::Candidate x = candidate(lanes, SF64{a}, SF64{b}, 1);
  for (int64_t attempt = 2; !x.accepted.v && attempt < device_random::kMaxAttempts; ++attempt) {
    const device_random::Candidate next = candidate(lanes, SF64{a}, SF64{b}, attempt);
    if (next.accepted.v) x = next;
  }
  return x.value.v;
}

// Queues the step to the next state, once all that reads the state is queued.
Status advance(Stream* stream, const RandomStream& random);

Status draw(Stream* stream, const device::RandomDraw& draw);
Status categorical(Stream* stream, const device::RandomRows& rows);
Status multinomial(Stream* stream, const device::RandomRows& rows);
Status sample(Stream* stream, const device::RandomRows& rows);
Status permutation(Stream* stream, const device::RandomPermutation& permutation);
size_t categorical_scratch(const device::RandomRows& rows);
size_t sample_scratch(const device::RandomRows& rows);
size_t permutation_scratch(const device::RandomPermutation& permutation);
Status mrg(Stream* stream, const device::MrgDraw& draw);
Status choose(Stream* stream, const device::RandomChoice& choice);

}  // namespace phintys::cuda::random
