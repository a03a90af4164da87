// Regions of elementwise steps and reductions.
#include "fused/launch.h"
#include "plugin.h"

namespace phintys::cuda {

namespace {

Status run(Stream* stream, const device::FusedProgram* program) {
#define X(name, words, families)                                 \
  if (program->word == (words) && program->family == (families)) \
    return fused::run_##name(stream, *program);
  PHINTYS_FUSED_KERNELS(X)
#undef X
  return kUnsupported;
}

Status run_loop(Stream* stream, const device::FusedLoop* loop) {
  if (loop->family > 1) return kUnsupported;
  if (loop->word == 4) return fused::run_loop_4(stream, *loop);
  return loop->word == 8 && loop->family == 0 ? fused::run_loop_8(stream, *loop) : kUnsupported;
}

}  // namespace

const device::FusedKernels* fused_kernels() {
  static const device::FusedKernels kKernels{fused::op_count(), run, run_loop};
  return &kKernels;
}

}  // namespace phintys::cuda
