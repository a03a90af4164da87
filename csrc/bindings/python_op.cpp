#include "bindings/python_op.h"

#include "autodiff/forward.h"
#include "bindings/handles.h"
#include "bindings/ops.h"
#include "bindings/types.h"
#include "graph/traverse.h"
#include "ops/build.h"

namespace phintys::python {

namespace {

PyObject* g_op_class = nullptr;  // registered; never freed

thread_local std::vector<py::object>* t_kept = nullptr;

// Results up to this size are copied: memory of our own costs less than a reference that is dropped
// with the GIL held.
constexpr int64_t kCopyBytes = 4096;

// Runs Python code from C++ that holds no GIL, or may not; a Python exception becomes an Error that
// stands for it.
template <class F>
auto in_python(F&& f) {
  const py::gil_scoped_acquire gil;
  const Unreported unreported;
  try {
    return f();
  } catch (py::error_already_set& e) {
    throw_as_error(e);
  } catch (const py::builtin_exception& e) {
    e.set_error();
    py::error_already_set error;
    throw_as_error(error);
  }
}

void keep(const py::object& object) {
  if (t_kept) t_kept->push_back(object);
}

bool truth(const py::object& object) {
  const int r = PyObject_IsTrue(object.ptr());
  if (r < 0) throw py::error_already_set();
  return r != 0;
}

std::vector<Type> types_of(std::span<const Var> variables) {
  std::vector<Type> types;
  for (const Var& v : variables) types.push_back(v.type());
  return types;
}

// Variables like those of a node, for Python code to look at: handles on the nodes of a graph that
// passes work on would let it change them.
std::vector<Var> stand_ins(std::span<const Var> variables) {
  std::vector<Var> out;
  for (const Var& v : variables)
    out.push_back(v->is_constant() ? make_constant(v->constant())
                                   : make_variable(v.type(), v->name));
  return out;
}

// Variables of a list of handles, None for a null one.
std::vector<Var> optional_vars(const py::object& list) {
  std::vector<Var> out;
  for (py::handle item : list) out.push_back(item.is_none() ? Var() : Var(node_of(item.ptr())));
  return out;
}

// The base of arrays given to perform(), on memory of the library's: blocks are used again, where
// fresh memory from the system would cost more than the copy.
constexpr const char* kOperandCapsule = "phintys.operand";

py::array operand_array(const Array& array) {
  const py::capsule base(new Ref<Buffer>(array.buffer()), kOperandCapsule,
                         [](void* p) { delete static_cast<Ref<Buffer>*>(p); });
  return numpy_borrowed(array.view(), base);
}

// True iff nothing but `array` can reach its memory, so that it may change hands.
bool sole_owner(const py::array& array) {
  if (!array.writeable()) return false;
  PyObject* at = array.ptr();
  while (Py_REFCNT(at) == 1) {
    if (PyCapsule_IsValid(at, kOperandCapsule)) return true;
    if (!py::isinstance<py::array>(at)) return false;
    const auto* fields = py::detail::array_proxy(at);
    if (fields->flags & py::detail::npy_api::NPY_ARRAY_OWNDATA_) return true;
    at = fields->base;
    if (!at) return false;
  }
  return false;
}

}  // namespace

// --- life --------------------------------------------------------------------------------------

PythonOp::PythonOp(py::handle object, std::span<const Var> inputs, std::vector<Type> outputs)
    : object_(object.ptr()), input_types_(types_of(inputs)), output_types_(std::move(outputs)) {
  for (const Var& v : inputs) constants_.push_back(v->constant());
  const auto flag = [&](const char* name) { return truth(object.attr(name)()); };
  has_pattern_ = py::hasattr(object, "connection_pattern");
  has_shape_ = flag("_op_has_shapes");
  has_forward_ = flag("_op_has_tangents");
  has_params_ = flag("_op_has_params");
  Py_hash_t h = PyObject_Hash(object_);
  if (h == -1) {
    // Equal without a hash: its class has one.
    if (!PyErr_ExceptionMatches(PyExc_TypeError)) throw py::error_already_set();
    PyErr_Clear();
    h = PyObject_Hash(reinterpret_cast<PyObject*>(Py_TYPE(object_)));
  }
  hash_ = hash_combine(hash_string(kName), static_cast<uint64_t>(h));
  Py_INCREF(object_);
}

PythonOp::PythonOp(const PythonOp& other)
    : Op(other),
      object_(other.object_),
      input_types_(other.input_types_),
      output_types_(other.output_types_),
      constants_(other.constants_),
      hash_(other.hash_),
      has_pattern_(other.has_pattern_),
      has_shape_(other.has_shape_),
      has_forward_(other.has_forward_),
      has_params_(other.has_params_) {
  Py_INCREF(object_);
}

PythonOp::~PythonOp() {
  if (!Py_IsInitialized()) return;  // too late to drop Python references
  const PyGILState_STATE state = PyGILState_Ensure();
  release(std::exchange(node_, nullptr));
  release(std::exchange(object_, nullptr));
  drain_released();
  PyGILState_Release(state);
}

void PythonOp::remove_holder(PyObject* handle) const { std::erase(holders_, handle); }

int PythonOp::traverse(PyObject* handle, visitproc visit, void* arg) const {
  if (holders_.size() != ref_count() || holders_.front() != handle) return 0;
  Py_VISIT(object_);
  Py_VISIT(node_);
  return 0;
}

// --- what an op is -----------------------------------------------------------------------------

bool PythonOp::equal(const Op& other) const {
  const PythonOp* o = dynamic_cast<const PythonOp*>(&other);
  if (!o || output_types_ != o->output_types_) return false;
  if (object_ == o->object_) return true;
  return in_python([&] {
    const int r = PyObject_RichCompareBool(object_, o->object_, Py_EQ);
    if (r < 0) throw py::error_already_set();
    return r != 0;
  });
}

const char* PythonOp::summary() const {
  const py::gil_scoped_acquire gil;
  if (!summary_.empty()) return summary_.c_str();
  try {
    const py::type cls = py::type::of(self());
    const std::string text =
        py::cast<std::string>(py::str("class {}.{}, written in Python")
                                  .format(cls.attr("__module__"), cls.attr("__qualname__")));
    if (summary_.empty()) summary_ = text;
  } catch (py::error_already_set&) {
    return "written in Python";
  }
  return summary_.c_str();
}

std::string PythonOp::str() const {
  const py::gil_scoped_acquire gil;
  try {
    return py::cast<std::string>(py::str(self()));
  } catch (py::error_already_set&) {  // a text for a message must not fail
    return Py_TYPE(object_)->tp_name;
  }
}

std::vector<Type> PythonOp::infer(std::span<const Var> inputs) const {
  if (types_of(inputs) == input_types_) return output_types_;
  return in_python([&] {
    const std::vector<Var> operands = stand_ins(inputs);
    const py::object node = self().attr("make_node")(*py::tuple(wrapped_list(operands)));
    std::vector<Type> types;
    const Apply* apply = apply_of(node.ptr());
    for (int i = 0; i < apply->nout(); ++i) types.push_back(apply->output(i)->type());
    if (types.size() != output_types_.size()) {
      fail(ErrorKind::type, str(), ".make_node made ", types.size(), " outputs, of other inputs ",
           output_types_.size());
    }
    return types;
  });
}

void PythonOp::layout(std::span<const TensorView>, std::span<Layout>) const {
  fail(ErrorKind::internal, str(), ": only running it tells the shapes of its outputs");
}

// --- gradients ---------------------------------------------------------------------------------

std::vector<Var> PythonOp::gradients(const GradArgs& args) const {
  py::list slopes;
  for (const Var& g : args.grads) slopes.append(wrapped(g ? g : disconnected_grad_value()));
  const py::object terms =
      self().attr("_op_gradients")(wrapped_list(args.inputs), wrapped_list(args.outputs), slopes);
  keep(terms);
  return optional_vars(terms);
}

std::vector<Var> PythonOp::grad(const GradArgs& args) const {
  try {
    return in_python([&] { return gradients(args); });
  } catch (const Error& e) {
    const std::string what = e.what();
    if (what.find("Apply node that caused the error") != std::string::npos) throw;
    std::string text = what + "\nApply node that caused the error: " + args.node.describe();
    if (args.node.loc) text += "\nBuilt at: " + to_string(args.node.loc);
    throw Error(e.kind(), text);
  }
}

void PythonOp::load_pattern() const {
  std::vector<uint8_t> pattern;
  const py::object rows = self().attr("connection_pattern")(node_handle());
  for (py::handle row : rows)
    for (py::handle entry : row)
      pattern.push_back(truth(py::reinterpret_borrow<py::object>(entry)));
  if (pattern.size() != input_types_.size() * output_types_.size()) {
    fail(ErrorKind::value, str(), ".connection_pattern: one list for each of ", input_types_.size(),
         " inputs, of one truth value for each of ", output_types_.size(), " outputs, is needed");
  }
  pattern_ = std::move(pattern);
}

bool PythonOp::connected(int in, int out) const {
  if (!has_pattern_) return true;
  return in_python([&] {
    if (pattern_.empty()) load_pattern();
    return pattern_[static_cast<size_t>(in) * output_types_.size() + static_cast<size_t>(out)] != 0;
  });
}

std::optional<std::vector<Var>> PythonOp::forward(const Apply& node,
                                                  std::span<const Var> points) const {
  if (!has_forward_) return std::nullopt;
  return in_python([&] {
    const py::object tangents = self().attr("_op_tangents")(
        wrapped_list(node.inputs()), wrapped_list(points), output_types_.size());
    keep(tangents);
    return std::optional(optional_vars(tangents));
  });
}

// --- shapes ------------------------------------------------------------------------------------

// The rule is asked about a node of stand-ins; what it says is then written in terms of the graph.
std::vector<std::vector<Var>> PythonOp::shapes(const Apply& node) const {
  VarMap map;
  const std::vector<Var> operands = stand_ins(node.inputs());
  py::tuple lengths(node.inputs().size());
  for (size_t i = 0; i < node.inputs().size(); ++i) {
    const Var& v = node.inputs()[i];
    map[operands[i].get()] = v;
    py::tuple dims(v.ndim());
    for (int d = 0; d < v.ndim(); ++d) {
      Var length = shape_i(v, d);
      if (!length->is_constant()) {
        const Var stand_in = make_variable(Type::scalar(DType::i64));
        map[stand_in.get()] = std::exchange(length, stand_in);
      }
      dims[static_cast<size_t>(d)] = wrapped(length);
    }
    lengths[i] = dims;
  }
  std::vector<Type> types;
  for (int o = 0; o < node.nout(); ++o) types.push_back(node.output(o)->type());
  const Ref<Apply> like = Apply::create(copy(), operands, types);
  const py::object handle = py::reinterpret_steal<py::object>(wrap(like.get()));
  const py::object lists = self().attr("_op_shapes")(handle, lengths);
  std::vector<Var> flat;
  std::vector<size_t> counts;
  for (py::handle list : lists) {
    const std::vector<Var> dims = optional_vars(py::reinterpret_borrow<py::object>(list));
    counts.push_back(dims.size());
    flat.insert(flat.end(), dims.begin(), dims.end());
  }
  flat = clone_graph(flat, map);
  std::vector<std::vector<Var>> result;
  size_t first = 0;
  for (size_t n : counts) {
    const auto at = flat.begin() + static_cast<std::ptrdiff_t>(first);
    result.emplace_back(at, at + static_cast<std::ptrdiff_t>(n));
    first += n;
  }
  return result;
}

std::vector<std::vector<Var>> PythonOp::infer_shape(const Apply& node) const {
  if (!has_shape_) return {};
  return in_python([&] { return shapes(node); });
}

// --- running -----------------------------------------------------------------------------------

py::object PythonOp::node_handle() const {
  if (!node_) {
    std::vector<Var> operands;
    for (size_t i = 0; i < input_types_.size(); ++i)
      operands.push_back(constants_[i] ? make_constant(constants_[i])
                                       : make_variable(input_types_[i]));
    const Ref<Apply> like = Apply::create(copy(), operands, output_types_);
    PyObject* handle = wrap(like.get());
    if (node_) {  // another thread was faster
      Py_DECREF(handle);
    } else {
      node_ = handle;
    }
  }
  return py::reinterpret_borrow<py::object>(node_);
}

Array PythonOp::output_from(size_t output, py::object value) const {
  const Type& type = output_types_[output];
  if (type.is_generic()) return array_of_object(std::move(value));
  bool fits = Py_TYPE(value.ptr()) == py::detail::npy_api::get().PyArray_Type_;
  if (fits) {
    const py::array a = py::reinterpret_borrow<py::array>(value);
    fits = a.ndim() == type.ndim() && a.dtype().equal(numpy_dtype(type.dtype()));
  }
  if (!fits) value = self().attr("_op_output")(value, output, type_to_python(type));
  const py::array array = py::reinterpret_steal<py::array>(value.release());
  return array_from_numpy(array, sole_owner(array) && array.nbytes() > kCopyBytes);
}

void PythonOp::perform(std::vector<Array> inputs, std::span<Array> outputs) const {
  const py::object node = node_handle();
  py::list values(inputs.size()), storage(outputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    values[i] = input_types_[i].is_generic() ? object_at(inputs[i].view())
                                             : py::object(operand_array(inputs[i]));
  }
  inputs.clear();
  for (size_t o = 0; o < outputs.size(); ++o) {
    py::list cell(1);
    cell[0] = py::none();
    storage[o] = cell;
  }
  if (has_params_) {
    self().attr("perform")(node, values, storage, self().attr("_op_params")(node));
  } else {
    self().attr("perform")(node, values, storage);
  }
  values = py::list();
  for (size_t o = 0; o < outputs.size(); ++o) {
    const py::list cell(py::object(storage[o]));
    py::object value = cell[0];
    cell[0] = py::none();
    if (value.is_none() && !output_types_[o].is_generic()) {
      fail(ErrorKind::value, str(), ": perform left output ", o, " empty (None)");
    }
    outputs[o] = output_from(o, std::move(value));
  }
}

void PythonOp::evaluate(PerformContext&, std::span<const TensorView> inputs,
                        std::span<Array> outputs) const {
  // Arrays of its own: the op may keep them, overwrite them (destroy_map) or return views of them.
  // Copied before the GIL is taken.
  std::vector<Array> operands;
  for (const TensorView& v : inputs) operands.push_back(Array::copy_of(v));
  in_python([&] { perform(std::move(operands), outputs); });
}

// --- for other files ---------------------------------------------------------------------------

bool is_python_op(py::handle object) {
  return g_op_class &&
         PyType_IsSubtype(Py_TYPE(object.ptr()), reinterpret_cast<PyTypeObject*>(g_op_class));
}

const PythonOp* python_op_of(const Apply& node) {
  return node.op().opaque() ? dynamic_cast<const PythonOp*>(&node.op()) : nullptr;
}

Ref<const Op> make_python_op(py::handle object, std::span<const Var> inputs,
                             std::vector<Type> outputs) {
  return make_ref<PythonOp>(object, inputs, std::move(outputs));
}

KeepHandles::KeepHandles() : outer_(t_kept) { t_kept = &kept_; }
KeepHandles::~KeepHandles() { t_kept = outer_; }

void bind_python_ops(py::module_& m) {
  m.def(
      "set_python_op_class",
      [](const py::type& cls) { Py_XSETREF(g_op_class, cls.inc_ref().ptr()); }, py::arg("cls"),
      "Register the base class of ops written in Python.");
  autodiff::set_forward_rule({[](const Op& op) {
                                const auto* p = dynamic_cast<const PythonOp*>(&op);
                                return p && p->has_forward();
                              },
                              [](const Apply& node, std::span<const Var> points) {
                                return python_op_of(node)->forward(node, points).value();
                              }});
}

}  // namespace phintys::python
