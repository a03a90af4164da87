// The normal distribution and stable logarithms, for one instruction set.
#include "ops/math/special_functions.h"
#include "vm/tiles_kernels.h"

PHINTYS_DECLARE_TILE_PARTS(PHINTYS_ISA)

namespace phintys::vm::PHINTYS_ISA {

void fill_normal(KernelTables* tables) {
  fill_f32(tables, ops::NormalOps{});
  fill_f16(tables, ops::NormalOps{});
  fill_f64(tables, ops::NormalOps{});
}

}  // namespace phintys::vm::PHINTYS_ISA
