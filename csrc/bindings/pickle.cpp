#include "bindings/pickle.h"

#include "bindings/graph_rules.h"
#include "bindings/handles.h"
#include "bindings/ops.h"
#include "bindings/python_op.h"
#include "bindings/types.h"

namespace phintys::python {

namespace {

py::object core(const char* name) { return py::module_::import("phintys._core").attr(name); }

py::object state_of(PyObject* dict) {
  if (!dict || PyDict_Size(dict) == 0) return py::none();
  return py::reinterpret_borrow<py::object>(dict);
}

py::object name_of(const Variable& v) {
  return v.name.empty() ? py::object(py::none()) : py::str(v.name.str());
}

// An instance of `cls` without its __init__, as wrap() makes them.
py::object plain_variable(const py::type& cls, py::handle type, const py::object& name) {
  PyTypeObject* python_type = reinterpret_cast<PyTypeObject*>(cls.ptr());
  if (!PyType_IsSubtype(python_type, variable_type)) {
    throw py::type_error("a class of variables is needed");
  }
  py::object self = py::reinterpret_steal<py::object>(python_type->tp_alloc(python_type, 0));
  if (!self) throw py::error_already_set();
  VariableObject* v = reinterpret_cast<VariableObject*>(self.ptr());
  attach(v,
         make_variable(type_from_python(type), name.is_none() ? "" : py::cast<std::string>(name)));
  v->type = type.inc_ref().ptr();
  return self;
}

py::object output_of(py::handle apply, int index, const py::object& name) {
  Apply* node = apply_of(apply.ptr());
  if (index < 0 || index >= node->nout()) {
    fail(ErrorKind::index, "the node has ", node->nout(), " outputs, no number ", index);
  }
  if (!name.is_none()) node->output(index)->name = py::cast<std::string>(name);
  return wrapped(node->out(index));
}

// `types`: of the outputs, if the op is written in Python.
py::object apply_node(py::handle op, py::handle inputs, const py::object& types) {
  const UserLocation here;
  std::vector<Var> operands = vars_from(inputs);
  Ref<Apply> node;
  if (types.is_none()) {
    node = Apply::create(op_from(op), std::move(operands));
  } else {
    std::vector<Type> results;
    for (py::handle t : types) results.push_back(type_from_python(t));
    if (!is_python_op(op)) fail(ErrorKind::type, "an op written in Python is needed");
    Ref<const Op> python = make_python_op(op, operands, results);
    node = Apply::create(std::move(python), std::move(operands), std::move(results));
  }
  return py::reinterpret_steal<py::object>(wrap(node.get()));
}

}  // namespace

py::object reduce_variable(PyObject* self) {
  const Variable* v = node_of(self);
  const VariableObject* handle = reinterpret_cast<VariableObject*>(self);
  const py::object state = state_of(handle->dict);
  if (v->is_constant()) {
    return py::make_tuple(core("constant"),
                          py::make_tuple(numpy_copy(v->constant().view()), name_of(*v)), state);
  }
  if (v->is_shared()) fail(ErrorKind::type, "this shared variable cannot be pickled");
  const py::object object = py::reinterpret_borrow<py::object>(self);
  if (v->owner()) {
    return py::make_tuple(core("_output_of"),
                          py::make_tuple(object.attr("owner"), v->index(), name_of(*v)), state);
  }
  return py::make_tuple(core("_plain_variable"),
                        py::make_tuple(py::type::of(object), object.attr("type"), name_of(*v)),
                        state);
}

py::object reduce_apply(PyObject* self) {
  const Apply* node = apply_of(self);
  const py::object object = py::reinterpret_borrow<py::object>(self);
  py::object types = py::none();
  if (python_op_of(*node)) {
    py::list list;
    for (int o = 0; o < node->nout(); ++o) list.append(type_to_python(node->output(o)->type()));
    types = list;
  }
  return py::make_tuple(core("_apply_node"),
                        py::make_tuple(object.attr("op"), object.attr("inputs"), types),
                        state_of(reinterpret_cast<ApplyObject*>(self)->dict));
}

py::object reduce_op(const Ref<const Op>& op) {
  // Rules in Python are no attribute.
  const py::object owner = rules_owner(*op);
  if (!owner.is_none())
    return py::make_tuple(py::module_::import("phintys.compile.builders").attr("_core_op"),
                          py::make_tuple(owner));
  return py::make_tuple(core("_op_from_dict"), py::make_tuple(op->name(), attributes_dict(*op)));
}

void bind_pickle(py::module_& m) {
  m.def("_plain_variable", &plain_variable);
  m.def("_output_of", &output_of);
  m.def("_apply_node", &apply_node, py::arg("op"), py::arg("inputs"),
        py::arg("types") = py::none());
  m.def("_op_from_dict", [](const std::string& name, const py::dict& attrs) {
    return op_to_python(op_from_kwargs(name, py::kwargs(attrs)));
  });
}

}  // namespace phintys::python
