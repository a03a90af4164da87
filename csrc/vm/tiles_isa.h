// Kernels of a chosen instruction set, for tests and benchmarks; programs go through tiles.h.
#pragma once

#include "base/export.h"
#include "vm/tiles.h"
#include "vm/tiles_tables.h"

namespace phintys::vm {

// Null if this build or this processor lacks the instruction set.
PHINTYS_PUBLIC const KernelTables* kernel_tables(Isa isa);

}  // namespace phintys::vm
