// Ops that users write in Python: instances of the registered class (phintys.Op).
//
// Each application of such an op has a PythonOp of its own, which clones of the node share. It owns
// a reference on the Python object. The object may refer to variables, and so to the node, its
// handle and itself. For the garbage collector to see such a cycle, each handle that holds the
// edges of a node tells the node's PythonOp (handles.h); while nothing else shares the PythonOp,
// the first of them traverses what that owns.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "bindings/common.h"

namespace phintys::python {

class PythonOp final : public Op {
 public:
  static constexpr const char* kName = "python_op";

  // For a node of these operands and of results of these types. The GIL is held.
  PythonOp(py::handle object, std::span<const Var> inputs, std::vector<Type> outputs);
  ~PythonOp() override;

  PyObject* object() const { return object_; }
  const std::vector<Type>& output_types() const { return output_types_; }
  void add_holder(PyObject* handle) const { holders_.push_back(handle); }
  void remove_holder(PyObject* handle) const;
  int traverse(PyObject* handle, visitproc visit, void* arg) const;
  // What a holder must hold besides, so that it is found through each of them (new references).
  std::vector<py::object> objects() const {
    return {py::reinterpret_borrow<py::object>(object_), node_handle()};
  }
  // d outputs for given d inputs (null: zero), by the object's own rule; nothing if it has none.
  std::optional<std::vector<Var>> forward(const Apply& node, std::span<const Var> points) const;
  bool has_forward() const { return has_forward_; }

  const char* name() const override { return kName; }
  const char* summary() const override;  // names the class
  void visit(AttrVisitor&) const override {}
  bool equal(const Op& other) const override;
  uint64_t hash() const override { return hash_; }
  std::string str() const override;
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs& args) const override;
  bool connected(int in, int out) const override;
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  bool opaque() const override { return true; }
  void evaluate(PerformContext& context, std::span<const TensorView> inputs,
                std::span<Array> outputs) const override;

 private:
  PythonOp(const PythonOp& other);  // the same object and types
  Ref<const Op> copy() const { return Ref<const Op>(new PythonOp(*this)); }
  py::handle self() const { return object_; }
  py::object node_handle() const;
  void perform(std::vector<Array> inputs, std::span<Array> outputs) const;
  Array output_from(size_t output, py::object value) const;
  std::vector<Var> gradients(const GradArgs& args) const;
  std::vector<std::vector<Var>> shapes(const Apply& node) const;
  void load_pattern() const;

  PyObject* object_;
  std::vector<Type> input_types_, output_types_;
  std::vector<Array> constants_;  // by input; null for those that are none
  uint64_t hash_ = 0;
  bool has_pattern_ = false, has_shape_ = false, has_forward_ = false, has_params_ = false;
  // Made when first asked for, with the GIL held: an Apply like the user's, for perform(), and the
  // connection pattern, by input and output.
  mutable PyObject* node_ = nullptr;
  mutable std::vector<uint8_t> pattern_;
  mutable std::string summary_;
  mutable std::vector<PyObject*> holders_;  // borrowed
};

// True iff the object is an op written in Python.
bool is_python_op(py::handle object);
// The op of a node that applies it, else null.
const PythonOp* python_op_of(const Apply& node);
// A PythonOp for a node of these operands.
Ref<const Op> make_python_op(py::handle object, std::span<const Var> inputs,
                             std::vector<Type> outputs);

// While one exists on this thread, the handles of what gradient rules return are kept: making those
// of a long graph anew for each rule would be slow, and the garbage collector must not take an op
// apart that only C++ code still knows of.
class __attribute__((visibility("hidden"))) KeepHandles {
 public:
  KeepHandles();
  ~KeepHandles();
  KeepHandles(const KeepHandles&) = delete;
  KeepHandles& operator=(const KeepHandles&) = delete;

 private:
  std::vector<py::object> kept_;
  std::vector<py::object>* outer_;
};

void bind_python_ops(py::module_& m);

}  // namespace phintys::python
