// Operators as Python objects.
#pragma once

#include "bindings/common.h"

namespace phintys::python {

// What `_core.Op` and its Python subclasses hold.
struct OpObject {
  Ref<const Op> op;
};

// The op that a Python op object holds; throws TypeError for other objects.
Ref<const Op> op_from(py::handle object);
// What Apply.op shows: made by the registered factory, or a `_core.Op`.
py::object op_to_python(const Ref<const Op>& op);
// Attributes by name.
py::dict attributes_dict(const Op& op);
// An op from its name and keyword arguments.
Ref<const Op> op_from_kwargs(const std::string& name, const py::kwargs& attrs);

}  // namespace phintys::python
