#define PHINTYS_FUSED_SPECIAL
#define PHINTYS_FUSED_COMPLEX
#include "fused/kernel.h"
#include "fused/launch.h"

namespace phintys::cuda::fused {

Status run_all_16(Stream* stream, const FusedProgram& program) {
  return launch_general<16, 2>(stream, program);
}

}  // namespace phintys::cuda::fused
