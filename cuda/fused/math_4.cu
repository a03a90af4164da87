#define PHINTYS_FUSED_SPECIAL
#include "fused/kernel.h"
#include "fused/launch.h"

namespace phintys::cuda::fused {

Status run_math_4(Stream* stream, const FusedProgram& program) {
  return launch<4, 1>(stream, program);
}

}  // namespace phintys::cuda::fused
