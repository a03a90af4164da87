#include "fused/launch.h"
#include "fused/loop.h"

namespace phintys::cuda::fused {

Status run_loop_8(Stream* stream, const FusedLoop& loop) { return launch_loop<8, 0>(stream, loop); }

}  // namespace phintys::cuda::fused
