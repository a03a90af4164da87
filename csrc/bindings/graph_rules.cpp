#include "bindings/graph_rules.h"

#include "bindings/handles.h"
#include "bindings/ops.h"
#include "ops/control/op_from_graph.h"
#include "ops/op_util.h"

namespace phintys::python {

namespace {

// A variable, None (null) or a variable that stands for "disconnected".
std::vector<Var> terms_from(py::handle list, size_t n) {
  std::vector<Var> terms;
  for (py::handle item : list) terms.push_back(item.is_none() ? Var() : var_from(item));
  if (terms.size() != n)
    fail(ErrorKind::value, "a rule of an op gave ", terms.size(), " values instead of ", n);
  return terms;
}

py::list optional_list(std::span<const Var> variables) {
  py::list list;
  for (const Var& v : variables) list.append(v ? wrapped(v) : py::object(py::none()));
  return list;
}

// Calls methods of the OpFromGraph object in Python.
class PythonRules final : public GraphRules {
 public:
  PythonRules(py::object owner, bool gradient, bool forward)
      : owner_(std::move(owner)), gradient_(gradient), forward_(forward) {}
  ~PythonRules() override {
    if (!Py_IsInitialized()) {
      owner_.release();
      return;
    }
    const py::gil_scoped_acquire gil;
    owner_ = py::object();
  }

  bool has_gradient() const override { return gradient_; }
  std::vector<Var> gradient(const GradArgs& args) const override {
    const py::gil_scoped_acquire gil;
    std::vector<Var> grads;
    for (size_t o = 0; o < args.grads.size(); ++o)
      grads.push_back(args.grads[o] ? args.grads[o] : zero_grad_for(args.outputs[o]));
    return terms_from(owner_.attr("_gradients")(optional_list(args.inputs),
                                                optional_list(args.outputs), optional_list(grads)),
                      args.inputs.size());
  }
  bool has_forward() const override { return forward_; }
  std::vector<Var> forward(const Apply& node, std::span<const Var> points) const override {
    const py::gil_scoped_acquire gil;
    return terms_from(owner_.attr("_tangents")(optional_list(node.inputs()), optional_list(points)),
                      static_cast<size_t>(node.nout()));
  }
  const py::object& owner() const { return owner_; }

 private:
  py::object owner_;
  bool gradient_, forward_;
};

}  // namespace

py::object rules_owner(const Op& op) {
  const auto* graph = dynamic_cast<const OpFromGraph*>(&op);
  const auto* rules = graph ? dynamic_cast<const PythonRules*>(graph->rules().get()) : nullptr;
  return rules ? rules->owner() : py::object(py::none());
}

void bind_graph_rules(py::module_& m) {
  m.def(
      "with_rules",
      [](py::handle op, py::object owner, bool gradient, bool forward) {
        const Ref<const Op> core = op_from(op);
        const auto* graph = dynamic_cast<const OpFromGraph*>(core.get());
        if (!graph) fail(ErrorKind::type, "with_rules: an op made from a graph is needed");
        return op_to_python(
            graph->with_rules(make_ref<PythonRules>(std::move(owner), gradient, forward)));
      },
      py::arg("op"), py::arg("owner"), py::arg("gradient"), py::arg("forward"),
      "The op with derivatives that methods of `owner` say.");
  m.def(
      "rules_of", [](py::handle op) { return rules_owner(*op_from(op)); }, py::arg("op"),
      "The owner that with_rules was given, or None.");
}

}  // namespace phintys::python
