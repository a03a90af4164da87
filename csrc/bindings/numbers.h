// Python numbers as operands: what the registered converter makes of one is remembered, by value.
#pragma once

#include "bindings/handles.h"

namespace phintys::python {

// Var for a handle, a Python number, or what the converter makes of any other object. The handle of
// a converted object goes to `keep`, to live until the handle of the result takes it over.
Var operand_from(py::handle object, std::vector<py::object>* keep);
// To be called when a setting changes that decides the dtypes of numbers.
void forget_numbers();

}  // namespace phintys::python
