// The user's source location: the innermost Python frame outside this package.
#include <unordered_map>

#include "bindings/common.h"

namespace phintys::python {

namespace {

// What is known of a file, by the address of its name object. The table owns the names in it, so
// an address cannot come to mean another file.
struct FileEntry {
  uint32_t file;  // interned; 0 if internal
};
std::unordered_map<PyObject*, FileEntry> g_files;
std::vector<std::string> g_prefixes;
// Programs that compile source text by the thousand have as many names.
constexpr size_t kMaxFiles = 4096;

void forget_files() {
  for (auto& [name, entry] : g_files) Py_DECREF(name);
  g_files.clear();
}

uint32_t file_of(PyObject* filename) {
  if (auto it = g_files.find(filename); it != g_files.end()) return it->second.file;
  Py_ssize_t size = 0;
  const char* text = PyUnicode_AsUTF8AndSize(filename, &size);
  if (!text) {
    PyErr_Clear();
    return intern_file("?");
  }
  const std::string_view path(text, static_cast<size_t>(size));
  uint32_t file = 0;
  bool internal = false;
  for (const std::string& prefix : g_prefixes) internal = internal || path.starts_with(prefix);
  if (!internal) file = intern_file(path);
  if (g_files.size() >= kMaxFiles) forget_files();
  Py_INCREF(filename);
  g_files.emplace(filename, FileEntry{file});
  return file;
}

}  // namespace

SourceLoc python_location() {
  PyFrameObject* frame = PyEval_GetFrame();
  if (!frame) return {};
  Py_INCREF(frame);
  SourceLoc loc;
  while (frame) {
    PyCodeObject* code = PyFrame_GetCode(frame);
    const uint32_t file = file_of(code->co_filename);
    Py_DECREF(code);
    if (file) {
      loc = {file, static_cast<uint32_t>(PyFrame_GetLineNumber(frame))};
      Py_DECREF(frame);
      break;
    }
    PyFrameObject* back = PyFrame_GetBack(frame);
    Py_DECREF(frame);
    frame = back;
  }
  return loc;
}

void bind_location(py::module_& m) {
  m.def(
      "set_internal_prefix",
      [](std::string path) {
        if (path.empty()) throw py::value_error("set_internal_prefix: the path is empty");
        g_prefixes.push_back(std::move(path));
        forget_files();
      },
      py::arg("path"),
      "Files whose names start with `path` are not reported as the user's source lines.");
  m.def(
      "user_location", [] { return to_string(python_location()); },
      "\"file:line\" of the innermost caller outside the package, or \"\".");
}

}  // namespace phintys::python
