// float64 circular and hyperbolic functions, for one instruction set.
#include "vm/tiles_kernels.h"

PHINTYS_DECLARE_TILE_PARTS(PHINTYS_ISA)

namespace phintys::vm::PHINTYS_ISA {

void fill_f64_trig(KernelTables* tables) {
  fill_f64(tables, ops::TrigonometricOps{});
  fill_f64(tables, ops::HyperbolicOps{});
}

}  // namespace phintys::vm::PHINTYS_ISA
