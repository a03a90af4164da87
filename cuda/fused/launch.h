// The kernels that there are, by word and family (device/fused.h): each in a file of its own.
#pragma once

#include "device/fused.h"
#include "gpu.h"

namespace phintys::cuda::fused {

// X(name, word, family)
#define PHINTYS_FUSED_KERNELS(X) \
  X(light_4, 4, 0)               \
  X(math_4, 4, 1)                \
  X(light_8, 8, 0)               \
  X(all_8, 8, 2)                 \
  X(light_16, 16, 0)             \
  X(all_16, 16, 2)

#define X(name, word, family)                                                     \
  Status elementwise_##name(Stream* stream, const device::FusedProgram& program); \
  Status reduce_##name(Stream* stream, const device::FusedProgram& program);
PHINTYS_FUSED_KERNELS(X)
#undef X

}  // namespace phintys::cuda::fused
