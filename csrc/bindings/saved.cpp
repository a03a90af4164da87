// Saving and loading compiled functions.
#include <memory>

#include "bindings/device.h"
#include "bindings/function.h"
#include "serial/phy.h"

namespace phintys::python {

namespace {

serial::OutputMode output_mode_from(const std::string& name) {
  if (name == "list") return serial::OutputMode::list;
  if (name == "single") return serial::OutputMode::single;
  if (name == "none") return serial::OutputMode::none;
  if (name == "dict") return serial::OutputMode::dict;
  fail(ErrorKind::value, "there is no output mode '", name, "'");
}

const char* output_mode_name(serial::OutputMode mode) {
  switch (mode) {
    case serial::OutputMode::list:
      return "list";
    case serial::OutputMode::single:
      return "single";
    case serial::OutputMode::none:
      return "none";
    case serial::OutputMode::dict:
      return "dict";
  }
  return "list";
}

serial::InputMeta input_meta(py::handle item) {
  const py::tuple parts(py::reinterpret_borrow<py::object>(item));
  if (parts.size() != 3) {
    throw py::value_error("save_function: inputs are (default, strict, allow_downcast)");
  }
  serial::InputMeta meta;
  if (!parts[0].is_none()) meta.default_value = array_from_numpy(parts[0], false);
  meta.strict = py::cast<bool>(parts[1]);
  if (!parts[2].is_none()) meta.allow_downcast = py::cast<bool>(parts[2]) ? 1 : 0;
  return meta;
}

py::object save_function(const FunctionObject& f, py::object path, const py::dict& extra,
                         py::handle inputs, const std::string& output_mode) {
  serial::Metadata meta;
  for (auto [key, value] : extra) {
    meta.entries.emplace_back(py::cast<std::string>(key), py::cast<std::string>(value));
  }
  for (py::handle item : inputs) meta.inputs.push_back(input_meta(item));
  if (!meta.inputs.empty() && meta.inputs.size() != f.function->inputs().size()) {
    fail(ErrorKind::value, "save_function: the function has ", f.function->inputs().size(),
         " inputs, ", meta.inputs.size(), " were described");
  }
  meta.output_mode = output_mode_from(output_mode);
  if (path.is_none()) {
    std::string bytes;
    {
      const py::gil_scoped_release nogil;
      bytes = serial::save(*f.function, meta);
    }
    return py::bytes(bytes);
  }
  const py::object fspath = py::module_::import("os").attr("fspath")(path);
  const std::string file = py::cast<std::string>(fspath);
  {
    const py::gil_scoped_release nogil;
    serial::save_file(*f.function, file, meta);
  }
  return py::none();
}

py::dict metadata_to_python(const serial::Metadata& meta) {
  py::dict extra;
  for (const auto& [key, value] : meta.entries) extra[py::str(key)] = value;
  py::list inputs;
  for (const serial::InputMeta& i : meta.inputs) {
    inputs.append(py::make_tuple(
        i.default_value ? py::object(numpy_copy(i.default_value.view())) : py::none(), i.strict,
        i.allow_downcast < 0 ? py::object(py::none()) : py::bool_(i.allow_downcast != 0)));
  }
  py::dict out;
  out["extra"] = extra;
  out["inputs"] = inputs;
  out["output_mode"] = output_mode_name(meta.output_mode);
  out["writer_version"] = meta.writer_version;
  return out;
}

py::tuple load_function(py::object source, uint64_t limit, bool fuse, bool profile,
                        const std::string& device) {
  serial::LoadOptions options;
  options.memory_limit = limit;
  options.spec.fuse = fuse;
  options.spec.profile = profile;
  options.spec.device = device_from_python(device);
  serial::Metadata meta;
  Ref<runtime::Function> f;
  if (PyObject_CheckBuffer(source.ptr())) {
    Py_buffer buffer;
    if (PyObject_GetBuffer(source.ptr(), &buffer, PyBUF_SIMPLE) != 0) throw py::error_already_set();
    const std::shared_ptr<void> guard(nullptr, [&](void*) { PyBuffer_Release(&buffer); });
    const std::span<const std::byte> bytes(static_cast<const std::byte*>(buffer.buf),
                                           static_cast<size_t>(buffer.len));
    f = serial::load(bytes, options, &meta);
  } else {
    const std::string path =
        py::cast<std::string>(py::module_::import("os").attr("fspath")(source));
    f = serial::load_file(path, options, &meta);
  }
  return py::make_tuple(FunctionObject{std::move(f)}, metadata_to_python(meta));
}

}  // namespace

void bind_saved(py::module_& m) {
  m.def("save_function", &save_function, py::arg("function"), py::arg("path") = py::none(),
        py::arg("extra") = py::dict(), py::arg("inputs") = py::list(),
        py::arg("output_mode") = "list",
        "Save a function to a file, or (path None) return the bytes. `extra` maps strings to "
        "strings; `inputs` has (default or None, strict, allow_downcast or None) for each input.");
  m.def("load_function", &load_function, py::arg("source"), py::arg("limit") = 0,
        py::arg("fuse") = true, py::arg("profile") = false, py::arg("device") = "",
        "(function, metadata) from a path or bytes. `limit` bounds the memory taken, in bytes; 0: "
        "no limit beyond the file's size. metadata: extra, inputs, output_mode, writer_version.");
}

}  // namespace phintys::python
