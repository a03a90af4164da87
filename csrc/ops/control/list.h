#pragma once

#include "ops/control/check.h"
#include "ops/control/ifelse.h"
#include "ops/control/op_from_graph.h"
#include "ops/control/print.h"
#include "ops/control/scan.h"
#include "ops/op_list.h"

namespace phintys {

using ControlOps = OpTypes<CheckAndRaise, EnoughSteps, IfElse, OpFromGraph, Print, Scan>;

}  // namespace phintys
