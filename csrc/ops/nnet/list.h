// Layers of neural networks that are not elementwise: normalisation, losses.
#pragma once

#include "ops/op_list.h"

namespace phintys {

using NnetOps = OpTypes<>;

}  // namespace phintys
