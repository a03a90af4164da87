// Complex exponentials, logarithms and powers, for one instruction set.
#include "vm/tiles_kernels.h"

PHINTYS_DECLARE_TILE_PARTS(PHINTYS_ISA)

namespace phintys::vm::PHINTYS_ISA {

void fill_complex_exp(KernelTables* tables) {
  fill_complex(tables, ops::ExponentialOps{});
  fill_complex(tables, ops::PowerOps{});
}

}  // namespace phintys::vm::PHINTYS_ISA
