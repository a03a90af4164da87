// _core.Apply: hand-built nodes, attributes, garbage collection.

#include <algorithm>

#include "bindings/handles.h"
#include "bindings/ops.h"
#include "bindings/pickle.h"
#include "bindings/python_op.h"
#include "graph/traverse.h"
#include "structmember.h"  // needs Python.h before it

namespace phintys::python {

PyTypeObject* apply_type = nullptr;

namespace {

ApplyObject* self_of(PyObject* self) { return reinterpret_cast<ApplyObject*>(self); }

PyObject* apply_new(PyTypeObject* cls, PyObject*, PyObject*) { return cls->tp_alloc(cls, 0); }

// Refuses outputs that cannot be computed by a new node of these inputs.
void check_outputs(std::span<const Var> inputs, std::span<const Var> outputs) {
  if (outputs.empty()) fail(ErrorKind::value, "an apply node needs at least one output");
  bool used = false;
  for (size_t i = 0; i < outputs.size(); ++i) {
    const Variable& v = *outputs[i];
    if (v.owner()) {
      fail(ErrorKind::value, "output ", i, " of the node already belongs to ",
           v.owner()->describe());
    }
    if (v.is_constant() || v.is_shared()) {
      fail(ErrorKind::value, "output ", i, " of the node is a ",
           v.is_constant() ? "constant" : "shared variable");
    }
    for (size_t k = 0; k < i; ++k) {
      if (outputs[k] == outputs[i]) {
        fail(ErrorKind::value, "outputs ", k, " and ", i, " of the node are the same variable");
      }
    }
    used = used || static_cast<VariableObject*>(v.handle)->used;
    used = used || std::find(inputs.begin(), inputs.end(), outputs[i]) != inputs.end();
  }
  if (!used) return;
  for (const Var& v : ancestors(inputs)) {
    if (std::find(outputs.begin(), outputs.end(), v) != outputs.end()) {
      fail(ErrorKind::value, "an output of the node is used to compute one of its inputs");
    }
  }
}

int apply_init(PyObject* self, PyObject* args, PyObject* kwargs) {
  static const char* names[] = {"op", "inputs", "outputs", nullptr};
  PyObject *op = nullptr, *inputs = nullptr, *outputs = nullptr;
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOO:Apply", const_cast<char**>(names), &op,
                                   &inputs, &outputs)) {
    return -1;
  }
  return guarded(-1, [&] {
    ApplyObject* a = self_of(self);
    if (a->node) fail(ErrorKind::runtime, "Apply.__init__ was called twice");
    // The lists keep converted operands' handles until the node's edges hold them.
    py::list in_handles, out_handles;
    for (py::handle item : py::handle(inputs)) {
      in_handles.append(is_variable(item.ptr()) ? py::reinterpret_borrow<py::object>(item)
                                                : convert(item));
    }
    for (py::handle item : py::handle(outputs)) out_handles.append(item);
    std::vector<Var> ins = vars_from(in_handles);
    std::vector<Var> outs;
    for (py::handle item : out_handles) outs.push_back(Var(node_of(item.ptr())));
    check_outputs(ins, outs);
    std::vector<Variable*> adopted;
    std::vector<Type> types;
    for (const Var& v : outs) {
      adopted.push_back(v.get());
      types.push_back(v.type());
    }
    const UserLocation here;
    Ref<const Op> applied =
        is_python_op(op) ? make_python_op(op, ins, std::move(types)) : op_from(op);
    link_adopted(a, Apply::adopt(std::move(applied), std::move(ins), adopted));
    Py_INCREF(op);
    Py_XSETREF(a->op, op);
    return 0;
  });
}

int apply_traverse(PyObject* self, visitproc visit, void* arg) {
  ApplyObject* a = self_of(self);
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(a->op);
  Py_VISIT(a->dict);
  if (a->python_op)
    if (int r = visit_op(a->node, self, visit, arg)) return r;
  if (int r = visit_edges(a->outputs, visit, arg)) return r;
  return visit_edges(a->inputs, visit, arg);
}

void drop_references(ApplyObject* a) {
  if (std::exchange(a->python_op, false)) leave_op(a->node, reinterpret_cast<PyObject*>(a));
  release(std::exchange(a->op, nullptr));
  release(std::exchange(a->dict, nullptr));
  clear_edges(&a->outputs);
  clear_edges(&a->inputs);
}

int apply_clear(PyObject* self) {
  drop_references(self_of(self));
  drain_released();
  return 0;
}

void apply_dealloc(PyObject* self) {
  ApplyObject* a = self_of(self);
  PyTypeObject* cls = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  // First of all: nobody may find the dying handle through its node any more.
  if (a->node) a->node->handle = nullptr;
  if (a->weakrefs) PyObject_ClearWeakRefs(self);
  drop_references(a);
  if (a->node) std::exchange(a->node, nullptr)->decref();
  cls->tp_free(self);
  Py_DECREF(cls);
  drain_released();
}

