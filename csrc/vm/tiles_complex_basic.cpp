// Complex arithmetic, comparison, selection and parts, for one instruction set.
#include "vm/tiles_kernels.h"

PHINTYS_DECLARE_TILE_PARTS(PHINTYS_ISA)

namespace phintys::vm::PHINTYS_ISA {

using Ops = ops::ConcatLists<ops::ArithmeticOps, ops::ComparisonOps, ops::PredicateOps,
                             ops::SelectionOps, ops::ComplexPartOps>::type;

void fill_complex_basic(KernelTables* tables) { fill_complex(tables, Ops{}); }

}  // namespace phintys::vm::PHINTYS_ISA
