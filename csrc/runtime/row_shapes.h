// Shapes of what a loop emits, where the runtime cannot bind its body without running it.
#pragma once

#include "ops/control/scan.h"
#include "runtime/program.h"

namespace phintys::runtime {

// What the ops of the body say of their shapes, as a program of the loop's operands.
RowShapes row_shapes(const Scan& scan, const Apply& node, const LowerOptions& options);

}  // namespace phintys::runtime
