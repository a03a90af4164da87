// Random streams and distributions.
#pragma once

#include "ops/op_list.h"
#include "ops/random/mrg.h"
#include "ops/random/mt_draw.h"
#include "ops/random/philox_draw.h"
#include "ops/random/philox_rows.h"

namespace phintys {

using RandomOps = OpTypes<PhiloxDraw, PhiloxRows, MtDraw, MrgUniform, ChooseFromUniform>;

}  // namespace phintys
