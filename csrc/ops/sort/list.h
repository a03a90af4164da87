// Sorting, searching, counting, and scans along an axis.
#pragma once

#include "ops/op_list.h"

namespace phintys {

using SortOps = OpTypes<>;

}  // namespace phintys
