#include "bindings/ops.h"

#include <set>

#include <pybind11/stl.h>

#include "bindings/handles.h"
#include "bindings/inner_graph.h"
#include "bindings/numbers.h"
#include "bindings/pickle.h"
#include "bindings/python_op.h"
#include "ops/build.h"
#include "ops/control/scan.h"
#include "ops/elementwise/table.h"
#include "ops/elemwise.h"
#include "ops/reference.h"
#include "ops/registry.h"
#include "passes/pass.h"

namespace phintys::python {

namespace {

PyObject* g_op_factory = nullptr;

std::string class_name(py::handle object) { return Py_TYPE(object.ptr())->tp_name; }

// Attributes of an op as a dict.
class DictVisitor final : public AttrVisitor {
 public:
  py::dict dict;
  void value(const char* name, bool v) override { dict[name] = v; }
  void value(const char* name, int64_t v) override { dict[name] = v; }
  void value(const char* name, double v) override { dict[name] = v; }
  void value(const char* name, const std::string& v) override { dict[name] = v; }
  void value(const char* name, const std::vector<int64_t>& v) override {
    py::list list;
    for (int64_t x : v) list.append(x);
    dict[name] = list;
  }
  void value(const char* name, DType v) override { dict[name] = dtype_str(v); }
  void value(const char* name, const Ref<const InnerGraph>& v) override {
    dict[name] = py::cast(InnerGraphObject{v});
  }
};

// Attributes of an op from keyword arguments.
class KwargsReader final : public AttrReader {
 public:
  KwargsReader(const std::string& op, const py::kwargs& kwargs) : op_(op), kwargs_(kwargs) {}

  void read(const char* name, bool* v) override {
    const py::object x = get(name);
    const int truth = PyObject_IsTrue(x.ptr());
    if (truth < 0) throw py::error_already_set();
    *v = truth != 0;
  }
  void read(const char* name, int64_t* v) override { *v = integer(name, get(name)); }
  void read(const char* name, double* v) override {
    const py::object x = get(name);
    *v = PyFloat_AsDouble(x.ptr());
    if (PyErr_Occurred()) bad(name, "a number", x);
  }
  void read(const char* name, std::string* v) override {
    const py::object x = get(name);
    if (!py::isinstance<py::str>(x)) bad(name, "a string", x);
    *v = py::cast<std::string>(x);
  }
  void read(const char* name, std::vector<int64_t>* v) override {
    const py::object x = get(name);
    if (!py::isinstance<py::sequence>(x) || py::isinstance<py::str>(x)) {
      bad(name, "a list of integers", x);
    }
    v->clear();
    for (py::handle item : x) v->push_back(integer(name, py::reinterpret_borrow<py::object>(item)));
  }
  void read(const char* name, DType* v) override { *v = dtype_from_python(get(name)); }
  void read(const char* name, Ref<const InnerGraph>* v) override {
    const py::object x = get(name);
    if (!py::isinstance<InnerGraphObject>(x)) bad(name, "an InnerGraph", x);
    *v = x.cast<const InnerGraphObject&>().graph;
  }

  // Refuses arguments that the op did not ask for.
  void finish() const {
    for (auto [key, value] : kwargs_) {
      const std::string name = py::cast<std::string>(key);
      if (!used_.count(name)) fail(ErrorKind::type, "op ", op_, " has no attribute '", name, "'");
    }
  }

 private:
  py::object get(const char* name) {
    if (!kwargs_.contains(name)) {
      fail(ErrorKind::type, "op ", op_, " needs the attribute '", name, "'");
    }
    used_.insert(name);
    return kwargs_[name];
  }
  int64_t integer(const char* name, const py::object& x) {
    py::object index = py::reinterpret_steal<py::object>(PyNumber_Index(x.ptr()));
    if (!index) bad(name, "an integer", x);
    const long long v = PyLong_AsLongLong(index.ptr());
    if (v == -1 && PyErr_Occurred()) bad(name, "a 64-bit integer", x);
    return v;
  }
  [[noreturn]] void bad(const char* name, const char* wanted, const py::object& x) {
    PyErr_Clear();
    fail(ErrorKind::type, "attribute '", name, "' of op ", op_, " must be ", wanted,
         ", not an object of class ", class_name(x));
  }

