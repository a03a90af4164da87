// Random streams and distributions.
#pragma once

#include "ops/op_list.h"

namespace phintys {

using RandomOps = OpTypes<>;

}  // namespace phintys
