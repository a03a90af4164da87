// float32 and float16 powers, for one instruction set.
#include "vm/tiles_kernels.h"

PHINTYS_DECLARE_TILE_PARTS(PHINTYS_ISA)

namespace phintys::vm::PHINTYS_ISA {

void fill_f32_pow(KernelTables* tables) {
  fill_f32(tables, ops::PowerOps{});
  fill_f16(tables, ops::PowerOps{});
}

}  // namespace phintys::vm::PHINTYS_ISA
