// Joining what the threads of a block have reduced, and writing it.
//
// Values lie in slots, whose elements are in the order of what was reduced; which of them hold
// anything is known from the sizes, so that no neutral elements are needed.
#pragma once

#include "fused/memory.h"
#include "fused/steps.h"

namespace phintys::cuda::fused {

template <FusedKind kKind, class Op>
PHINTYS_INLINE void join_with(uint32_t* a, const uint32_t* b) {
  step_word<Op, kKind, false, 1>(a, b, b, false);
}

template <FusedKind kKind>
PHINTYS_INLINE void join_kind(int code, uint32_t* a, const uint32_t* b) {
  if (code == ops::index_of<ops::Add>) return join_with<kKind, ops::Add>(a, b);
  if (code == ops::index_of<ops::Mul>) return join_with<kKind, ops::Mul>(a, b);
  if constexpr (kKind != FusedKind::c64 && kKind != FusedKind::c128) {
    if (code == ops::index_of<ops::Maximum>) return join_with<kKind, ops::Maximum>(a, b);
    if (code == ops::index_of<ops::Minimum>) return join_with<kKind, ops::Minimum>(a, b);
  }
  if constexpr (kKind == FusedKind::b8) {
    if (code == ops::index_of<ops::And>) return join_with<kKind, ops::And>(a, b);
    if (code == ops::index_of<ops::Or>) return join_with<kKind, ops::Or>(a, b);
  }
}

// Word i = op(word i, word j of the thread `beyond` further).
template <int kWord>
__device__ __noinline__ void join_words(const FusedOutput& out, Place place, int i, int j,
                                        int beyond) {
  uint32_t* const to = place.template word<kWord>(i);
  const uint32_t* const from = place.template word<kWord>(j, beyond);
  uint32_t a[kHalves<kWord>];
  uint32_t b[kHalves<kWord>];
  for (int k = 0; k < kHalves<kWord>; ++k) {
    a[k] = to[k];
    b[k] = from[k];
  }
  switch (out.kind) {
    case FusedKind::b8:
      join_kind<FusedKind::b8>(out.code, a, b);
      break;
    case FusedKind::i32:
      join_kind<FusedKind::i32>(out.code, a, b);
      break;
    case FusedKind::f32:
      join_kind<FusedKind::f32>(out.code, a, b);
      break;
    default:
      break;
  }
  if constexpr (kWord >= 8) {
    if (out.kind == FusedKind::i64) join_kind<FusedKind::i64>(out.code, a, b);
    if (out.kind == FusedKind::u64) join_kind<FusedKind::u64>(out.code, a, b);
    if (out.kind == FusedKind::f64) join_kind<FusedKind::f64>(out.code, a, b);
  }
  if constexpr (kWord == 16) {
    if (out.kind == FusedKind::c64) join_kind<FusedKind::c64>(out.code, a, b);
    if (out.kind == FusedKind::c128) join_kind<FusedKind::c128>(out.code, a, b);
  }
  for (int k = 0; k < kHalves<kWord>; ++k) to[k] = a[k];
}

// Word i is element `at` of a reduced output.
template <int kWord>
__device__ __noinline__ void write_result(const FusedOutput& out, Place place, int i, int64_t at) {
  const uint32_t* const from = place.template word<kWord>(i);
  uint32_t r[kHalves<kWord>];
  for (int k = 0; k < kHalves<kWord>; ++k) r[k] = from[k];
  // Small integers were reduced in wider ones.
  if (out.kind != FusedKind::b8 && item_size_of(out.reduced) < 4) {
    cast_words<kWord, 1>(r, DType::i32, out.reduced);
  } else if (out.reduced == DType::u32) {
    cast_words<kWord, 1>(r, DType::i64, DType::u32);
  }
  if (out.dtype != out.reduced) cast_words<kWord, 1>(r, out.reduced, out.dtype);
  store_word<kWord>(out.data + at * item_size_of(out.dtype), r, out.dtype);
}

// A team of threads side by side that hold the first `valid` of its elements.
template <int kWord>
PHINTYS_INLINE void join_team(const FusedProgram& p, const Machine<kWord>& m, int valid,
                              int64_t at) {
  constexpr int kCount = kLanes<kWord>;
  const int team = p.team;
  const int lane = static_cast<int>(threadIdx.x) % team;
  for (int o = 0; o < p.n_outputs; ++o) {
    const FusedOutput& out = p.outputs[o];
    const Place mine = m.slot(out.slot);
    PHINTYS_ROLLED
    for (int i = 1; i < m.elements; ++i) {
      if (i / kCount * team * kCount + lane * kCount + i % kCount < valid)
        join_words<kWord>(out, mine, 0, i, 0);
    }
    __syncthreads();
    PHINTYS_ROLLED
    for (int s = team / 2; s > 0; s /= 2) {
      if (lane < s && (lane + s) * kCount < valid) join_words<kWord>(out, mine, 0, 0, s);
      __syncthreads();
    }
    if (lane == 0 && valid > 0) write_result<kWord>(out, mine, 0, at);
  }
}

// Threads one above the other, `rows` of which hold elements.
template <int kWord>
PHINTYS_INLINE void join_columns(const FusedProgram& p, const Machine<kWord>& m, int rows,
                                 const Spans<kWord>& spans, int64_t at) {
  const int team = p.team;
  const int above = static_cast<int>(blockDim.x) / team;
  const int row = static_cast<int>(threadIdx.x) / team;
  for (int o = 0; o < p.n_outputs; ++o) {
    const FusedOutput& out = p.outputs[o];
    const Place mine = m.slot(out.slot);
    __syncthreads();
    PHINTYS_ROLLED
    for (int s = above / 2; s > 0; s /= 2) {
      if (row < s && row + s < rows) {
        PHINTYS_ROLLED
        for (int i = 0; i < m.elements; ++i) {
          join_words<kWord>(out, mine, i, i, s * team);
        }
      }
      __syncthreads();
    }
    if (row != 0) continue;
    PHINTYS_ROLLED
    for (int i = 0; i < m.elements; ++i) {
      const int lane = i % kLanes<kWord>;
      const int g = i / kLanes<kWord>;
      if (lane < spans.count(g)) write_result<kWord>(out, mine, i, at + spans.at(g) + lane);
    }
  }
}

}  // namespace phintys::cuda::fused
