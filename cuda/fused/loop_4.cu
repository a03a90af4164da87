#define PHINTYS_FUSED_SPECIAL
#include "fused/launch.h"
#include "fused/loop.h"

namespace phintys::cuda::fused {

Status run_loop_4(Stream* stream, const FusedLoop& loop) { return launch_loop<4, 1>(stream, loop); }

}  // namespace phintys::cuda::fused
