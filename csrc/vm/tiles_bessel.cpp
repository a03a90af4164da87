// Bessel functions, for one instruction set.
#include "ops/math/special_functions.h"
#include "vm/tiles_kernels.h"

PHINTYS_DECLARE_TILE_PARTS(PHINTYS_ISA)

namespace phintys::vm::PHINTYS_ISA {

void fill_bessel(KernelTables* tables) {
  fill_f32(tables, ops::BesselOps{});
  fill_f16(tables, ops::BesselOps{});
  fill_f64(tables, ops::BesselOps{});
}

}  // namespace phintys::vm::PHINTYS_ISA
