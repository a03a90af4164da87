// The operators of variables: straight from Python's number slots to the graph.
#include "bindings/handles.h"
#include "bindings/numbers.h"
#include "ops/build.h"
#include "ops/elemwise.h"

namespace phintys::python {

namespace {

// Registry numbers of the ops that operators use, looked up once.
struct Operators {
  int add, sub, mul, true_div, int_div, mod, pow, neg, abs, invert, and_, or_, xor_, lt, le, gt, ge;
};
Operators g_op;

// False: `object` is foreign to the converter (TypeError, cleared).
bool operand(PyObject* object, Var* out, std::vector<py::object>* keep) {
  if (is_variable(object)) {
    *out = Var(node_of(object));
    return true;
  }
  try {
    *out = operand_from(object, keep);
    return true;
  } catch (py::error_already_set& e) {
    if (!e.matches(PyExc_TypeError)) throw;
    return false;
  }
}

PyObject* not_implemented() { Py_RETURN_NOTIMPLEMENTED; }

PyObject* binary(int op, PyObject* a, PyObject* b) {
  return guarded<PyObject*>(nullptr, [&] {
    const UserLocation here;
    std::vector<py::object> keep;
    Var x, y;
    if (!operand(a, &x, &keep) || !operand(b, &y, &keep)) return not_implemented();
    std::vector<Var> operands{std::move(x), std::move(y)};
    apply_cast_policy(op, &operands);
    return wrap(elemwise(op, std::move(operands)).get());
  });
}

PyObject* unary(int op, PyObject* a) {
  return guarded<PyObject*>(nullptr, [&] {
    const UserLocation here;
    return wrap(elemwise(op, {Var(node_of(a))}).get());
  });
}

template <int Operators::* kOp>
PyObject* binary_slot(PyObject* a, PyObject* b) {
  return binary(g_op.*kOp, a, b);
}
template <int Operators::* kOp>
PyObject* unary_slot(PyObject* a) {
  return unary(g_op.*kOp, a);
}

PyObject* power_slot(PyObject* a, PyObject* b, PyObject* modulus) {
  if (modulus != Py_None) return not_implemented();
  return binary(g_op.pow, a, b);
}

PyObject* matmul_slot(PyObject* a, PyObject* b) {
  return guarded<PyObject*>(nullptr, [&] {
    const UserLocation here;
    std::vector<py::object> keep;
    Var x, y;
    if (!operand(a, &x, &keep) || !operand(b, &y, &keep)) return not_implemented();
    return wrap(dot(x, y).get());
  });
}

PyObject* positive_slot(PyObject* a) {
  Py_INCREF(a);
  return a;
}

template <class F>
void* slot(F* f) {
  return reinterpret_cast<void*>(f);
}

}  // namespace

PyType_Slot variable_number_slots[] = {
    {Py_nb_add, slot(binary_slot<&Operators::add>)},
    {Py_nb_subtract, slot(binary_slot<&Operators::sub>)},
    {Py_nb_multiply, slot(binary_slot<&Operators::mul>)},
    {Py_nb_true_divide, slot(binary_slot<&Operators::true_div>)},
    {Py_nb_floor_divide, slot(binary_slot<&Operators::int_div>)},
    {Py_nb_remainder, slot(binary_slot<&Operators::mod>)},
    {Py_nb_power, slot(power_slot)},
    {Py_nb_negative, slot(unary_slot<&Operators::neg>)},
    {Py_nb_positive, slot(positive_slot)},
    {Py_nb_absolute, slot(unary_slot<&Operators::abs>)},
    {Py_nb_invert, slot(unary_slot<&Operators::invert>)},
    {Py_nb_and, slot(binary_slot<&Operators::and_>)},
    {Py_nb_or, slot(binary_slot<&Operators::or_>)},
    {Py_nb_xor, slot(binary_slot<&Operators::xor_>)},
    {Py_nb_matrix_multiply, slot(matmul_slot)},
};
const int num_variable_number_slots = static_cast<int>(std::size(variable_number_slots));

PyObject* variable_richcompare(PyObject* a, PyObject* b, int op) {
  switch (op) {
    case Py_LT:
      return binary(g_op.lt, a, b);
    case Py_LE:
      return binary(g_op.le, a, b);
    case Py_GT:
      return binary(g_op.gt, a, b);
    case Py_GE:
      return binary(g_op.ge, a, b);
    case Py_EQ:
      if (a == b) Py_RETURN_TRUE;
      return not_implemented();  // Python then compares by identity
    default:
      if (a == b) Py_RETURN_FALSE;
      return not_implemented();
  }
}

int variable_bool(PyObject* self) {
  return guarded(-1, [&] {
    const Variable* v = node_of(self);
    const Elemwise* op = v->owner() ? as_elemwise(v->owner()->op()) : nullptr;
    if (op && !op->is_cast()) {
      const int i = op->index();
      if (i == g_op.lt || i == g_op.le || i == g_op.gt || i == g_op.ge) {
        PyErr_SetString(PyExc_TypeError, "Variables do not support boolean operations.");
        return -1;
      }
    }
    return 1;
  });
}

void init_operators() {
  const auto index = [](const char* name) { return Elemwise::get(name)->index(); };
  g_op = {index("add"),  index("sub"), index("mul"), index("true_div"), index("int_div"),
          index("mod"),  index("pow"), index("neg"), index("abs_"),     index("invert"),
          index("and_"), index("or_"), index("xor"), index("lt"),       index("le"),
          index("gt"),   index("ge")};
}

}  // namespace phintys::python
