// float32 and float16 circular and hyperbolic functions, for one instruction set.
#include "vm/tiles_kernels.h"

PHINTYS_DECLARE_TILE_PARTS(PHINTYS_ISA)

namespace phintys::vm::PHINTYS_ISA {

void fill_f32_trig(KernelTables* tables) {
  fill_f32(tables, ops::TrigonometricOps{});
  fill_f16(tables, ops::TrigonometricOps{});
  fill_f32(tables, ops::HyperbolicOps{});
  fill_f16(tables, ops::HyperbolicOps{});
}

}  // namespace phintys::vm::PHINTYS_ISA
