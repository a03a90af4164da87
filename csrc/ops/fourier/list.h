// Fourier transforms.
#pragma once

#include "ops/op_list.h"

namespace phintys {

using FourierOps = OpTypes<>;

}  // namespace phintys
