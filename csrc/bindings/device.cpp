#include "bindings/device.h"

#include <mutex>
#include <utility>

#include <pybind11/stl.h>

#include "bindings/dlpack.h"
#include "device/foreign.h"
#include "device/products.h"
#include "device/settings.h"

namespace phintys::python {

namespace {

PyObject* g_array_class = nullptr;  // phintys.cuda.Array
PyObject* g_core_name = nullptr;    // "_core", its attribute

using Handle = std::uintptr_t;  // of a stream

void* native(Handle handle) { return reinterpret_cast<void*>(handle); }

device::Device& find(const std::string& name) {
  device::Device* found = device_from_python(name);
  if (!found) fail(ErrorKind::value, "'", name, "' is no device");
  return *found;
}

py::tuple tuple_of(const Dims& dims) {
  py::tuple out(dims.size());
  for (size_t i = 0; i < dims.size(); ++i) out[i] = py::int_(dims[i]);
  return out;
}

py::object made(Array array) {
  PyObject* object = device_array_object(array);
  if (!object) throw py::error_already_set();
  return py::reinterpret_steal<py::object>(object);
}

// --- plug-ins and devices
// -------------------------------------------------------------------------

std::string add_plugin(const std::string& path) {
  const py::gil_scoped_release nogil;
  return device::add_plugin(path);
}

py::list plugins() {
  std::vector<device::PluginStatus> all;
  {
    const py::gil_scoped_release nogil;
    all = device::plugins();
  }
  py::list out;
  for (const device::PluginStatus& p : all) {
    py::dict d;
    d["kind"] = p.kind;
    d["path"] = p.path;
    d["devices"] = p.devices;
    d["text"] = p.text;
    out.append(d);
  }
  return out;
}

std::string describe(const std::string& name) {
  device::Device& d = find(name);
  const py::gil_scoped_release nogil;
  char text[256] = "";
  d.check(d.table().describe(d.index(), text, sizeof text));
  return text;
}

// Where products of matrices are computed.
std::string product_library(const std::string& name) {
  device::Device& d = find(name);
  const device::ProductKernels* products = d.table().products;
  if (!products) return "none";
  const py::gil_scoped_release nogil;
  return products->library();
}

void set_settings(py::handle f32_products, py::handle own_products) {
  using device::F32Products;
  if (!f32_products.is_none()) {
    const std::string name = py::cast<std::string>(f32_products);
    device::settings().f32_products = name == "tf32"   ? F32Products::tf32
                                      : name == "bf16" ? F32Products::bf16
                                                       : F32Products::full;
  }
  if (!own_products.is_none()) device::settings().own_products = py::cast<bool>(own_products);
}

py::dict memory(const std::string& name) {
  device::Device& d = find(name);
  device::Device::Memory m;
  {
    const py::gil_scoped_release nogil;
    m = d.memory();
  }
  py::dict out;
  out["live"] = m.live;
  out["kept"] = m.kept;
  out["free"] = m.free;
  out["total"] = m.total;
  return out;
}

// --- arrays
// ---------------------------------------------------------------------------------------

py::object upload(py::handle ndarray, const std::string& name) {
  device::Device& d = find(name);
  const Array host = array_from_numpy(ndarray, true);
  Array there;
  {
    const py::gil_scoped_release nogil;
    there = d.upload(host.view());
  }
  return made(std::move(there));
}

py::array download(const DeviceArrayObject& o) {
  Array host;
  {
    const py::gil_scoped_release nogil;
    host = device::to_host(o.array);
  }
  return numpy_view(host, true);
}

py::object moved(const DeviceArrayObject& o, const std::string& name, bool copy) {
  device::Device& d = find(name);
  Array there;
  {
    const py::gil_scoped_release nogil;
    there = copy && o.array.device() == &d ? d.copy_from(o.array) : device::moved(o.array, &d);
  }
  return made(std::move(there));
}

py::object reshaped(const DeviceArrayObject& o, py::handle shape) {
  Dims dims;
  int64_t size = 1;
  for (int64_t n : ints_from_python(shape, "a shape")) {
    dims.push_back(n);
    size *= n;
  }
  if (size != o.array.size()) {
    fail(ErrorKind::value, "cannot reshape an array of shape ", to_string(o.array.shape()), " to ",
         to_string(dims));
  }
  Dims strides = contiguous_strides(dims, item_size(o.array.dtype()));
  return made(Array(o.array.buffer(), o.array.data(), o.array.dtype(), std::move(dims),
                    std::move(strides)));
}

// Drops a reference on an object; called without the GIL or with it.
void release_object(void* object) {
  if (!Py_IsInitialized()) return;
  const PyGILState_STATE state = PyGILState_Ensure();
  Py_DECREF(static_cast<PyObject*>(object));
  PyGILState_Release(state);
}

// An array on memory of `foreign`, behind `stream` (0: it is ready).
py::object adopted(device::Device& d, device::Foreign foreign, Handle stream) {
  Array there;
  {
    const py::gil_scoped_release nogil;
    struct Release {
      device::Foreign& f;
      bool armed = true;
      ~Release() {
        if (armed && f.release) f.release(f.owner);
      }
    } on_error{foreign};
    if (stream) device::order_after(d, native(stream));
    on_error.armed = false;
    there = device::adopt(d, std::move(foreign));
  }
  return made(std::move(there));
}

py::object adopt(Handle pointer, const std::string& dtype, py::handle shape, py::handle strides,
                 const std::string& name, py::object owner, Handle stream) {
  device::Device& d = find(name);
  device::Foreign foreign;
  foreign.data = native(pointer);
  foreign.dtype = dtype_from_name(dtype);
  for (int64_t n : ints_from_python(shape, "a shape")) {
    if (n < 0) fail(ErrorKind::value, "a dimension cannot be ", n);
    foreign.shape.push_back(n);
  }
  if (foreign.shape.size() > kMaxRank) {
    fail(ErrorKind::value, "an array of ", foreign.shape.size(), " dimensions: at most ", kMaxRank,
         " are supported");
  }
  foreign.strides = contiguous_strides(foreign.shape, item_size(foreign.dtype));
  if (!strides.is_none()) {
    const std::vector<int64_t> given = ints_from_python(strides, "strides");
    if (given.size() != foreign.shape.size()) {
      fail(ErrorKind::value, given.size(), " strides for ", foreign.shape.size(), " dimensions");
    }
    for (size_t i = 0; i < given.size(); ++i) foreign.strides[i] = given[i];
  }
  foreign.owner = owner.release().ptr();
  foreign.release = &release_object;
  return adopted(d, std::move(foreign), stream);
}

py::object from_dlpack(py::handle capsule, const std::string& name) {
  device::Device& d = find(name);
  return adopted(d, foreign_from_dlpack(capsule), 0);
}

py::object to_dlpack(const DeviceArrayObject& o, int type, int id, bool versioned, bool copied,
                     Handle stream) {
  return dlpack_capsule(o.array, type, id, versioned, copied, native(stream));
}

void set_array_class(py::object cls) {
  Py_XDECREF(g_array_class);
  g_array_class = cls.release().ptr();
  if (!g_core_name) g_core_name = PyUnicode_InternFromString("_core");
}

void bind_array_class(py::module_& m) {
  py::class_<DeviceArrayObject>(m, "DeviceArray", "The memory behind a phintys.cuda.Array.")
      .def_property_readonly("dtype",
                             [](const DeviceArrayObject& o) { return dtype_str(o.array.dtype()); })
      .def_property_readonly("shape",
                             [](const DeviceArrayObject& o) { return tuple_of(o.array.shape()); })
      .def_property_readonly("size", [](const DeviceArrayObject& o) { return o.array.size(); })
      .def_property_readonly(
          "device", [](const DeviceArrayObject& o) { return device_name(o.array.device()); })
      .def_property_readonly(
          "pointer",
          [](const DeviceArrayObject& o) { return reinterpret_cast<Handle>(o.array.data()); })
      .def("download", &download, "The elements as an ndarray.")
      .def("moved", &moved, py::arg("device"), py::arg("copy") = false,
           "The array on a device; without `copy` itself if it is there already.")
      .def("reshaped", &reshaped, py::arg("shape"), "Another shape on the same memory.")
      .def("to_dlpack", &to_dlpack, py::arg("type"), py::arg("id"), py::arg("versioned"),
           py::arg("copied"), py::arg("stream"), "A DLPack capsule.");
}

}  // namespace

DeviceArrayObject::~DeviceArrayObject() { drop_without_gil(std::move(array)); }

void drop_without_gil(Array array) {
  if (!array.device() || !Py_IsInitialized() || !PyGILState_Check()) return;
  const py::gil_scoped_release nogil;
  const Array dropped = std::move(array);
}

const Array* device_array_of(PyObject* object) {
  if (!g_array_class || !PyObject_TypeCheck(object, reinterpret_cast<PyTypeObject*>(g_array_class)))
    return nullptr;
  const py::object core = py::reinterpret_steal<py::object>(PyObject_GetAttr(object, g_core_name));
  if (!core) {
    PyErr_Clear();
    return nullptr;
  }
  // The object keeps it alive.
  return &py::cast<const DeviceArrayObject&>(core).array;
}

PyObject* device_array_object(const Array& array) noexcept {
  return guarded<PyObject*>(nullptr, [&]() -> PyObject* {
    py::object core = py::cast(std::make_unique<DeviceArrayObject>(array));
    if (!g_array_class) py::module_::import("phintys.device_array");
    return PyObject_CallOneArg(g_array_class, core.ptr());
  });
}

device::Device* device_from_python(const std::string& name) {
  if (name.empty() || name.starts_with("cpu")) return nullptr;
  const py::gil_scoped_release nogil;
  return &device::find_device(name);
}

std::string device_name(const device::Device* device) { return device ? device->name() : "cpu"; }

void bind_devices(py::module_& m) {
  bind_array_class(m);
  m.def("set_device_array_class", &set_array_class, py::arg("cls"),
        "The class of the objects that arrays on devices become; called with a DeviceArray, which "
        "it keeps as its attribute _core.");
  m.def("add_plugin", &add_plugin, py::arg("path"),
        "Open a plug-in for devices; the kind of its devices.");
  m.def("set_library_folders", &device::set_library_folders, py::arg("folders"),
        "Where plug-ins look first for libraries that may be installed; separated by ':'.");
  m.def("plugins", &plugins, "Of every plug-in that was opened: kind, path, devices, text.");
  m.def(
      "find_device", [](const std::string& name) { return find(name).name(); }, py::arg("name"),
      "The full name (\"cuda:0\") of a device, which is opened.");
  m.def("describe_device", &describe, py::arg("name"), "One line about a device.");
  m.def("product_library", &product_library, py::arg("name"),
        "One line: where products of matrices are computed on a device.");
  m.def(
      "set_device_settings", &set_settings, py::kw_only(), py::arg("f32_products") = py::none(),
      py::arg("own_products") = py::none(),
      "How devices compute products of float32 (full, tf32, bf16), and whether with own kernels.");
  m.def("device_memory", &memory, py::arg("name"), "Bytes: live, kept, free, total.");
  m.def(
      "trim_device",
      [](const std::string& name) {
        device::Device& d = find(name);
        const py::gil_scoped_release nogil;
        d.trim();
      },
      py::arg("name"), "Give memory that is kept for reuse back to the driver.");
  m.def(
      "synchronize_device",
      [](const std::string& name) {
        device::Device& d = find(name);
        const py::gil_scoped_release nogil;
        d.synchronize();
      },
      py::arg("name"), "Wait until all work that was queued is done.");
  m.def(
      "device_stream",
      [](const std::string& name) {
        device::Device& d = find(name);
        return reinterpret_cast<Handle>(d.table().native_stream(d.stream()));
      },
      py::arg("name"), "The native handle of the device's stream.");
  m.def(
      "order_after",
      [](const std::string& name, Handle stream) {
        device::Device& d = find(name);
        const py::gil_scoped_release nogil;
        device::order_after(d, native(stream));
      },
      py::arg("name"), py::arg("stream"),
      "Later work of the device waits for what a stream (native handle) has queued so far.");
  m.def("upload", &upload, py::arg("ndarray"), py::arg("device"), "An ndarray on a device.");
  m.def("adopt", &adopt, py::arg("pointer"), py::arg("dtype"), py::arg("shape"), py::arg("strides"),
        py::arg("device"), py::arg("owner"), py::arg("stream"),
        "An array on memory that `owner` keeps alive, after what `stream` has queued (0: ready).");
  m.def("from_dlpack", &from_dlpack, py::arg("capsule"), py::arg("device"),
        "The array in a DLPack capsule, which is ready for the device's stream.");
}

}  // namespace phintys::python
