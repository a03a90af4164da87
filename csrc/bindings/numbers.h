// Operands of operators: Python numbers, and the policy of dtypes that mix them.
#pragma once

#include "bindings/handles.h"

namespace phintys::python {

// Var for a handle, a Python number, or what the converter makes of any other object. The handle of
// a converted object goes to `keep`, to live until the handle of the result takes it over.
Var operand_from(py::handle object, std::vector<py::object>* keep);
// To be called when a setting changes that decides the dtypes of numbers.
void forget_numbers();

// config.cast_policy is 'numpy+floatX'.
void set_narrow_policy(bool on);
// Under that policy and floatX float32: where operands none of which is float64 would be promoted
// to float64, the discrete ones become float32 first. `op` is a number of the registry.
void apply_cast_policy(int op, std::vector<Var>* operands);

}  // namespace phintys::python
