// Data-dependent and composite indexing.
#pragma once

#include "ops/op_list.h"

namespace phintys {

using IndexingOps = OpTypes<>;

}  // namespace phintys
