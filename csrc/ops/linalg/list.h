// Linear algebra beyond plain products: decompositions, solvers, batched products.
#pragma once

#include "ops/op_list.h"

namespace phintys {

using LinalgOps = OpTypes<>;

}  // namespace phintys
