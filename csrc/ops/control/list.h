#pragma once

#include "ops/control/scan.h"
#include "ops/op_list.h"

namespace phintys {

using ControlOps = OpTypes<Scan>;

}  // namespace phintys
