// Compiled functions as Python objects.
#pragma once

#include <memory>

#include "bindings/common.h"
#include "runtime/function.h"

namespace phintys::python {

class HeldOps;  // held_ops.h

// What `_core.Function` holds.
struct FunctionObject {
  Ref<runtime::Function> function;
  std::shared_ptr<HeldOps> held = nullptr;  // goes before the function
};

}  // namespace phintys::python
