// Pickling of graphs, node by node: pickle's memo keeps identity, the handles' __dict__ is the
// state.
#pragma once

#include "bindings/common.h"

namespace phintys::python {

// What __reduce__ returns.
py::object reduce_variable(PyObject* self);
py::object reduce_apply(PyObject* self);
py::object reduce_op(const Ref<const Op>& op);

void bind_pickle(py::module_& m);

}  // namespace phintys::python
