// Layers of neural networks that are not elementwise: normalisation, losses.
#pragma once

#include "ops/nnet/ctc.h"
#include "ops/nnet/norm.h"
#include "ops/nnet/softmax_grad.h"
#include "ops/op_list.h"

namespace phintys {

using NnetOps = OpTypes<LayerNorm, LayerNormGrad, BatchNorm, BatchNormGrad, ScaleChannels, Ctc,
                        CtcGrad, SoftmaxGrad, CrossentropySoftmaxGrad>;

}  // namespace phintys
