// float64 powers, for one instruction set.
#include "vm/tiles_kernels.h"

PHINTYS_DECLARE_TILE_PARTS(PHINTYS_ISA)

namespace phintys::vm::PHINTYS_ISA {

void fill_f64_pow(KernelTables* tables) { fill_f64(tables, ops::PowerOps{}); }

}  // namespace phintys::vm::PHINTYS_ISA
