// What every file of the bindings uses: error translation, conversions, the user's location.
//
// The bindings translate between Python objects and the C++ graph; they decide nothing. Everything
// here runs with the GIL held unless it says otherwise.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <string>
#include <utility>
#include <vector>

#include "graph/op.h"
#include "graph/variable.h"

namespace phintys::python {

namespace py = pybind11;

// --- errors ------------------------------------------------------------------------------------
// Sets the Python exception for an error of `kind`: the registered class, or a builtin one.
void set_python_error(ErrorKind kind, const char* message);
// To be called in a catch block: sets the Python exception for the C++ exception in flight.
void set_current_exception() noexcept;
// Keeps the Python exception in flight for this thread and throws a phintys::Error in its place,
// so that C++ code between a callback and its caller sees one exception type only.
// set_current_exception() gives the kept exception back.
[[noreturn]] void throw_as_error(py::error_already_set& error);
void bind_errors(py::module_& m);

// Runs `f` and turns C++ exceptions into Python ones: for functions that Python's C API calls.
template <class R, class F>
R guarded(R on_error, F&& f) noexcept {
  try {
    return f();
  } catch (...) {
    set_current_exception();
    return on_error;
  }
}

// --- values ------------------------------------------------------------------------------------
DType dtype_from_python(py::handle dtype);  // a name, a NumPy dtype or a NumPy scalar class
DType dtype_from_name(std::string_view name);
py::dtype numpy_dtype(DType dtype);
py::str dtype_str(DType dtype);
// Sequences of integers; `what` names the argument in errors.
std::vector<int64_t> ints_from_python(py::handle sequence, const char* what);

// A C-contiguous copy of an array, or (borrow) an Array that uses the ndarray's own memory and
// keeps it alive; unaligned or byte-swapped arrays are copied anyway.
Array array_from_numpy(py::handle ndarray, bool borrow);
// An ndarray on the array's memory, which it keeps alive.
py::array numpy_view(const Array& array, bool writeable);
// An ndarray with a copy.
py::array numpy_copy(const TensorView& view);
// A 0-d value of generic type that owns a reference on an object, and the object of such a value.
Array array_of_object(py::object object);
py::object object_at(const TensorView& view);
// A copy of a value of this type for Python: an ndarray or an object.
py::object value_for_python(const TensorView& view, const Type& type);
// An ndarray on memory that belongs to someone else and outlives it only for the time of a call.
py::array numpy_borrowed(const TensorView& view, py::handle owner);

// --- where the user's program is ---------------------------------------------------------------
// The innermost Python frame outside the registered prefixes.
SourceLoc python_location();
void bind_location(py::module_& m);

// Sets the location that new nodes get for the time of a scope.
class UserLocation {
 public:
  UserLocation() : scope_(python_location()) {}

 private:
  LocationScope scope_;
};

// --- parts of the module -----------------------------------------------------------------------
void bind_types(py::module_& m);
void bind_handles(py::module_& m);
void bind_variables(py::module_& m);
void bind_applies(py::module_& m);
void bind_inner_graph(py::module_& m);
void bind_python_ops(py::module_& m);
void bind_graph_rules(py::module_& m);
void bind_ops(py::module_& m);
void bind_build(py::module_& m);
void bind_graph(py::module_& m);
void bind_autodiff(py::module_& m);
void bind_devices(py::module_& m);
void bind_function(py::module_& m);
void bind_saved(py::module_& m);
void bind_settings(py::module_& m);
void bind_effects(py::module_& m);
void bind_api(py::module_& m);

}  // namespace phintys::python
