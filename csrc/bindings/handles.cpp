#include "bindings/handles.h"

#include "bindings/python_op.h"

#include <cstring>

namespace phintys::python {

namespace {

PyTypeObject* g_classes[5] = {};  // by HandleClass; owned
PyObject* g_converter = nullptr;
PyObject* g_on_built = nullptr;  // called with variables that the user's program builds

// References waiting to be dropped. Dropping one may end a handle, whose references are then added
// here by the same thread instead of being dropped in place: no recursion along the graph.
thread_local std::vector<PyObject*> t_released;
thread_local bool t_draining = false;
thread_local bool t_unreported = false;

PyObject* new_handle(HandleClass which) {
  PyTypeObject* cls = handle_class(which);
  PyObject* self = cls->tp_alloc(cls, 0);
  if (!self) throw py::error_already_set();
  return self;
}

HandleClass class_for(const Variable& v) {
  return v.is_constant()         ? HandleClass::constant
         : v.is_shared()         ? HandleClass::shared
         : v.type().is_generic() ? HandleClass::generic
                                 : HandleClass::plain;
}

VariableObject* handle_of(const Variable* v) { return static_cast<VariableObject*>(v->handle); }
ApplyObject* handle_of(const Apply* a) { return static_cast<ApplyObject*>(a->handle); }

PyObject* edge_to(const Variable* v) {
  VariableObject* target = handle_of(v);
  target->used = true;
  PyObject* object = reinterpret_cast<PyObject*>(target);
  Py_INCREF(object);
  return object;
}

// Edges for `holder` to hold; sets its flag python_op.
std::vector<PyObject*> input_edges(const Apply& node, PyObject* holder, bool* python_op) {
  std::vector<PyObject*> edges;
  edges.reserve(node.inputs().size() + 1);
  for (const Var& v : node.inputs()) edges.push_back(edge_to(v.get()));
  if (const PythonOp* op = python_op_of(node)) {
    Py_INCREF(op->object());
    edges.push_back(op->object());
    op->add_holder(holder);
    *python_op = true;
  }
  return edges;
}

// The handle of an apply node all of whose outputs and inputs have one.
ApplyObject* make_apply_handle(Apply* node) {
  ApplyObject* self = reinterpret_cast<ApplyObject*>(new_handle(HandleClass::apply));
  node->incref();
  self->node = node;
  node->handle = self;
  std::vector<PyObject*> outputs;
  for (int i = 0; i < node->nout(); ++i) {
    PyObject* out = reinterpret_cast<PyObject*>(handle_of(node->output(i)));
    Py_INCREF(out);
    outputs.push_back(out);
  }
  set_edges(&self->outputs, std::move(outputs));
  if (node->nout() != 1)
    set_edges(&self->inputs,
              input_edges(*node, reinterpret_cast<PyObject*>(self), &self->python_op));
  return self;
}

// Makes the handles of a variable (and of the other outputs of its owner) whose owner's inputs all
// have one. New references go to `made`.
void make_handles(Variable* v, std::vector<py::object>* made) {
  Apply* owner = v->owner();
  const int n = owner ? owner->nout() : 1;
  for (int i = 0; i < n; ++i) {
    Variable* out = owner ? owner->output(i) : v;
    if (out->handle) continue;
    py::object object = py::reinterpret_steal<py::object>(new_handle(class_for(*out)));
    VariableObject* self = reinterpret_cast<VariableObject*>(object.ptr());
    attach(self, Ref<Variable>(out));
    if (owner && n == 1)
      set_edges(&self->inputs, input_edges(*owner, object.ptr(), &self->python_op));
    made->push_back(std::move(object));
  }
  if (!owner || n == 1) return;
  if (!owner->handle) {
    made->push_back(
        py::reinterpret_steal<py::object>(reinterpret_cast<PyObject*>(make_apply_handle(owner))));
  }
  PyObject* apply = reinterpret_cast<PyObject*>(handle_of(owner));
  for (int i = 0; i < n; ++i) {
    VariableObject* out = handle_of(owner->output(i));
    if (out->owner) continue;
    Py_INCREF(apply);
    out->owner = apply;
  }
}

// Nodes get a location only while the user's program builds them.
void report_built(PyObject* self, const Variable* node) {
  if (t_unreported || !node->owner() || !current_location()) return;
  py::object owned = py::reinterpret_steal<py::object>(self);
  py::reinterpret_borrow<py::object>(g_on_built)(owned);
  owned.release();
}

}  // namespace

Unreported::Unreported() : before_(std::exchange(t_unreported, true)) {}
Unreported::~Unreported() { t_unreported = before_; }

// --- references --------------------------------------------------------------------------------

void release(PyObject* object) {
  if (object) t_released.push_back(object);
}

void drain_released() {
  if (t_draining) return;
  t_draining = true;
  // An exception in flight must survive the Python code that deallocation may run.
  PyObject *type, *value, *traceback;
  PyErr_Fetch(&type, &value, &traceback);
  while (!t_released.empty()) {
    PyObject* object = t_released.back();
    t_released.pop_back();
    Py_DECREF(object);
  }
  PyErr_Restore(type, value, traceback);
  t_draining = false;
}

void set_edges(Edges* edges, std::vector<PyObject*> owned) {
  clear_edges(edges);
  const size_t n = owned.size();
  PyObject** items = edges->local;
  if (n > 2) {
    items = static_cast<PyObject**>(PyMem_Malloc(n * sizeof(PyObject*)));
    if (!items) {
      for (PyObject* o : owned) Py_DECREF(o);
      throw std::bad_alloc();
    }
  }
  if (n) std::memcpy(items, owned.data(), n * sizeof(PyObject*));
  edges->items = items;
  edges->size = static_cast<Py_ssize_t>(n);
}

int visit_edges(const Edges& edges, visitproc visit, void* arg) {
  for (Py_ssize_t i = 0; i < edges.size; ++i) Py_VISIT(edges.items[i]);
  return 0;
}

int visit_op(const Apply* node, PyObject* handle, visitproc visit, void* arg) {
  return static_cast<const PythonOp&>(node->op()).traverse(handle, visit, arg);
}

void leave_op(const Apply* node, PyObject* handle) {
  static_cast<const PythonOp&>(node->op()).remove_holder(handle);
}

void clear_edges(Edges* edges) {
  PyObject** items = edges->items;
  const Py_ssize_t n = std::exchange(edges->size, 0);
  for (Py_ssize_t i = 0; i < n; ++i) release(items[i]);
  edges->items = nullptr;
  if (items && items != edges->local) PyMem_Free(items);
}

// --- from handles to nodes ---------------------------------------------------------------------

Variable* node_of(PyObject* variable) {
  if (!is_variable(variable)) {
    fail(ErrorKind::type, "a variable is needed, not an object of class ",
         Py_TYPE(variable)->tp_name);
  }
  Variable* node = reinterpret_cast<VariableObject*>(variable)->node;
  if (!node) {
    fail(ErrorKind::runtime, "this variable is not usable: Variable.__init__ was not called");
  }
  return node;
}

Apply* apply_of(PyObject* apply) {
  if (!is_apply(apply)) {
    fail(ErrorKind::type, "an apply node is needed, not an object of class ",
         Py_TYPE(apply)->tp_name);
  }
  Apply* node = reinterpret_cast<ApplyObject*>(apply)->node;
  if (!node) fail(ErrorKind::runtime, "this node is not usable: Apply.__init__ was not called");
  return node;
}

py::object convert(py::handle object) {
  if (!g_converter) {
    fail(ErrorKind::type, "a variable is needed, not an object of class ",
         Py_TYPE(object.ptr())->tp_name);
  }
  return py::reinterpret_borrow<py::object>(g_converter)(object);
}

Var var_from(py::handle object) {
  if (is_variable(object.ptr())) return Var(node_of(object.ptr()));
  const py::object converted = convert(object);
  return Var(node_of(converted.ptr()));
}

std::vector<Var> vars_from(py::handle sequence) {
  std::vector<Var> out;
  if (is_variable(sequence.ptr())) {
    fail(ErrorKind::type, "a list of variables is needed, not a variable");
  }
  for (py::handle item : sequence) out.push_back(var_from(item));
  return out;
}

// --- from nodes to handles ---------------------------------------------------------------------

PyTypeObject* handle_class(HandleClass which) {
  PyTypeObject* cls = g_classes[static_cast<int>(which)];
  if (cls) return cls;
  return which == HandleClass::apply ? apply_type : variable_type;
}

void attach(VariableObject* handle, Ref<Variable> node) {
  node->handle = handle;
  handle->node = node.detach();
}

PyObject* wrap(Variable* node) {
  if (!node->handle) {
    std::vector<py::object> made;  // keeps new handles until their users hold them
    std::vector<Variable*> stack{node};
    while (!stack.empty()) {
      Variable* v = stack.back();
      const size_t depth = stack.size();
      if (!v->handle && v->owner()) {
        for (const Var& input : v->owner()->inputs()) {
          if (!input->handle) stack.push_back(input.get());
        }
      }
      if (stack.size() != depth) continue;
      stack.pop_back();
      if (!v->handle) make_handles(v, &made);
    }
    // `made` goes before the caller's reference would be taken otherwise.
    PyObject* self = static_cast<PyObject*>(node->handle);
    Py_INCREF(self);
    if (PHINTYS_UNLIKELY(g_on_built != nullptr)) report_built(self, node);
    return self;
  }
  PyObject* self = static_cast<PyObject*>(node->handle);
  Py_INCREF(self);
  return self;
}

PyObject* wrap(Apply* node) {
  if (!node->handle) {
    py::object output =
        node->nout() ? py::reinterpret_steal<py::object>(wrap(node->output(0))) : py::object();
    if (!node->handle) {
      py::object inputs = wrapped_list(node->inputs());
      py::object self =
          py::reinterpret_steal<py::object>(reinterpret_cast<PyObject*>(make_apply_handle(node)));
      if (node->nout() == 1) {
        VariableObject* out = handle_of(node->output(0));
        out->owner = self.inc_ref().ptr();
      }
    }
    PyObject* self = static_cast<PyObject*>(node->handle);
    Py_INCREF(self);
    return self;
  }
  PyObject* self = static_cast<PyObject*>(node->handle);
  Py_INCREF(self);
  return self;
}

py::list wrapped_list(std::span<const Var> variables) {
  py::list out(variables.size());
  for (size_t i = 0; i < variables.size(); ++i) out[i] = wrapped(variables[i]);
  return out;
}

void link_adopted(ApplyObject* self, Ref<Apply> node) {
  const bool single = node->nout() == 1;
  VariableObject* output = handle_of(node->output(0));
  const std::vector<PyObject*> inputs =
      single ? input_edges(*node, reinterpret_cast<PyObject*>(output), &output->python_op)
             : input_edges(*node, reinterpret_cast<PyObject*>(self), &self->python_op);
  std::vector<PyObject*> outputs;
  for (int i = 0; i < node->nout(); ++i) {
    VariableObject* out = handle_of(node->output(i));
    PyObject* object = reinterpret_cast<PyObject*>(out);
    Py_INCREF(object);
    outputs.push_back(object);
    PyObject* apply = reinterpret_cast<PyObject*>(self);
    Py_INCREF(apply);
    out->owner = apply;
  }
  set_edges(single ? &handle_of(node->output(0))->inputs : &self->inputs, inputs);
  set_edges(&self->outputs, std::move(outputs));
  node->handle = self;
  self->node = node.detach();
}

// --- registration ------------------------------------------------------------------------------

namespace {

void set_class(HandleClass which, const py::object& cls) {
  PyTypeObject* base = which == HandleClass::apply ? apply_type : variable_type;
  if (!PyType_Check(cls.ptr()) ||
      !PyType_IsSubtype(reinterpret_cast<PyTypeObject*>(cls.ptr()), base)) {
    fail(ErrorKind::type, "set_classes: a subclass of ", base->tp_name, " is needed");
  }
  PyTypeObject*& entry = g_classes[static_cast<int>(which)];
  PyTypeObject* old = std::exchange(entry, reinterpret_cast<PyTypeObject*>(cls.inc_ref().ptr()));
  Py_XDECREF(reinterpret_cast<PyObject*>(old));
}

}  // namespace

void bind_handles(py::module_& m) {
  m.def(
      "set_classes",
      [](py::object plain, py::object constant, py::object shared, py::object generic,
         py::object apply) {
        if (!plain.is_none()) set_class(HandleClass::plain, plain);
        if (!constant.is_none()) set_class(HandleClass::constant, constant);
        if (!shared.is_none()) set_class(HandleClass::shared, shared);
        if (!generic.is_none()) set_class(HandleClass::generic, generic);
        if (!apply.is_none()) set_class(HandleClass::apply, apply);
      },
      py::kw_only(), py::arg("plain") = py::none(), py::arg("constant") = py::none(),
      py::arg("shared") = py::none(), py::arg("generic") = py::none(),
      py::arg("apply") = py::none(),
      "Register the classes of the handles that the library makes; their __init__ is not called. "
      "Those not given stay as they are.");
  m.def(
      "set_converter",
      [](py::object converter) {
        if (!PyCallable_Check(converter.ptr())) {
          throw py::type_error("set_converter: the converter must be callable");
        }
        Py_XDECREF(std::exchange(g_converter, converter.inc_ref().ptr()));
      },
      py::arg("converter"),
      "Register the callable that makes a variable of any other operand; it raises TypeError for "
      "objects that it does not know.");
  m.def(
      "built",
      [](py::object variable) {
        if (g_on_built && !t_unreported)
          py::reinterpret_borrow<py::object>(g_on_built)(std::move(variable));
      },
      py::arg("variable"), "Report a variable to the hook of set_built_hook().");
  m.def(
      "set_built_hook",
      [](py::object hook) {
        Py_XDECREF(std::exchange(g_on_built, hook.is_none() ? nullptr : hook.inc_ref().ptr()));
      },
      py::arg("hook"),
      "Call hook(variable) with the result of every operation that the user's program builds; "
      "None: "
      "call nothing.");
}

}  // namespace phintys::python
