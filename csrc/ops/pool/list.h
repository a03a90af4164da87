// Pooling, normalisation over windows, and neighbourhoods.
#pragma once

#include "ops/op_list.h"
#include "ops/pool/neighbours.h"
#include "ops/pool/pool.h"

namespace phintys {

using PoolOps =
    OpTypes<Pool, MaxPoolGrad, MaxPoolGradGrad, AveragePoolGrad, Images2Neibs, Neibs2Images>;

}  // namespace phintys
