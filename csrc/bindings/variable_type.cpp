// _core.Variable: construction, attributes, garbage collection.

#include "bindings/handles.h"
#include "bindings/pickle.h"
#include "bindings/types.h"
#include "graph/print.h"
#include "structmember.h"  // needs Python.h before it

namespace phintys::python {

PyTypeObject* variable_type = nullptr;

namespace {

VariableObject* self_of(PyObject* self) { return reinterpret_cast<VariableObject*>(self); }

// --- life --------------------------------------------------------------------------------------

PyObject* variable_new(PyTypeObject* cls, PyObject*, PyObject*) { return cls->tp_alloc(cls, 0); }

int variable_init(PyObject* self, PyObject* args, PyObject* kwargs) {
  static const char* names[] = {"type", "owner", "index", "name", nullptr};
  PyObject *type = nullptr, *owner = Py_None, *index = Py_None, *name = Py_None;
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|OOO:Variable", const_cast<char**>(names), &type,
                                   &owner, &index, &name)) {
    return -1;
  }
  return guarded(-1, [&] {
    VariableObject* v = self_of(self);
    if (v->node) fail(ErrorKind::runtime, "Variable.__init__ was called twice");
    if (owner != Py_None || index != Py_None) {
      fail(ErrorKind::value,
           "a variable gets its owner and index from Apply(op, inputs, outputs=[variable])");
    }
    if (name != Py_None && !PyUnicode_Check(name)) {
      fail(ErrorKind::type, "the name of a variable is a string, not an object of class ",
           Py_TYPE(name)->tp_name);
    }
    const Type& t = type_from_python(type);
    const UserLocation here;
    attach(v, make_variable(t, name == Py_None ? "" : py::cast<std::string>(py::handle(name))));
    Py_INCREF(type);
    Py_XSETREF(v->type, type);
    return 0;
  });
}

int variable_traverse(PyObject* self, visitproc visit, void* arg) {
  VariableObject* v = self_of(self);
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(v->type);
  Py_VISIT(v->owner);
  Py_VISIT(v->dict);
  if (v->python_op)
    if (int r = visit_op(v->node->owner(), self, visit, arg)) return r;
  return visit_edges(v->inputs, visit, arg);
}

void drop_references(VariableObject* v) {
  if (std::exchange(v->python_op, false))
    leave_op(v->node->owner(), reinterpret_cast<PyObject*>(v));
  release(std::exchange(v->type, nullptr));
  release(std::exchange(v->owner, nullptr));
  release(std::exchange(v->dict, nullptr));
  clear_edges(&v->inputs);
}

int variable_clear(PyObject* self) {
  drop_references(self_of(self));
  drain_released();
  return 0;
}

void variable_dealloc(PyObject* self) {
  VariableObject* v = self_of(self);
  PyTypeObject* cls = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  // First of all: nobody may find the dying handle through its node any more.
  if (v->node) v->node->handle = nullptr;
  if (v->weakrefs) PyObject_ClearWeakRefs(self);
  drop_references(v);
  if (v->node) std::exchange(v->node, nullptr)->decref();
  cls->tp_free(self);
  Py_DECREF(cls);
  drain_released();
}

// --- attributes --------------------------------------------------------------------------------

template <class F>
PyObject* get(PyObject* self, F&& f) {
  return guarded<PyObject*>(nullptr, [&] { return py::object(f(node_of(self))).release().ptr(); });
}

PyObject* get_type(PyObject* self, void*) {
  return guarded<PyObject*>(nullptr, [&] {
    const Variable* node = node_of(self);
    VariableObject* v = self_of(self);
    if (!v->type) v->type = type_to_python(node->type()).release().ptr();
    Py_INCREF(v->type);
    return v->type;
  });
}
PyObject* get_dtype(PyObject* self, void*) {
  return get(self, [](Variable* v) -> py::object {
    if (!v->type().is_tensor()) {
      throw py::attribute_error("a variable of " + v->type().str() + " has no dtype");
    }
    return dtype_str(v->dtype());
  });
}
PyObject* get_ndim(PyObject* self, void*) {
  return get(self, [](Variable* v) { return py::int_(v->ndim()); });
}
PyObject* get_broadcastable(PyObject* self, void*) {
  return get(self, [](Variable* v) { return broadcastable(v->type()); });
}
PyObject* get_static_shape(PyObject* self, void*) {
  return get(self, [](Variable* v) { return static_shape(v->type()); });
}
PyObject* get_name(PyObject* self, void*) {
  return get(self, [](Variable* v) -> py::object {
    return v->name.empty() ? py::object(py::none()) : py::str(v->name.str());
  });
}
int set_name(PyObject* self, PyObject* value, void*) {
  return guarded(-1, [&] {
    Variable* v = node_of(self);
    if (!value || value == Py_None) {
      v->name.clear();
    } else if (PyUnicode_Check(value)) {
      v->name = py::cast<std::string>(py::handle(value));
    } else {
      fail(ErrorKind::type, "the name of a variable is a string or None, not an object of class ",
           Py_TYPE(value)->tp_name);
    }
    return 0;
  });
}
PyObject* get_owner(PyObject* self, void*) {
  return get(self, [](Variable* v) -> py::object {
    if (!v->owner()) return py::none();
    return py::reinterpret_steal<py::object>(wrap(v->owner()));
  });
}
PyObject* get_index(PyObject* self, void*) {
  return get(self, [](Variable* v) -> py::object {
    return v->owner() ? py::object(py::int_(v->index())) : py::none();
  });
}
PyObject* get_is_constant(PyObject* self, void*) {
  return get(self, [](Variable* v) { return py::bool_(v->is_constant()); });
}
PyObject* get_is_shared(PyObject* self, void*) {
  return get(self, [](Variable* v) { return py::bool_(v->is_shared()); });
}
PyObject* get_constant_data(PyObject* self, void*) {
  return get(self, [](Variable* v) -> py::object {
    if (!v->is_constant()) throw py::attribute_error("this variable is not a constant");
    return numpy_view(v->constant(), false);
  });
}
PyObject* get_loc(PyObject* self, void*) {
  return get(self, [](Variable* v) -> py::object {
    const SourceLoc loc = v->owner() ? v->owner()->loc : v->loc;
    return loc ? py::object(py::str(to_string(loc))) : py::none();
  });
}
PyObject* get_node_id(PyObject* self, void*) {
  return get(self, [](Variable* v) { return py::int_(v->id()); });
}