template <class F>
PyObject* get(PyObject* self, F&& f) {
  return guarded<PyObject*>(nullptr, [&] { return py::object(f(apply_of(self))).release().ptr(); });
}

py::list outputs_of(Apply* a) {
  py::list out(static_cast<size_t>(a->nout()));
  for (int i = 0; i < a->nout(); ++i) out[static_cast<size_t>(i)] = wrapped(a->out(i));
  return out;
}

PyObject* get_op(PyObject* self, void*) {
  return guarded<PyObject*>(nullptr, [&] {
    const Apply* node = apply_of(self);
    ApplyObject* a = self_of(self);
    if (!a->op) a->op = op_to_python(node->op_ref()).release().ptr();
    Py_INCREF(a->op);
    return a->op;
  });
}
PyObject* get_inputs(PyObject* self, void*) {
  return get(self, [](Apply* a) { return wrapped_list(a->inputs()); });
}
PyObject* get_outputs(PyObject* self, void*) {
  return get(self, [](Apply* a) { return outputs_of(a); });
}
PyObject* get_nin(PyObject* self, void*) {
  return get(self, [](Apply* a) { return py::int_(a->nin()); });
}
PyObject* get_nout(PyObject* self, void*) {
  return get(self, [](Apply* a) { return py::int_(a->nout()); });
}
PyObject* get_out(PyObject* self, void*) {
  return get(self, [](Apply* a) {
    if (a->nout() != 1) {
      throw py::attribute_error("the node has " + std::to_string(a->nout()) +
                                " outputs: use .outputs");
    }
    return wrapped(a->out());
  });
}
PyObject* get_loc(PyObject* self, void*) {
  return get(self, [](Apply* a) -> py::object {
    return a->loc ? py::object(py::str(to_string(a->loc))) : py::none();
  });
}
PyObject* get_node_id(PyObject* self, void*) {
  return get(self, [](Apply* a) { return py::int_(a->id()); });
}
PyObject* apply_str(PyObject* self) {
  return get(self, [](Apply* a) { return py::str(a->describe()); });
}

PyGetSetDef apply_getset[] = {
    {"op", get_op, nullptr, "The operator.", nullptr},
    {"inputs", get_inputs, nullptr, "The variables that the operator is applied to.", nullptr},
    {"outputs", get_outputs, nullptr, "The variables that it computes.", nullptr},
    {"nin", get_nin, nullptr, "Number of inputs.", nullptr},
    {"nout", get_nout, nullptr, "Number of outputs.", nullptr},
    {"out", get_out, nullptr, "The only output.", nullptr},
    {"loc", get_loc, nullptr, "\"file:line\" where the node was built, or None.", nullptr},
    {"node_id", get_node_id, nullptr, "Number in the order of creation.", nullptr},
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};

PyObject* apply_reduce(PyObject* self, PyObject*) {
  return guarded<PyObject*>(nullptr, [&] { return reduce_apply(self).release().ptr(); });
}

PyObject* apply_locate(PyObject* self, PyObject*) {
  return guarded<PyObject*>(nullptr, [&] {
    apply_of(self)->loc = python_location();
    return py::none().release().ptr();
  });
}

PyMethodDef apply_methods[] = {{"__reduce__", apply_reduce, METH_NOARGS, nullptr},
                               {"_locate", apply_locate, METH_NOARGS,
                                "Say that the node was built where the user's code is now."},
                               {nullptr, nullptr, 0, nullptr}};

PyMemberDef apply_members[] = {
    {"__dictoffset__", T_PYSSIZET, offsetof(ApplyObject, dict), READONLY, nullptr},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(ApplyObject, weakrefs), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr}};

constexpr const char* kDoc =
    "Apply(op, inputs, outputs)\n--\n\n"
    "The application of an operator to variables. The outputs must not have an owner yet.";

}  // namespace

void bind_applies(py::module_& m) {
  PyType_Slot slots[] = {
      {Py_tp_doc, const_cast<char*>(kDoc)},
      {Py_tp_new, reinterpret_cast<void*>(apply_new)},
      {Py_tp_init, reinterpret_cast<void*>(apply_init)},
      {Py_tp_dealloc, reinterpret_cast<void*>(apply_dealloc)},
      {Py_tp_traverse, reinterpret_cast<void*>(apply_traverse)},
      {Py_tp_clear, reinterpret_cast<void*>(apply_clear)},
      {Py_tp_getset, apply_getset},
      {Py_tp_members, apply_members},
      {Py_tp_methods, apply_methods},
      {Py_tp_str, reinterpret_cast<void*>(apply_str)},
      {Py_tp_repr, reinterpret_cast<void*>(apply_str)},
      {0, nullptr},
  };
  PyType_Spec spec = {"phintys._core.Apply", sizeof(ApplyObject), 0,
                      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, slots};
  py::object cls = py::reinterpret_steal<py::object>(PyType_FromSpec(&spec));
  if (!cls) throw py::error_already_set();
  apply_type = reinterpret_cast<PyTypeObject*>(cls.ptr());
  m.attr("Apply") = cls;
  cls.release();
}

}  // namespace phintys::python
