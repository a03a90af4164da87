// float32 and float16 exponentials and logarithms, for one instruction set.
#include "vm/tiles_kernels.h"

PHINTYS_DECLARE_TILE_PARTS(PHINTYS_ISA)

namespace phintys::vm::PHINTYS_ISA {

void fill_f32_exp(KernelTables* tables) {
  fill_f32(tables, ops::ExponentialOps{});
  fill_f16(tables, ops::ExponentialOps{});
}

}  // namespace phintys::vm::PHINTYS_ISA
