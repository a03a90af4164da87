// Compiled functions as Python objects.
#pragma once

#include "bindings/common.h"
#include "runtime/function.h"

namespace phintys::python {

// What `_core.Function` holds.
struct FunctionObject {
  Ref<runtime::Function> function;
};

}  // namespace phintys::python
