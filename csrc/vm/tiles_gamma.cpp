// The gamma function and what derives from it, for one instruction set.
#include "ops/math/special_functions.h"
#include "vm/tiles_kernels.h"

PHINTYS_DECLARE_TILE_PARTS(PHINTYS_ISA)

namespace phintys::vm::PHINTYS_ISA {

void fill_gamma(KernelTables* tables) {
  fill_f32(tables, ops::GammaOps{});
  fill_f16(tables, ops::GammaOps{});
  fill_f64(tables, ops::GammaOps{});
}

}  // namespace phintys::vm::PHINTYS_ISA
