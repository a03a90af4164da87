// Errors: phintys::Error becomes the Python exception class registered for its kind.
#include <array>
#include <new>

#include "bindings/common.h"

namespace phintys::python {

namespace {

constexpr int kNumKinds = static_cast<int>(ErrorKind::step_limit) + 1;

// Registered classes, owned; never freed, as errors may be raised while the process ends.
std::array<PyObject*, kNumKinds> g_classes{};

// A Python exception on its way through C++ code, with the text of the Error that stands for it.
struct Kept {
  PyObject* type = nullptr;
  PyObject* value = nullptr;
  PyObject* traceback = nullptr;
  std::string text;
};
thread_local Kept t_kept;

void drop_kept() {
  Py_CLEAR(t_kept.type);
  Py_CLEAR(t_kept.value);
  Py_CLEAR(t_kept.traceback);
  t_kept.text.clear();
}

// Adds what C++ code has to say about an exception of the user's to its text.
void add_to_exception(PyObject* value, const std::string& text) {
  if (text.empty() || !value || !PyObject_IsInstance(value, PyExc_Exception)) return;
  try {
    const py::object e = py::reinterpret_borrow<py::object>(value);
    const py::tuple args(py::getattr(e, "args", py::tuple()));
    if (args.empty() || (args.size() == 1 && py::isinstance<py::str>(args[0]))) {
      const std::string said = args.empty() ? "" : py::cast<std::string>(args[0]);
      if (said.find("Apply node that caused the error") != std::string::npos) return;
      e.attr("args") = py::make_tuple(said + text);
    } else if (py::hasattr(e, "add_note")) {
      e.attr("add_note")(text.substr(text.find_first_not_of('\n')));
    }
  } catch (py::error_already_set&) {  // an exception that cannot be added to stays as it is
  }
}

PyObject* builtin_class(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::value:
    case ErrorKind::bad_file:
    case ErrorKind::disconnected_input:
    case ErrorKind::linalg:
      return PyExc_ValueError;
    case ErrorKind::type:
    case ErrorKind::null_type_grad:
      return PyExc_TypeError;
    case ErrorKind::index:
      return PyExc_IndexError;
    case ErrorKind::key:
      return PyExc_KeyError;
    case ErrorKind::memory:
      return PyExc_MemoryError;
    case ErrorKind::assertion:
      return PyExc_AssertionError;
    case ErrorKind::io:
      return PyExc_OSError;
    case ErrorKind::not_implemented:
      return PyExc_NotImplementedError;
    case ErrorKind::overflow:
      return PyExc_OverflowError;
    case ErrorKind::zero_division:
      return PyExc_ZeroDivisionError;
    case ErrorKind::timeout:
      return PyExc_TimeoutError;
    case ErrorKind::runtime:
    case ErrorKind::internal:
    case ErrorKind::missing_input:
    case ErrorKind::unused_input:
    case ErrorKind::cancelled:
    case ErrorKind::step_limit:
      break;
  }
  return PyExc_RuntimeError;
}

void set_exceptions(const py::dict& classes) {
  for (auto [name, cls] : classes) {
    if (!PyExceptionClass_Check(cls.ptr())) {
      throw py::type_error("set_exceptions: the values are exception classes");
    }
    const std::string kind = py::cast<std::string>(name);
    bool found = false;
    for (int i = 0; i < kNumKinds; ++i) {
      if (kind != to_string(static_cast<ErrorKind>(i))) continue;
      Py_XDECREF(std::exchange(g_classes[static_cast<size_t>(i)], cls.inc_ref().ptr()));
      found = true;
    }
    if (!found) throw py::key_error("set_exceptions: there is no kind of error '" + kind + "'");
  }
}

}  // namespace

void set_python_error(ErrorKind kind, const char* message) {
  const std::string_view said(message);
  const size_t at = t_kept.type ? said.find(t_kept.text) : std::string_view::npos;
  if (at != std::string_view::npos) {
    const Kept kept = std::exchange(t_kept, Kept{});
    add_to_exception(kept.value, std::string(said.substr(at + kept.text.size())));
    PyErr_Restore(kept.type, kept.value, kept.traceback);
    return;
  }
  drop_kept();  // some code has got over that one
  PyObject* cls = g_classes[static_cast<size_t>(kind)];
  // Messages may quote names from files: never fail over bytes that are not UTF-8.
  PyObject* text =
      PyUnicode_DecodeUTF8(message, static_cast<Py_ssize_t>(strlen(message)), "replace");
  if (!text) return;
  PyErr_SetObject(cls ? cls : builtin_class(kind), text);
  Py_DECREF(text);
}

void set_current_exception() noexcept {
  try {
    throw;
  } catch (py::error_already_set& e) {
    e.restore();
  } catch (const Error& e) {
    set_python_error(e.kind(), e.what());
  } catch (const py::builtin_exception& e) {
    e.set_error();
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  } catch (const std::exception& e) {
    PyErr_SetString(PyExc_RuntimeError, e.what());
  } catch (...) {
    PyErr_SetString(PyExc_SystemError, "an unknown C++ exception");
  }
}

void throw_as_error(py::error_already_set& error) {
  const std::string text = error.what();
  drop_kept();
  t_kept.type = error.type().inc_ref().ptr();
  t_kept.value = py::object(error.value()).release().ptr();
  t_kept.traceback = py::object(error.trace()).release().ptr();
  t_kept.text = text;
  fail(ErrorKind::runtime, text);
}

void bind_errors(py::module_& m) {
  m.def("set_exceptions", &set_exceptions, py::arg("classes"),
        "Register the exception class for each kind of error, by the kind's name.");
  py::register_local_exception_translator([](std::exception_ptr p) {
    try {
      std::rethrow_exception(p);
    } catch (const Error& e) {
      set_python_error(e.kind(), e.what());
    }
  });
}

}  // namespace phintys::python
