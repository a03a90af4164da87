// What the interpreter of fused regions computes with: words, groups of 16 bytes, slots.
#pragma once

#include "device/fused.h"
#include "fused/lane.h"

#ifdef PHINTYS_EMULATED
#define PHINTYS_UNROLL
#define PHINTYS_ROLLED
#else
#define PHINTYS_UNROLL _Pragma("unroll")
#define PHINTYS_ROLLED _Pragma("unroll 1")
#endif

namespace phintys::cuda::fused {

using namespace phintys::device_lane;  // NOLINT: value types of one lane
using device::FusedInput;
using device::FusedInstr;
using device::FusedKind;
using device::FusedOutput;
using device::FusedProgram;
using device::kFusedGroups;
using math::Complex;

template <FusedKind kKind>
struct ValueOf;
template <>
struct ValueOf<FusedKind::b8> {
  using type = BoolV;
};
template <>
struct ValueOf<FusedKind::i32> {
  using type = IntV<int32_t>;
};
template <>
struct ValueOf<FusedKind::i64> {
  using type = IntV<int64_t>;
};
template <>
struct ValueOf<FusedKind::u64> {
  using type = IntV<uint64_t>;
};
template <>
struct ValueOf<FusedKind::f32> {
  using type = SF32;
};
template <>
struct ValueOf<FusedKind::f64> {
  using type = SF64;
};
template <>
struct ValueOf<FusedKind::c64> {
  using type = Complex<SF32>;
};
template <>
struct ValueOf<FusedKind::c128> {
  using type = Complex<SF64>;
};

// ---- Words --------------------------------------------------------------------------------------

PHINTYS_INLINE uint64_t join_halves(const uint32_t* r) {
  return static_cast<uint64_t>(r[1]) << 32 | r[0];
}
PHINTYS_INLINE void split_halves(uint32_t* r, uint64_t bits) {
  r[0] = static_cast<uint32_t>(bits);
  r[1] = static_cast<uint32_t>(bits >> 32);
}

// A value from the word at r, and into it.
template <class V>
PHINTYS_INLINE V from_word(const uint32_t* r) {
  if constexpr (__is_same(V, BoolV)) {
    return V{static_cast<uint8_t>(r[0])};
  } else if constexpr (__is_same(V, SM32) || __is_same(V, SM64)) {
    return V{r[0] != 0};
  } else if constexpr (__is_same(V, Complex<SF32>)) {
    return V{from_word<SF32>(r), from_word<SF32>(r + 1)};
  } else if constexpr (__is_same(V, Complex<SF64>)) {
    return V{from_word<SF64>(r), from_word<SF64>(r + 2)};
  } else if constexpr (sizeof(V) == 4) {
    return V{__builtin_bit_cast(typename V::elem, r[0])};
  } else {
    return V{__builtin_bit_cast(typename V::elem, join_halves(r))};
  }
}
template <class V>
PHINTYS_INLINE void to_word(uint32_t* r, V x) {
  if constexpr (__is_same(V, BoolV) || __is_same(V, SM32) || __is_same(V, SM64)) {
    r[0] = x.v ? 1 : 0;
  } else if constexpr (__is_same(V, Complex<SF32>)) {
    to_word(r, x.re);
    to_word(r + 1, x.im);
  } else if constexpr (__is_same(V, Complex<SF64>)) {
    to_word(r, x.re);
    to_word(r + 2, x.im);
  } else if constexpr (sizeof(V) == 4) {
    r[0] = __builtin_bit_cast(uint32_t, x.v);
  } else {
    split_halves(r, __builtin_bit_cast(uint64_t, x.v));
  }
}

// ---- Groups and slots ---------------------------------------------------------------------------

struct Chunk {
  uint32_t r[4];
};

// Elements of a group, and 32-bit halves of a word.
template <int kWord>
constexpr int kLanes = 16 / kWord;
template <int kWord>
constexpr int kHalves = kWord / 4;

PHINTYS_INLINE Chunk read_chunk(const char* p) {
  const uint4 v = *reinterpret_cast<const uint4*>(p);
  return {{v.x, v.y, v.z, v.w}};
}
PHINTYS_INLINE void write_chunk(char* p, const Chunk& c) {
  *reinterpret_cast<uint4*>(p) = make_uint4(c.r[0], c.r[1], c.r[2], c.r[3]);
}

// Where a thread finds an operand in shared memory: an offset, so that compilers see which memory
// it is; `step` bytes from group to group.
struct Place {
  uint32_t at;
  uint32_t step;

  PHINTYS_INLINE Chunk read(int g) const {
    return read_chunk(gpu::dynamic_shared<char>() + at + g * step);
  }
  PHINTYS_INLINE void write(int g, const Chunk& c) const {
    write_chunk(gpu::dynamic_shared<char>() + at + g * step, c);
  }
  // The word of element i, counted over the groups; `beyond`: of a thread that many further.
  template <int kWord>
  PHINTYS_INLINE uint32_t* word(int i, int beyond = 0) const {
    return reinterpret_cast<uint32_t*>(gpu::dynamic_shared<char>() + at + i / kLanes<kWord> * step +
                                       i % kLanes<kWord> * kWord + beyond * 16);
  }
};

// A thread of the interpreter.
template <int kWord>
struct Machine {
  static constexpr int lanes = kLanes<kWord>;
  static constexpr int elements = kFusedGroups * lanes;
  uint32_t mine;   // offset of this thread in a group
  uint32_t group;  // bytes of a group of the whole block
  Chunk acc[kFusedGroups];

  PHINTYS_INLINE Machine() : mine(threadIdx.x * 16), group(blockDim.x * 16), acc{} {}
  PHINTYS_INLINE Place place(uint16_t at, bool slot) const {
    return {at * 16u + (slot ? mine : 0u), slot ? group : 0u};
  }
  PHINTYS_INLINE Place slot(uint16_t at) const { return {at * 16u + mine, group}; }
  PHINTYS_INLINE void keep(Place p) const {
    PHINTYS_UNROLL
    for (int g = 0; g < kFusedGroups; ++g) p.write(g, acc[g]);
  }
  PHINTYS_INLINE void take(Place p) {
    PHINTYS_UNROLL
    for (int g = 0; g < kFusedGroups; ++g) acc[g] = p.read(g);
  }
};

}  // namespace phintys::cuda::fused
