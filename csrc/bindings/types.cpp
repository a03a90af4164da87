#include "bindings/types.h"

#include <string>
#include <unordered_map>

namespace phintys::python {

namespace {

// Registered by the Python layer; null: the classes of this module.
PyObject* g_tensor_factory = nullptr;
PyObject* g_disconnected_factory = nullptr;
PyObject* g_null_factory = nullptr;
PyObject* g_generic_factory = nullptr;

// Types made by the factory, by dtype and shape. Programs use few of them.
std::unordered_map<std::string, PyObject*>& type_cache() {
  static auto* cache = new std::unordered_map<std::string, PyObject*>;
  return *cache;
}

void clear_type_cache() {
  for (auto& [key, object] : type_cache()) Py_DECREF(object);
  type_cache().clear();
}

std::string cache_key(const Type& type) {
  std::string key(1, static_cast<char>(type.dtype()));
  key.append(reinterpret_cast<const char*>(type.shape().data()),
             type.shape().size() * sizeof(int64_t));
  return key;
}

// Entries are None (unknown), an int, or a bool: Theano's broadcastable.
Dims shape_from_python(py::handle shape) {
  Dims dims;
  for (py::handle item : shape) {
    if (item.is_none()) {
      dims.push_back(kUnknownDim);
    } else if (PyBool_Check(item.ptr()) ||
               py::cast<std::string>(py::type::handle_of(item).attr("__name__")) == "bool_" ||
               py::cast<std::string>(py::type::handle_of(item).attr("__name__")) == "bool") {
      dims.push_back(PyObject_IsTrue(item.ptr()) ? 1 : kUnknownDim);
    } else {
      py::object index = py::reinterpret_steal<py::object>(PyNumber_Index(item.ptr()));
      if (!index) throw py::error_already_set();
      const int64_t n = py::cast<int64_t>(index);
      if (n < 0) fail(ErrorKind::value, "a dimension of a type cannot be ", n);
      dims.push_back(n);
    }
  }
  if (dims.size() > static_cast<size_t>(kMaxRank)) {
    fail(ErrorKind::value, "a type of ", dims.size(), " dimensions: at most ", kMaxRank,
         " are supported");
  }
  return dims;
}

PyObject* factory_from(const py::object& f) {
  if (f.is_none()) return nullptr;
  if (!PyCallable_Check(f.ptr())) throw py::type_error("a type factory must be callable");
  return f.inc_ref().ptr();
}

size_t pattern_hash(const Type& type) {
  uint64_t h =
      hash_combine(static_cast<uint64_t>(type.kind()), static_cast<uint64_t>(type.dtype()));
  for (int i = 0; i < type.ndim(); ++i) h = hash_combine(h, type.broadcastable(i));
  return h;
}

}  // namespace

const Type& type_from_python(py::handle object) {
  if (!py::isinstance<TypeObject>(object)) {
    fail(ErrorKind::type, "a type is needed, not an object of class ",
         py::cast<std::string>(py::type::handle_of(object).attr("__name__")));
  }
  return py::cast<const TypeObject&>(object).type;
}

py::object type_to_python(const Type& type) {
  if (type.kind() == TypeKind::disconnected) {
    if (g_disconnected_factory) return py::handle(g_disconnected_factory)();
    return py::cast(DisconnectedTypeObject());
  }
  if (type.kind() == TypeKind::null) {
    if (g_null_factory) return py::handle(g_null_factory)(type.why());
    return py::cast(NullTypeObject(type.why()));
  }
  if (type.is_generic()) {
    if (g_generic_factory) return py::handle(g_generic_factory)();
    return py::cast(GenericTypeObject());
  }
  const std::string key = cache_key(type);
  if (auto it = type_cache().find(key); it != type_cache().end()) {
    return py::reinterpret_borrow<py::object>(it->second);
  }
  py::object made = g_tensor_factory
                        ? py::handle(g_tensor_factory)(dtype_str(type.dtype()), static_shape(type))
                        : py::cast(TensorTypeObject(type));
  if (!(type_from_python(made) == type)) {
    fail(ErrorKind::type, "the registered type factory made another type than ", type.str());
  }
  type_cache().emplace(key, made.inc_ref().ptr());
  return made;
}

py::tuple static_shape(const Type& type) {
  py::tuple out(type.ndim());
  for (int i = 0; i < type.ndim(); ++i) {
    const int64_t n = type.dim(i);
    out[static_cast<size_t>(i)] = n == kUnknownDim ? py::object(py::none()) : py::int_(n);
  }
  return out;
}

py::tuple broadcastable(const Type& type) {
  py::tuple out(type.ndim());
  for (int i = 0; i < type.ndim(); ++i) {
    out[static_cast<size_t>(i)] = py::bool_(type.broadcastable(i));
  }
  return out;
}

void bind_types(py::module_& m) {
  py::class_<TypeObject>(m, "Type", py::dynamic_attr(), "Type of a variable.")
      .def("__str__", [](const TypeObject& t) { return t.type.str(); })
      .def("__repr__", [](const TypeObject& t) { return t.type.str(); })
      .def("__hash__",
           [](const TypeObject& t) { return static_cast<py::ssize_t>(pattern_hash(t.type) >> 2); })
      .def("__eq__",
           [](const TypeObject& a, py::handle b) {
             return py::isinstance<TypeObject>(b) &&
                    a.type.same_pattern(py::cast<const TypeObject&>(b).type);
           })
      .def("__ne__", [](const TypeObject& a, py::handle b) {
        return !py::isinstance<TypeObject>(b) ||
               !a.type.same_pattern(py::cast<const TypeObject&>(b).type);
      });
  py::class_<TensorTypeObject, TypeObject>(m, "TensorType", py::dynamic_attr(),
                                           "A dtype and a list of dimensions, known or not.")
      .def(py::init([](py::handle dtype, py::handle shape) {
             return new TensorTypeObject(
                 Type::tensor(dtype_from_python(dtype), shape_from_python(shape)));
           }),
           py::arg("dtype"), py::arg("shape"))
      .def_property_readonly("dtype",
                             [](const TensorTypeObject& t) { return dtype_str(t.type.dtype()); })
      .def_property_readonly("ndim", [](const TensorTypeObject& t) { return t.type.ndim(); })
      .def_property_readonly("static_shape",
                             [](const TensorTypeObject& t) { return static_shape(t.type); })
      .def_property_readonly("broadcastable",
                             [](const TensorTypeObject& t) { return broadcastable(t.type); })
      .def(
          "same_shape",
          [](const TensorTypeObject& a, const TensorTypeObject& b) { return a.type == b.type; },
          "True if dtype and all known dimensions are the same (== compares broadcastable only).")
      .def("__reduce__", [](py::object self) {
        const Type& type = type_from_python(self);
        return py::make_tuple(py::type::of(self),
                              py::make_tuple(dtype_str(type.dtype()), static_shape(type)));
      });
  py::class_<DisconnectedTypeObject, TypeObject>(m, "DisconnectedType", py::dynamic_attr(),
                                                 "Type of the gradient of something that the cost "
                                                 "does not depend on.")
      .def(py::init<>());
  py::class_<NullTypeObject, TypeObject>(
      m, "NullType", py::dynamic_attr(),
      "Type of a gradient that is not defined or not implemented.")
      .def(py::init<std::string>(), py::arg("why_null") = "(no explanation given)")
      .def_property_readonly("why_null", [](const NullTypeObject& t) { return t.type.why(); });
  py::class_<GenericTypeObject, TypeObject>(m, "GenericType", py::dynamic_attr(),
                                            "Type of objects that only ops written in Python know.")
      .def(py::init<>());
  m.def(
      "set_type_factory",
      [](py::object tensor, py::object disconnected, py::object null, py::object generic) {
        Py_XDECREF(std::exchange(g_tensor_factory, factory_from(tensor)));
        Py_XDECREF(std::exchange(g_disconnected_factory, factory_from(disconnected)));
        Py_XDECREF(std::exchange(g_null_factory, factory_from(null)));
        Py_XDECREF(std::exchange(g_generic_factory, factory_from(generic)));
        clear_type_cache();
      },
      py::arg("tensor"), py::arg("disconnected") = py::none(), py::arg("null") = py::none(),
      py::arg("generic") = py::none(),
      "Register the callables that make type objects: tensor(dtype, shape), disconnected(), "
      "null(why), generic().");
  m.def(
      "promote",
      [](py::handle a, py::handle b) {
        return dtype_str(promote(dtype_from_python(a), dtype_from_python(b)));
      },
      py::arg("a"), py::arg("b"), "NumPy's promotion of two dtypes.");
}

}  // namespace phintys::python
