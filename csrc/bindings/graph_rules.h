// Rules in Python in place of the derivatives of an op made from a graph.
#pragma once

#include "bindings/common.h"

namespace phintys::python {

// The Python object whose methods are the rules of `op`, or None.
py::object rules_owner(const Op& op);

}  // namespace phintys::python
