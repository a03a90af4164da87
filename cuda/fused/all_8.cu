#define PHINTYS_FUSED_SPECIAL
#include "fused/kernel.h"
#include "fused/launch.h"

namespace phintys::cuda::fused {

Status run_all_8(Stream* stream, const FusedProgram& program) {
  return launch_general<8, 2>(stream, program);
}

}  // namespace phintys::cuda::fused
