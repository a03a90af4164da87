// Convolution.
#pragma once

#include "ops/conv/conv.h"
#include "ops/op_list.h"

namespace phintys {

using ConvOps = OpTypes<Conv, ConvGradInputs, ConvGradWeights>;

}  // namespace phintys
