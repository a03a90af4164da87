// What the call path (pyx/) gets from the bindings: a table of functions in the capsule
// `phintys._core._api`.
#pragma once

#include <Python.h>

#include "runtime/function.h"

namespace phintys::python {

inline constexpr const char* kApiCapsule = "phintys._core._api";

struct Api {
  // The function behind a `_core.Function` (borrowed); null with an exception set.
  runtime::Function* (*function_of)(PyObject* object);
  // To be called in a catch block: sets the Python exception for the C++ exception in flight.
  void (*set_current_exception)() noexcept;
  // Throws an Error that stands for the Python exception in flight, until set_current_exception().
  void (*throw_python_error)();
  const GraphConfig* config;
  // The array behind a phintys.cuda.Array; null, without an exception, for other objects.
  const Array* (*device_array_of)(PyObject* object);
  // A phintys.cuda.Array; null with an exception set.
  PyObject* (*device_array_object)(const Array& array) noexcept;
};

}  // namespace phintys::python
