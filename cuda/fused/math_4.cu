#include "fused/kernel.h"
#include "fused/launch.h"

namespace phintys::cuda::fused {

Status elementwise_math_4(Stream* stream, const FusedProgram& program) {
  return launch_elementwise<4, 1>(stream, program);
}
Status reduce_math_4(Stream* stream, const FusedProgram& program) {
  return launch_reduce<4, 1>(stream, program);
}

}  // namespace phintys::cuda::fused
