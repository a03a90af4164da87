#include "fused/kernel.h"
#include "fused/launch.h"

namespace phintys::cuda::fused {

Status elementwise_light_4(Stream* stream, const FusedProgram& program) {
  return launch_elementwise<4, 0>(stream, program);
}
Status reduce_light_4(Stream* stream, const FusedProgram& program) {
  return launch_reduce<4, 0>(stream, program);
}

}  // namespace phintys::cuda::fused
