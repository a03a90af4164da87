// Handles: the Python objects that stand for variables and apply nodes.
//
// A node has at most one handle at a time; the node points back to it without owning it, and the
// handle owns a reference on the node. A handle must live as long as anyone can reach its node, as
// people hang attributes on it. So handles hold each other along the edges of the graph:
//
//   variable with an owner of one output   -> handles of the owner's inputs
//   variable with an owner of many outputs -> handle of the apply node
//   apply node                             -> handles of its outputs (and of its inputs, if it has
//                                             many outputs)
//   variable whose .owner was asked for    -> handle of the apply node
//
// Whatever holds the edges of a node whose op is written in Python holds the op's object too.
//
// Invariant: if a node has a handle, all its ancestors have one. Handles of apply nodes with one
// output are made when first asked for: an expression costs one Python object a node and, having
// no reference cycle, goes as soon as its last reference does. The other cycles, and those that
// users make, are left to the garbage collector.
//
// Both are plain CPython heap types, not pybind11 classes, for the sake of traversal, cheap
// construction and open subclassing.
#pragma once

#include "bindings/common.h"

namespace phintys::python {

// References from one handle to others; at most two are held without a block of their own.
struct Edges {
  PyObject** items;
  Py_ssize_t size;
  PyObject* local[2];
};

struct VariableObject {
  PyObject_HEAD Variable* node;  // owned; null before __init__ has run
  PyObject* type;                // the Python type object, once known
  PyObject* owner;               // handle of the owner, or null
  Edges inputs;                  // handles of the owner's inputs, if it has one output
  PyObject* dict;
  PyObject* weakrefs;
  bool used;       // some handle has an edge to this one
  bool python_op;  // among its edges is the object of its owner's op
};

struct ApplyObject {
  PyObject_HEAD Apply* node;  // owned; null before __init__ has run
  PyObject* op;               // the Python op object, once known
  Edges outputs;
  Edges inputs;  // only if there are several outputs
  PyObject* dict;
  PyObject* weakrefs;
  bool python_op;  // among its edges is the op's object
};

extern PyTypeObject* variable_type;  // _core.Variable
extern PyTypeObject* apply_type;     // _core.Apply

inline bool is_variable(PyObject* object) { return PyObject_TypeCheck(object, variable_type); }
inline bool is_apply(PyObject* object) { return PyObject_TypeCheck(object, apply_type); }

// The node of a handle; throws TypeError for other objects, RuntimeError for a handle whose
// __init__ has not run.
Variable* node_of(PyObject* variable);
Apply* apply_of(PyObject* apply);
// Var for a handle, or for what the registered converter makes of any other object. Keeps no
// reference on a converted object's handle.
Var var_from(py::handle object);
std::vector<Var> vars_from(py::handle sequence);

// The handle of a node (new reference), made if need be together with those of its ancestors.
// Iterative. Throws py::error_already_set.
PyObject* wrap(Variable* node);
PyObject* wrap(Apply* node);
inline py::object wrapped(const Var& v) {
  return v ? py::reinterpret_steal<py::object>(wrap(v.get())) : py::none();
}
py::list wrapped_list(std::span<const Var> variables);

// While one exists, what this thread builds is not reported to set_built_hook()'s hook: code of the
// user's is asked about graphs that are not the user's program.
class Unreported {
 public:
  Unreported();
  ~Unreported();
  Unreported(const Unreported&) = delete;
  Unreported& operator=(const Unreported&) = delete;

 private:
  bool before_;
};

// Ties a freshly made handle to its node.
void attach(VariableObject* handle, Ref<Variable> node);
// Gives `handle` the edges that the invariant asks for, after its node has got an owner.
void link_adopted(ApplyObject* handle, Ref<Apply> node);

// Converts an object that is not a variable with the registered converter.
py::object convert(py::handle object);

// Classes that wrap() instantiates.
enum class HandleClass { plain, constant, shared, generic, apply };
PyTypeObject* handle_class(HandleClass which);

// Reference handling of edges; releasing never recurses however long the chain.
void set_edges(Edges* edges, std::vector<PyObject*> owned);
// For a handle with the flag `python_op`, which holds the edges of `node`: visits what the op owns;
// and says that it no longer holds them.
int visit_op(const Apply* node, PyObject* handle, visitproc visit, void* arg);
void leave_op(const Apply* node, PyObject* handle);
int visit_edges(const Edges& edges, visitproc visit, void* arg);
void clear_edges(Edges* edges);
void release(PyObject* object);
// To be called at the end of a deallocation or clear: drops what release() has collected.
void drain_released();

// Defined in variable_number.cpp: the operators.
extern PyType_Slot variable_number_slots[];
extern const int num_variable_number_slots;
PyObject* variable_richcompare(PyObject* a, PyObject* b, int op);
int variable_bool(PyObject* self);
void init_operators();

}  // namespace phintys::python
