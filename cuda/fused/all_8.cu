#include "fused/kernel.h"
#include "fused/launch.h"

namespace phintys::cuda::fused {

Status elementwise_all_8(Stream* stream, const FusedProgram& program) {
  return launch_elementwise<8, 2>(stream, program);
}
Status reduce_all_8(Stream* stream, const FusedProgram& program) {
  return launch_reduce<8, 2>(stream, program);
}

}  // namespace phintys::cuda::fused
