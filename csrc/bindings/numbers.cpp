#include "bindings/numbers.h"

#include <array>
#include <cstring>

#include "base/hash.h"
#include "ops/build.h"
#include "ops/elementwise/table.h"

namespace phintys::python {

namespace {

struct Number {
  PyTypeObject* type = nullptr;  // null: any bits are no number's
  uint64_t bits = 0;
  bool operator==(const Number& o) const { return type == o.type && bits == o.bits; }
};

// The converter is Python code and takes microseconds; programs use few different numbers.
struct Entry {
  Number number;
  Array value;
};
std::array<Entry, 256> g_numbers;
bool g_narrow_policy = false;

// Instances of int and float themselves: subclasses may mean anything.
bool number_of(PyObject* object, Number* out) {
  if (PyFloat_CheckExact(object)) {
    const double value = PyFloat_AS_DOUBLE(object);
    std::memcpy(&out->bits, &value, sizeof value);
    out->type = &PyFloat_Type;
    return true;
  }
  if (!PyLong_CheckExact(object)) return false;
  int overflow = 0;
  out->bits = static_cast<uint64_t>(PyLong_AsLongLongAndOverflow(object, &overflow));
  out->type = &PyLong_Type;
  return overflow == 0;
}

}  // namespace

void forget_numbers() { g_numbers.fill(Entry{}); }

Var operand_from(py::handle object, std::vector<py::object>* keep) {
  if (is_variable(object.ptr())) return Var(node_of(object.ptr()));
  Number number;
  if (!number_of(object.ptr(), &number)) {
    keep->push_back(convert(object));
    return Var(node_of(keep->back().ptr()));
  }
  const bool real = number.type == &PyFloat_Type;
  Entry& entry = g_numbers[hash_combine(real, number.bits) % g_numbers.size()];
  if (entry.number == number) return make_constant(entry.value);
  Var made = var_from(object);
  if (made->is_constant()) entry = {number, made->constant()};
  return made;
}

void set_narrow_policy(bool on) { g_narrow_policy = on; }

void apply_cast_policy(int op, std::vector<Var>* operands) {
  if (!g_narrow_policy || graph_config().floatX != DType::f32 || op < 0) return;
  const DTypeRule rule = ops::elementwise_info(op).rule;
  const bool select = rule == DTypeRule::select;
  if (!select && rule != DTypeRule::upcast && rule != DTypeRule::upcast_nobool &&
      rule != DTypeRule::true_div) {
    return;
  }
  const size_t first = select ? 1 : 0;
  if (operands->size() < first + 2) return;
  DType promoted = (*operands)[first].dtype();
  for (size_t i = first; i < operands->size(); ++i) {
    const DType d = (*operands)[i].dtype();
    if (d == DType::f64) return;
    promoted = promote(promoted, d);
  }
  if (promoted != DType::f64) return;
  for (size_t i = first; i < operands->size(); ++i) {
    if (is_discrete((*operands)[i].dtype())) (*operands)[i] = cast((*operands)[i], DType::f32);
  }
}

}  // namespace phintys::python
