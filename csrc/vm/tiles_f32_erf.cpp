// float32 and float16 error functions, for one instruction set.
#include "vm/tiles_kernels.h"

PHINTYS_DECLARE_TILE_PARTS(PHINTYS_ISA)

namespace phintys::vm::PHINTYS_ISA {

void fill_f32_erf(KernelTables* tables) {
  fill_f32(tables, ops::SpecialOps{});
  fill_f16(tables, ops::SpecialOps{});
}

}  // namespace phintys::vm::PHINTYS_ISA