  const std::string& op_;
  const py::kwargs& kwargs_;
  std::set<std::string> used_;
};

const char* rule_name(DTypeRule rule) {
  switch (rule) {
    case DTypeRule::upcast:
      return "upcast";
    case DTypeRule::upcast_real:
      return "upcast_real";
    case DTypeRule::upcast_nobool:
      return "upcast_nobool";
    case DTypeRule::to_float:
      return "to_float";
    case DTypeRule::float_only:
      return "float_only";
    case DTypeRule::discrete_only:
      return "discrete_only";
    case DTypeRule::true_div:
      return "true_div";
    case DTypeRule::compare:
      return "compare";
    case DTypeRule::predicate:
      return "predicate";
    case DTypeRule::select:
      return "select";
    case DTypeRule::second:
      return "second";
    case DTypeRule::to_int64:
      return "to_int64";
    case DTypeRule::make_complex:
      return "make_complex";
  }
  return "";
}

const char* domain_name(Domain domain) {
  switch (domain) {
    case Domain::numeric:
      return "numeric";
    case Domain::floating:
      return "floating";
    case Domain::discrete:
      return "discrete";
    case Domain::numeric_nobool:
      return "numeric_nobool";
    case Domain::none:
      return "none";
  }
  return "";
}

py::list elementwise_ops() {
  py::list out;
  for (int i = 0; i < ops::elementwise_count(); ++i) {
    const ElementwiseInfo& info = ops::elementwise_info(i);
    py::dict d;
    d["name"] = info.name;
    d["arity"] = info.arity;
    d["summary"] = info.summary ? info.summary : "";
    d["numpy"] = info.numpy ? py::object(py::str(info.numpy)) : py::none();
    d["rule"] = rule_name(info.rule);
    d["domain"] = domain_name(info.domain);
    d["complex"] = info.complex != ComplexUse::none;
    d["version"] = info.version;
    d["internal"] = info.internal;
    d["zero_grad"] = info.zero_grad;
    d["test_low"] = info.test_low;
    d["test_high"] = info.test_high;
    d["heavy"] = info.heavy;
    d["commutative"] = info.commutative;
    d["associative"] = info.associative;
    out.append(d);
  }
  return out;
}

py::object outputs_of(std::vector<Var> outputs) {
  if (outputs.size() == 1) return wrapped(outputs[0]);
  return wrapped_list(outputs);
}

py::object call_op(const Ref<const Op>& op, py::handle inputs) {
  // Handles of converted operands must live until the result's edges hold them.
  py::list handles;
  for (py::handle item : inputs) {
    handles.append(is_variable(item.ptr()) ? py::reinterpret_borrow<py::object>(item)
                                           : convert(item));
  }
  const UserLocation here;
  return outputs_of(apply_multi(op, vars_from(handles)));
}

// elemwise(name, *inputs): most calls that build an expression come through here.
PyObject* elemwise_call(PyObject*, PyObject* const* args, Py_ssize_t n) {
  return guarded<PyObject*>(nullptr, [&] {
    if (n < 1 || !PyUnicode_Check(args[0])) {
      fail(ErrorKind::type, "elemwise(name, *inputs): the name of an operator is needed");
    }
    Py_ssize_t size = 0;
    const char* name = PyUnicode_AsUTF8AndSize(args[0], &size);
    if (!name) throw py::error_already_set();
    const UserLocation here;
    std::vector<py::object> keep;
    std::vector<Var> inputs;
    inputs.reserve(static_cast<size_t>(n - 1));
    for (Py_ssize_t i = 1; i < n; ++i) inputs.push_back(operand_from(args[i], &keep));
    const std::string_view op(name, static_cast<size_t>(size));
    apply_cast_policy(ops::elementwise_index(op), &inputs);
    return wrap(elemwise(op, std::move(inputs)).get());
  });
}

void bind_op_class(py::module_& m) {
  py::class_<OpObject>(m, "Op", py::dynamic_attr(), "An operator: a name and attributes.")
      .def(py::init([](const OpObject& other) { return OpObject{other.op}; }), py::arg("op"))
      .def_property_readonly(
          "name", [](const OpObject& o) { return o.op->name(); },
          "The key of the op's kind, as saved files have it.")
      .def_property_readonly(
          "summary", [](const OpObject& o) { return o.op->summary(); },
          "What the op computes, in a line.")
      .def_property_readonly(
          "version", [](const OpObject& o) { return o.op->version(); },
          "The version of the op's attributes in saved files.")
      .def_property_readonly(
          "attrs", [](const OpObject& o) { return attributes_dict(*o.op); },
          "The attributes, a dict.")
      .def("__str__", [](const OpObject& o) { return o.op->str(); })
      .def("__repr__", [](const OpObject& o) { return o.op->str(); })
      .def("__hash__",
           [](const OpObject& o) { return static_cast<py::ssize_t>(o.op->hash() >> 2); })
      .def("__eq__",
           [](const OpObject& a, py::handle b) {
             return py::isinstance<OpObject>(b) && a.op->equal(*py::cast<const OpObject&>(b).op);
           })
      .def("__ne__",
           [](const OpObject& a, py::handle b) {
             return !py::isinstance<OpObject>(b) || !a.op->equal(*py::cast<const OpObject&>(b).op);
           })
      .def("__reduce__", [](const OpObject& o) { return reduce_op(o.op); })
      .def("__call__",
           [](const OpObject& o, const py::args& inputs) { return call_op(o.op, inputs); });
}

}  // namespace

Ref<const Op> op_from(py::handle object) {
  if (is_python_op(object)) {
    fail(ErrorKind::type, "the library's own op is needed here, not one written in Python: ",
         py::cast<std::string>(py::str(object)));
  }
  if (!py::isinstance<OpObject>(object)) {
    fail(ErrorKind::type, "an op is needed, not an object of class ", class_name(object));
  }
  return py::cast<const OpObject&>(object).op;
}

py::dict attributes_dict(const Op& op) {
  DictVisitor visitor;
  op.visit(visitor);
  return visitor.dict;
}

py::object op_to_python(const Ref<const Op>& op) {
  if (const auto* python = dynamic_cast<const PythonOp*>(op.get()))
    return py::reinterpret_borrow<py::object>(python->object());
  py::object core = py::cast(OpObject{op});
  return g_op_factory ? py::handle(g_op_factory)(core) : core;
}

Ref<const Op> op_from_kwargs(const std::string& name, const py::kwargs& attrs) {
  KwargsReader reader(name, attrs);
  Ref<const Op> op = make_op(name, 1, reader);
  reader.finish();
  return op;
}

void bind_ops(py::module_& m) {
  bind_op_class(m);
  m.def(
      "set_op_factory",
      [](py::object factory) {
        if (!PyCallable_Check(factory.ptr())) throw py::type_error("the factory must be callable");
        Py_XDECREF(std::exchange(g_op_factory, factory.inc_ref().ptr()));
      },
      py::arg("factory"),
      "Register what Apply.op shows for an operator made by the library: factory(core_op) returns "
      "core_op or an instance of a subclass, made by Subclass(core_op).");
  m.def(
      "make_op",
      [](const std::string& name, const py::kwargs& attrs) {
        return op_to_python(op_from_kwargs(name, attrs));
      },
      py::arg("name"), py::pos_only(), "Make an operator from its name and attributes.");
  m.def(
      "apply",
      [](const std::string& name, py::handle inputs, const py::kwargs& attrs) {
        return call_op(op_from_kwargs(name, attrs), inputs);
      },
      py::arg("op_name"), py::arg("inputs"), py::pos_only(),
      "Apply an operator given by name and attributes: its output, or a list if it has several.");
  m.def(
      "loop_op",
      [](const std::string& pipeline, const std::vector<std::string>& excluded, bool fuse,
         const std::string& profile, const py::kwargs& attrs) {
        LoopSettings settings{pipeline, excluded, fuse, profile};
        if (settings.own_passes()) check_passes(settings.pipeline, settings.excluded);
        const Ref<const Op> plain = op_from_kwargs(Scan::kName, attrs);
        return op_to_python(static_cast<const Scan&>(*plain).with_settings(std::move(settings)));
      },
      py::arg("pipeline"), py::arg("excluded"), py::arg("fuse"), py::arg("profile"),
      "Make the op of a loop whose body goes through passes of its own (pipeline '': those of the "
      "function), and is measured under the name `profile` ('': if the function is).");
  m.def(
      "loop_settings",
      [](py::handle object) -> py::object {
        const Ref<const Op> op = op_from(object);
        const Scan* scan = dynamic_cast<const Scan*>(op.get());
        if (!scan) fail(ErrorKind::type, "the op of a loop is needed");
        if (!scan->settings) return py::none();
        const LoopSettings& s = *scan->settings;
        return py::make_tuple(s.pipeline, s.excluded, s.fuse, s.profile);
      },
      py::arg("op"), "(pipeline, excluded, fuse, profile) as loop_op() was given, or None.");
  m.def(
      "apply_op",
      [](py::handle op, py::handle inputs) -> py::object {
        if (is_python_op(op)) return op(*py::tuple(py::reinterpret_borrow<py::object>(inputs)));
        return call_op(op_from(op), inputs);
      },
      py::arg("op"), py::arg("inputs"), "Apply an operator: its output, or a list of several.");
  static PyMethodDef elemwise_method = {
      "elemwise", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(&elemwise_call)),
      METH_FASTCALL, "Apply an elementwise operator by name."};
  m.attr("elemwise") = py::reinterpret_steal<py::object>(
      PyCFunction_NewEx(&elemwise_method, nullptr, m.attr("__name__").ptr()));
  m.def("elementwise_ops", &elementwise_ops, "What every elementwise operator declares.");
  m.def("ops_reference", &ops_reference, "The tables of docs/ops.md, from the registry.");
  m.def(
      "structural_ops",
      [] {
        py::list out;
        for (const OpEntry& entry : structural_ops()) out.append(entry.name);
        return out;
      },
      "Names of the operators that are not elementwise.");
}

}  // namespace phintys::python
