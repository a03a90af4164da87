// The kernels: a block of threads runs the program on its part of the positions.
#pragma once

#include "fused/join.h"

#ifdef PHINTYS_EMULATED
#ifndef __grid_constant__
#define __grid_constant__
#endif
#endif

namespace phintys::cuda::fused {

// Blocks that a multiprocessor is to have room for: they decide how many registers there are.
template <int kFamily>
constexpr int kBlocks = kFamily == 2 ? 4 : 5;

// Keeps what elements in `spans` have been reduced to; others keep what they had.
template <int kWord>
PHINTYS_INLINE void keep_reduced(Machine<kWord>& m, Place to, const Spans<kWord>& spans,
                                 bool first) {
  const bool whole = first || spans.whole();
  PHINTYS_UNROLL
  for (int g = 0; g < kFusedGroups; ++g) {
    if (!whole) {
      const int count = spans.count(g);
      const Chunk before = to.read(g);
      PHINTYS_UNROLL
      for (int i = 0; i < 4; ++i) {
        if (i / kHalves<kWord> >= count) m.acc[g].r[i] = before.r[i];
      }
    }
    to.write(g, m.acc[g]);
  }
}

template <int kWord, int kFamily, bool kReduces>
PHINTYS_INLINE void run_program(const FusedProgram& p, Machine<kWord>& m, const Spans<kWord>& spans,
                                bool first) {
  PHINTYS_ROLLED
  for (int i = 0; i < p.n_instrs; ++i) {
    const FusedInstr in = p.instrs[i];
    const Place x = m.place(in.x, in.flags & FusedInstr::kSlotX);
    const bool reduce = kReduces && (in.flags & FusedInstr::kReduce);
    if (in.kind < FusedKind::cast) {
      if (!(reduce && first)) run_op<kWord, kFamily>(m, in, x);
    } else if (in.kind == FusedKind::cast) {
      PHINTYS_UNROLL
      for (int g = 0; g < kFusedGroups; ++g)
        m.acc[g] =
            cast_chunk<kWord>(m.acc[g], static_cast<DType>(in.code), static_cast<DType>(in.to));
    } else if (in.kind == FusedKind::load) {
      m.take(x);
    } else {
      store_output<kWord>(p.outputs[in.to], m, spans);
    }
    if (reduce) keep_reduced<kWord>(m, x, spans, first);
    if (in.flags & FusedInstr::kKeep) m.keep(m.slot(in.d));
  }
}

// What a thread does: `passes` times, what lies at outer position `outer` + pass *
// `down` and inner positions from `at` + pass * `along` on, while those are below `end` and the
// outer ones below `bottom`.
struct Plan {
  int64_t item;  // of the results, or of their rows
  int64_t outer, down, bottom;
  int64_t at, along, end;
  int64_t passes;
  int valid;  // elements of the team, or rows, that hold anything at the end
};

template <int kWord>
PHINTYS_INLINE Plan plan_elements(const FusedProgram& p, int64_t block) {
  const int threads = static_cast<int>(blockDim.x);
  Plan r{};
  r.bottom = 1;
  r.at = block * (threads * kLanes<kWord> * kFusedGroups) +
         static_cast<int>(threadIdx.x) * kLanes<kWord>;
  r.end = p.inner;
  r.passes = 1;
  return r;
}

template <int kWord>
PHINTYS_INLINE Plan plan_rows(const FusedProgram& p, int64_t block) {
  const int team = p.team;
  const int lane = static_cast<int>(threadIdx.x) % team;
  const int teams = static_cast<int>(blockDim.x) / team;
  const int most = team * kLanes<kWord> * kFusedGroups;
  Plan r;
  r.item = block * teams + static_cast<int>(threadIdx.x) / team;
  const bool active = r.item < p.outer * p.parts;
  r.outer = active ? r.item / p.parts : 0;
  r.down = 0;
  r.bottom = p.outer;
  const int64_t start = active ? (r.item - r.outer * p.parts) * p.part : 0;
  r.end = !active ? start : start + p.part < p.inner ? start + p.part : p.inner;
  r.at = start + lane * kLanes<kWord>;
  r.along = most;
  r.passes = ((p.part < p.inner ? p.part : p.inner) + most - 1) / most;
  r.valid = static_cast<int>(r.end - start < most ? r.end - start : most);
  return r;
}

template <int kWord>
PHINTYS_INLINE Plan plan_columns(const FusedProgram& p, int64_t block) {
  const int team = p.team;
  const int row = static_cast<int>(threadIdx.x) / team;
  const int above = static_cast<int>(blockDim.x) / team;
  const int most = team * kLanes<kWord> * kFusedGroups;
  const int64_t across = (p.inner + most - 1) / most;
  Plan r;
  r.item = block / across;
  r.at = (block - r.item * across) * most + static_cast<int>(threadIdx.x) % team * kLanes<kWord>;
  r.along = 0;
  r.end = p.inner;
  const int64_t group = r.item / p.parts;
  const int64_t start = (r.item - group * p.parts) * p.part;
  const int64_t rows = start + p.part < p.reduced ? p.part : p.reduced - start;
  r.outer = group * p.reduced + start + row;
  r.down = above;
  r.bottom = group * p.reduced + start + rows;
  r.passes = (rows + above - 1) / above;
  r.valid = static_cast<int>(rows < above ? rows : above);
  return r;
}

// Any program, as block number `block` runs it.
template <int kWord, int kFamily>
PHINTYS_INLINE void run_block(const FusedProgram& p, int64_t block) {
  Machine<kWord> m;
  load_scalars<kWord>(p);
  const bool elements = p.shape == device::FusedShape::elementwise;
  const bool rows = p.shape == device::FusedShape::rows;
  const Plan r = elements ? plan_elements<kWord>(p, block)
                 : rows   ? plan_rows<kWord>(p, block)
                          : plan_columns<kWord>(p, block);
  const int step = (elements ? static_cast<int>(blockDim.x) : p.team) * kLanes<kWord>;
  for (int64_t pass = 0; pass < r.passes; ++pass) {
    const int64_t outer = r.outer + pass * r.down;
    const bool inside = outer < r.bottom;
    const Spans<kWord> spans{r.at + pass * r.along, inside ? r.end : 0, step};
    load_inputs(p, m, inside ? outer : 0, spans);
    run_program<kWord, kFamily, true>(p, m, spans, pass == 0);
  }
  if (elements) return;
  if (rows) {
    join_team<kWord>(p, m, r.valid, r.item);
  } else {
    join_columns<kWord>(p, m, r.valid, {r.at, r.end, step}, r.item * p.inner);
  }
}

template <int kWord, int kFamily>
__global__ void __launch_bounds__(device::kFusedThreads, kBlocks<kFamily>)
    general_kernel(const __grid_constant__ FusedProgram p) {
  run_block<kWord, kFamily>(p, blockIdx.x);
}

// Without reductions, for the most frequent programs.
template <int kWord, int kFamily>
__global__ void __launch_bounds__(device::kFusedThreads, kBlocks<kFamily>)
    elementwise_kernel(const __grid_constant__ FusedProgram p) {
  Machine<kWord> m;
  load_scalars<kWord>(p);
  const int step = static_cast<int>(blockDim.x) * kLanes<kWord>;
  const Spans<kWord> spans{static_cast<int64_t>(blockIdx.x) * (step * kFusedGroups) +
                               static_cast<int>(threadIdx.x) * kLanes<kWord>,
                           p.inner, step};
  load_inputs(p, m, 0, spans);
  run_program<kWord, kFamily, false>(p, m, spans, false);
}

template <int kWord, int kFamily>
Status launch_general(Stream* stream, const FusedProgram& p) {
  return gpu::launch(stream, general_kernel<kWord, kFamily>, dim3(p.blocks), dim3(p.threads),
                     p.shared, p);
}
template <int kWord, int kFamily>
Status launch(Stream* stream, const FusedProgram& p) {
  if (p.shape != device::FusedShape::elementwise) return launch_general<kWord, kFamily>(stream, p);
  return gpu::launch(stream, elementwise_kernel<kWord, kFamily>, dim3(p.blocks), dim3(p.threads),
                     p.shared, p);
}

}  // namespace phintys::cuda::fused
