// The kernels that there are, by word and family (device/fused.h): each in a file of its own.
#pragma once

#include "device/fused.h"
#include "gpu.h"

namespace phintys::cuda::fused {

// Of the registry that the kernels were built with.
int op_count();

// X(name, word, family): a function for each file.
#define PHINTYS_FUSED_KERNELS(X) \
  X(light_4, 4, 0)               \
  X(math_4, 4, 1)                \
  X(light_8, 8, 0)               \
  X(all_8, 8, 2)                 \
  X(all_16, 16, 2)

#define X(name, word, family) \
  Status run_##name(Stream* stream, const device::FusedProgram& program);
PHINTYS_FUSED_KERNELS(X)
#undef X

// Loops, of programs of these words, without heavy ops.
Status run_loop_4(Stream* stream, const device::FusedLoop& loop);
Status run_loop_8(Stream* stream, const device::FusedLoop& loop);

}  // namespace phintys::cuda::fused
