// Complex circular and hyperbolic functions, for one instruction set.
#include "vm/tiles_kernels.h"

PHINTYS_DECLARE_TILE_PARTS(PHINTYS_ISA)

namespace phintys::vm::PHINTYS_ISA {

void fill_complex_trig(KernelTables* tables) {
  fill_complex(tables, ops::TrigonometricOps{});
  fill_complex(tables, ops::HyperbolicOps{});
}

}  // namespace phintys::vm::PHINTYS_ISA
