// Special functions that iterate: not elementwise tiles, but loops over elements.
#pragma once

#include "ops/op_list.h"

namespace phintys {

using SpecialFunctionOps = OpTypes<>;

}  // namespace phintys
