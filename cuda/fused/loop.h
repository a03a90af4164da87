// A whole loop in one launch of one block: for bodies so small that launches would be all they
// cost.
#pragma once

#include "fused/kernel.h"

namespace phintys::cuda::fused {

using device::FusedFollow;
using device::FusedLoop;
using device::LoopState;
using device::RowMove;

PHINTYS_INLINE int64_t row_of_step(int64_t first, int64_t size, int64_t step) {
  const int64_t row = first + step;
  return size > 0 ? row % size : row;
}

PHINTYS_INLINE void follow(FusedProgram* programs, const FusedFollow& f, int64_t step) {
  char* const data = f.rows + row_of_step(f.first, f.size, step) * f.stride;
  FusedProgram& p = programs[f.program];
  if (f.part == FusedFollow::Part::scalar) {
    p.scalars[f.index].data = data;
  } else if (f.part == FusedFollow::Part::input) {
    p.inputs[f.index].data = data;
  } else {
    p.outputs[f.index].data = data;
  }
}

template <int kWord, int kFamily>
__global__ void __launch_bounds__(device::kFusedThreads)
    loop_kernel(const __grid_constant__ FusedLoop loop) {
  alignas(16) __shared__ char room[device::kMaxLoopPrograms * sizeof(FusedProgram)];
  auto* const programs = reinterpret_cast<FusedProgram*>(room);
  const int thread = static_cast<int>(threadIdx.x);
  static_assert(sizeof(FusedProgram) % 8 == 0);
  const auto* const from = reinterpret_cast<const unsigned long long*>(loop.programs);
  const int words = loop.n_programs * static_cast<int>(sizeof(FusedProgram) / 8);
  for (int i = thread; i < words; i += device::kFusedThreads)
    reinterpret_cast<unsigned long long*>(room)[i] = from[i];
  const int64_t steps = loop.state->steps;
  int64_t step = 0;
  bool stopped = false;
  while (step < steps && !stopped) {
    __syncthreads();
    for (int i = thread; i < loop.n_follows; i += device::kFusedThreads)
      follow(programs, loop.follows[i], step);
    __syncthreads();
    for (int k = 0; k < loop.n_programs; ++k) {
      const FusedProgram& p = programs[k];
      for (int64_t block = 0; block < p.blocks; ++block) {
        run_block<kWord, kFamily>(p, block);
        __syncthreads();
      }
    }
    for (int k = 0; k < loop.n_copies; ++k) {
      const RowMove& move = loop.copies[k];
      char* const row = move.rows + row_of_step(move.first, move.size, step) * move.stride;
      for (int64_t i = thread; i < move.bytes; i += device::kFusedThreads) row[i] = move.fixed[i];
    }
    stopped = loop.stop && *loop.stop;
    ++step;
  }
  if (thread == 0) {
    loop.state->step = step;
    loop.state->go = 0;
  }
}

template <int kWord, int kFamily>
Status launch_loop(Stream* stream, const FusedLoop& loop) {
  return gpu::launch(stream, loop_kernel<kWord, kFamily>, dim3(1), dim3(device::kFusedThreads),
                     loop.shared, loop);
}

}  // namespace phintys::cuda::fused
