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

}  // namespace

const device::FusedKernels* fused_kernels() {
  static const device::FusedKernels kKernels{fused::op_count(), run};
  return &kKernels;
}

}  // namespace phintys::cuda
