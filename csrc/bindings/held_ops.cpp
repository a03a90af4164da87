#include "bindings/held_ops.h"

#include <algorithm>

#include "bindings/function.h"
#include "bindings/python_op.h"
#include "runtime/program.h"

namespace phintys::python {

HeldOps::HeldOps(PyObject* self, const runtime::Function& function) : self_(self) {
  add(function.graph());
  std::vector<const runtime::Program*> open{&function.program()};
  while (!open.empty()) {
    const runtime::Program& program = *open.back();
    open.pop_back();
    add(*program.graph);
    for (const runtime::Instruction& instr : program.instructions)
      for (const auto& inner : instr.inner) open.push_back(inner.get());
  }
}

HeldOps::~HeldOps() {
  for (const PythonOp* op : ops_) op->remove_holder(self_);
}

void HeldOps::add(const Graph& graph) {
  for (size_t i = 0; i < graph.num_node_slots(); ++i) {
    const Apply* node = graph.node_at(i);
    const PythonOp* op = node ? python_op_of(*node) : nullptr;
    if (!op) continue;
    op->add_holder(self_);
    if (std::find(ops_.begin(), ops_.end(), op) != ops_.end()) continue;
    ops_.push_back(op);
    for (py::object& object : op->objects()) objects_.push_back(std::move(object));
  }
}

int HeldOps::traverse(visitproc visit, void* arg) const {
  for (const py::object& object : objects_) Py_VISIT(object.ptr());
  for (const PythonOp* op : ops_)
    if (const int stop = op->traverse(self_, visit, arg)) return stop;
  return 0;
}

namespace {

int traverse_function(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  auto place = reinterpret_cast<py::detail::instance*>(self)->get_value_and_holder();
  if (!place.holder_constructed()) return 0;
  const FunctionObject* object = place.value_ptr<FunctionObject>();
  return object && object->held ? object->held->traverse(visit, arg) : 0;
}

int clear_function(PyObject* self) {
  auto place = reinterpret_cast<py::detail::instance*>(self)->get_value_and_holder();
  if (!place.holder_constructed()) return 0;
  const FunctionObject* object = place.value_ptr<FunctionObject>();
  if (object && object->held) object->held->clear();
  return 0;
}

}  // namespace

void collect_functions(PyHeapTypeObject* type) {
  type->ht_type.tp_flags |= Py_TPFLAGS_HAVE_GC;
  type->ht_type.tp_traverse = &traverse_function;
  type->ht_type.tp_clear = &clear_function;
}

py::object function_object(Ref<runtime::Function> function) {
  py::object object = py::cast(FunctionObject{std::move(function), nullptr});
  FunctionObject& made = py::cast<FunctionObject&>(object);
  made.held = std::make_shared<HeldOps>(object.ptr(), *made.function);
  return object;
}

}  // namespace phintys::python
