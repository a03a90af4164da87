// float64 error functions, for one instruction set.
#include "vm/tiles_kernels.h"

PHINTYS_DECLARE_TILE_PARTS(PHINTYS_ISA)

namespace phintys::vm::PHINTYS_ISA {

void fill_f64_erf(KernelTables* tables) { fill_f64(tables, ops::SpecialOps{}); }

}  // namespace phintys::vm::PHINTYS_ISA
