// Convolution.
#pragma once

#include "ops/op_list.h"

namespace phintys {

using ConvOps = OpTypes<>;

}  // namespace phintys