PyObject* variable_str(PyObject* self) {
  return get(self, [](Variable* v) { return py::str(to_string(*v)); });
}

PyGetSetDef variable_getset[] = {
    {"type", get_type, nullptr, "The variable's type.", nullptr},
    {"dtype", get_dtype, nullptr, "Name of the type of the elements.", nullptr},
    {"ndim", get_ndim, nullptr, "Number of dimensions.", nullptr},
    {"broadcastable", get_broadcastable, nullptr,
     "For each dimension, whether its length is known to be 1.", nullptr},
    {"static_shape", get_static_shape, nullptr, "For each dimension, its length or None.", nullptr},
    {"name", get_name, set_name, "The name that the user gave, or None.", nullptr},
    {"owner", get_owner, nullptr, "The apply node that computes the variable, or None.", nullptr},
    {"index", get_index, nullptr, "Which output of `owner` the variable is, or None.", nullptr},
    {"is_constant", get_is_constant, nullptr, "Whether the variable is a constant.", nullptr},
    {"is_shared", get_is_shared, nullptr, "Whether the variable is shared.", nullptr},
    {"constant_data", get_constant_data, nullptr, "Value of a constant, read-only.", nullptr},
    {"loc", get_loc, nullptr, "\"file:line\" where the variable was built, or None.", nullptr},
    {"node_id", get_node_id, nullptr, "Number in the order of creation.", nullptr},
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};

PyObject* variable_reduce(PyObject* self, PyObject*) {
  return guarded<PyObject*>(nullptr, [&] { return reduce_variable(self).release().ptr(); });
}

PyMethodDef variable_methods[] = {{"__reduce__", variable_reduce, METH_NOARGS, nullptr},
                                  {nullptr, nullptr, 0, nullptr}};

PyMemberDef variable_members[] = {
    {"__dictoffset__", T_PYSSIZET, offsetof(VariableObject, dict), READONLY, nullptr},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(VariableObject, weakrefs), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr}};

constexpr const char* kDoc =
    "Variable(type, owner=None, index=None, name=None)\n--\n\n"
    "A handle on a variable of an expression. Compared and hashed by identity.";

// By identity. The low bits of addresses are alike, so they go to the top.
Py_hash_t variable_hash(PyObject* self) {
  const size_t address = reinterpret_cast<size_t>(self);
  const Py_hash_t hash =
      static_cast<Py_hash_t>((address >> 4) | (address << (8 * sizeof(address) - 4)));
  return hash == -1 ? -2 : hash;
}

}  // namespace

void bind_variables(py::module_& m) {
  std::vector<PyType_Slot> slots = {
      {Py_tp_doc, const_cast<char*>(kDoc)},
      {Py_tp_new, reinterpret_cast<void*>(variable_new)},
      {Py_tp_init, reinterpret_cast<void*>(variable_init)},
      {Py_tp_dealloc, reinterpret_cast<void*>(variable_dealloc)},
      {Py_tp_traverse, reinterpret_cast<void*>(variable_traverse)},
      {Py_tp_clear, reinterpret_cast<void*>(variable_clear)},
      {Py_tp_getset, variable_getset},
      {Py_tp_members, variable_members},
      {Py_tp_methods, variable_methods},
      {Py_tp_str, reinterpret_cast<void*>(variable_str)},
      {Py_tp_repr, reinterpret_cast<void*>(variable_str)},
      {Py_tp_hash, reinterpret_cast<void*>(variable_hash)},
      {Py_tp_richcompare, reinterpret_cast<void*>(variable_richcompare)},
      {Py_nb_bool, reinterpret_cast<void*>(variable_bool)},
  };
  slots.insert(slots.end(), variable_number_slots,
               variable_number_slots + num_variable_number_slots);
  slots.push_back({0, nullptr});
  PyType_Spec spec = {"phintys._core.Variable", sizeof(VariableObject), 0,
                      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, slots.data()};
  py::object cls = py::reinterpret_steal<py::object>(PyType_FromSpec(&spec));
  if (!cls) throw py::error_already_set();
  variable_type = reinterpret_cast<PyTypeObject*>(cls.ptr());
  m.attr("Variable") = cls;
  cls.release();  // one reference for variable_type, for the life of the process
}

}  // namespace phintys::python
