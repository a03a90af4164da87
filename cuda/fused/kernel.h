// The kernels: a block of threads runs the program on its part of the positions.
#pragma once

#include "fused/join.h"

#ifdef PHINTYS_EMULATED
#ifndef __grid_constant__
#define __grid_constant__
#endif
#endif

namespace phintys::cuda::fused {

// Where an element has been reduced into before, of those in `spans`.
template <int kWord>
PHINTYS_INLINE void keep_reduced(Machine<kWord>& m, Place d, const Span (&spans)[kFusedGroups],
                                 bool first) {
  constexpr int kCount = kLanes<kWord>;
  PHINTYS_UNROLL
  for (int g = 0; g < kFusedGroups; ++g) {
    if (!first && spans[g].count < kCount) {
      const Chunk before = read_chunk(d.group(g));
      PHINTYS_UNROLL
      for (int i = 0; i < 4; ++i) {
        if (i / kHalves<kWord> >= spans[g].count) m.acc[g].r[i] = before.r[i];
      }
    }
    write_chunk(d.group(g), m.acc[g]);
  }
}

template <int kWord, int kFamily>
PHINTYS_INLINE void run_program(const FusedProgram& p, Machine<kWord>& m,
                                const Span (&spans)[kFusedGroups], bool first) {
  for (int i = 0; i < p.n_instrs; ++i) {
    const FusedInstr in = p.instrs[i];
    const bool reduce = in.flags & FusedInstr::kReduce;
    const Place x = m.place(in.x, in.flags & FusedInstr::kSlotX);
    const Place d = m.slot(in.d);
    if (in.kind < FusedKind::cast) {
      const Place y = m.place(in.y, in.flags & FusedInstr::kSlotY);
      if (!(reduce && first)) run_op<kWord, kFamily>(m, in, x, y);
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
    if (reduce) {
      keep_reduced<kWord>(m, d, spans, first);
    } else if (in.flags & FusedInstr::kKeep) {
      m.keep(d);
    }
  }
}

// `count` elements at most remain from `at` on.
template <int kWord>
PHINTYS_INLINE Span span_of(int64_t at, int64_t end) {
  const int64_t left = end - at;
  return {at, left <= 0 ? 0 : left < kLanes<kWord> ? static_cast<int>(left) : kLanes<kWord>};
}

template <int kWord, int kFamily>
__global__ void __launch_bounds__(device::kFusedThreads, 10)
    elementwise_kernel(const __grid_constant__ FusedProgram p) {
  constexpr int kCount = kLanes<kWord>;
  Machine<kWord> m;
  load_scalars(p, m);
  const int stride = static_cast<int>(blockDim.x) * kCount;
  const int64_t at = static_cast<int64_t>(blockIdx.x) * (stride * kFusedGroups) +
                     static_cast<int>(threadIdx.x) * kCount;
  const Span spans[kFusedGroups] = {span_of<kWord>(at, p.inner),
                                    span_of<kWord>(at + stride, p.inner)};
  load_inputs(p, m, 0, spans);
  run_program<kWord, kFamily>(p, m, spans, false);
}

// What a thread of a reduction does: `passes` times, what lies at outer position `outer` + pass *
// `down` and inner positions from `at` + pass * `along` on, while those are below `end` and the
// outer ones below `bottom`.
struct Reduction {
  int64_t item;  // of the results, or of their rows
  int64_t outer, down, bottom;
  int64_t at, along, end;
  int64_t passes;
  int valid;  // elements of the team, or rows, that hold anything at the end
};

template <int kWord>
PHINTYS_INLINE Reduction plan_rows(const FusedProgram& p) {
  const int team = p.team;
  const int lane = static_cast<int>(threadIdx.x) % team;
  const int teams = static_cast<int>(blockDim.x) / team;
  const int most = team * kLanes<kWord> * kFusedGroups;
  Reduction r;
  r.item = static_cast<int64_t>(blockIdx.x) * teams + static_cast<int>(threadIdx.x) / team;
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
PHINTYS_INLINE Reduction plan_columns(const FusedProgram& p) {
  const int team = p.team;
  const int row = static_cast<int>(threadIdx.x) / team;
  const int above = static_cast<int>(blockDim.x) / team;
  const int most = team * kLanes<kWord> * kFusedGroups;
  const int64_t across = (p.inner + most - 1) / most;
  Reduction r;
  r.item = static_cast<int64_t>(blockIdx.x) / across;
  r.at = (static_cast<int64_t>(blockIdx.x) - r.item * across) * most +
         static_cast<int>(threadIdx.x) % team * kLanes<kWord>;
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

template <int kWord, int kFamily>
__global__ void __launch_bounds__(device::kFusedThreads, 10)
    reduce_kernel(const __grid_constant__ FusedProgram p) {
  Machine<kWord> m;
  load_scalars(p, m);
  const bool rows = p.shape == device::FusedShape::rows;
  const Reduction r = rows ? plan_rows<kWord>(p) : plan_columns<kWord>(p);
  const int step = p.team * kLanes<kWord>;
  for (int64_t pass = 0; pass < r.passes; ++pass) {
    const int64_t outer = r.outer + pass * r.down;
    const bool inside = outer < r.bottom;
    const int64_t at = r.at + pass * r.along;
    const int64_t end = inside ? r.end : 0;
    const Span spans[kFusedGroups] = {span_of<kWord>(at, end), span_of<kWord>(at + step, end)};
    load_inputs(p, m, inside ? outer : 0, spans);
    run_program<kWord, kFamily>(p, m, spans, pass == 0);
  }
  if (rows) {
    join_team<kWord>(p, m, r.valid, r.item);
  } else {
    const Span spans[kFusedGroups] = {span_of<kWord>(r.at, r.end),
                                      span_of<kWord>(r.at + step, r.end)};
    join_columns<kWord>(p, m, r.valid, spans, r.item * p.inner);
  }
}

template <int kWord, int kFamily>
Status launch_elementwise(Stream* stream, const FusedProgram& p) {
  return gpu::launch(stream, elementwise_kernel<kWord, kFamily>, dim3(p.blocks), dim3(p.threads),
                     p.shared, p);
}
template <int kWord, int kFamily>
Status launch_reduce(Stream* stream, const FusedProgram& p) {
  return gpu::launch(stream, reduce_kernel<kWord, kFamily>, dim3(p.blocks), dim3(p.threads),
                     p.shared, p);
}

}  // namespace phintys::cuda::fused
