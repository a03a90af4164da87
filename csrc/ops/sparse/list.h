// Products and sums of sparse matrices.
#pragma once

#include "ops/op_list.h"

namespace phintys {

using SparseOps = OpTypes<>;

}  // namespace phintys
