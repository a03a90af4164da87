// Incomplete gamma and beta functions, for one instruction set.
#include "ops/math/special_functions.h"
#include "vm/tiles_kernels.h"

PHINTYS_DECLARE_TILE_PARTS(PHINTYS_ISA)

namespace phintys::vm::PHINTYS_ISA {

void fill_incomplete(KernelTables* tables) {
  fill_f32(tables, ops::IncompleteOps{});
  fill_f16(tables, ops::IncompleteOps{});
  fill_f64(tables, ops::IncompleteOps{});
}

}  // namespace phintys::vm::PHINTYS_ISA
