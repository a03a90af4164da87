#pragma once

#include "ops/control/op_from_graph.h"
#include "ops/control/scan.h"
#include "ops/op_list.h"

namespace phintys {

using ControlOps = OpTypes<OpFromGraph, Scan>;

}  // namespace phintys
