#include "fused/kernel.h"
#include "fused/launch.h"

namespace phintys::cuda::fused {

Status run_light_8(Stream* stream, const FusedProgram& program) {
  return launch<8, 0>(stream, program);
}

}  // namespace phintys::cuda::fused
