// Cheap floating-point arithmetic, for one instruction set.
#include "vm/tiles_kernels.h"

PHINTYS_DECLARE_TILE_PARTS(PHINTYS_ISA)

namespace phintys::vm::PHINTYS_ISA {

void fill_float_basic(KernelTables* tables) {
  fill_f32(tables, ops::ArithmeticOps{});
  fill_f16(tables, ops::ArithmeticOps{});
  fill_f64(tables, ops::ArithmeticOps{});
}

}  // namespace phintys::vm::PHINTYS_ISA
