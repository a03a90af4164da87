// Pooling, normalisation over windows, and neighbourhoods.
#pragma once

#include "ops/op_list.h"

namespace phintys {

using PoolOps = OpTypes<>;

}  // namespace phintys
