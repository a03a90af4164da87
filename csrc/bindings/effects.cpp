// What a running function does to the world around it: prints and exceptions of Python's own.
#include "bindings/common.h"
#include "ops/control/array_text.h"
#include "ops/control/check.h"
#include "ops/control/print.h"

namespace phintys::python {

namespace {

// Registered callables, owned; never freed, as functions may run while the process ends.
PyObject* g_printer = nullptr;
PyObject* g_finder = nullptr;

bool python_runs() {
#if PY_VERSION_HEX >= 0x030D0000
  return Py_IsInitialized() && !Py_IsFinalizing();
#else
  return Py_IsInitialized() && !_Py_IsFinalizing();
#endif
}

bool print_in_python(const Print& op, const TensorView& value) {
  if (!python_runs()) return false;
  const py::gil_scoped_acquire gil;
  if (!g_printer) return false;
  try {
    py::reinterpret_borrow<py::object>(g_printer)(op.message, op.attributes_text,
                                                  numpy_copy(value));
  } catch (py::error_already_set& e) {
    throw_as_error(e);
  }
  return true;
}

void raise_in_python(const std::string& exception, const std::string& message) {
  if (!python_runs()) return;
  const py::gil_scoped_acquire gil;
  if (!g_finder) return;
  try {
    const py::object cls = py::reinterpret_borrow<py::object>(g_finder)(exception);
    if (cls.is_none()) return;
    PyErr_SetObject(cls.ptr(), py::str(message).ptr());
    throw py::error_already_set();
  } catch (py::error_already_set& e) {
    throw_as_error(e);
  }
}

void set(PyObject** target, const py::object& callable) {
  if (!PyCallable_Check(callable.ptr())) throw py::type_error("the hook must be callable");
  Py_XDECREF(std::exchange(*target, callable.inc_ref().ptr()));
}

}  // namespace

void bind_effects(py::module_& m) {
  m.def(
      "set_printer",
      [](const py::object& printer) {
        set(&g_printer, printer);
        set_print_hook(&print_in_python);
      },
      py::arg("printer"),
      "Register what a Print does: printer(message, attributes, value), the attributes' names with "
      "commas between them, the value an ndarray of its own.");
  m.def(
      "set_exception_finder",
      [](const py::object& finder) {
        set(&g_finder, finder);
        set_raise_hook(&raise_in_python);
      },
      py::arg("finder"),
      "Register how a CheckAndRaise finds its exception: finder('module:Class'), a class or None.");
  m.def(
      "array_text",
      [](py::handle array) { return array_text(array_from_numpy(array, true).view()); },
      py::arg("array"), "An array as programs without Python print it: NumPy's text.");
}

}  // namespace phintys::python
