#include "ops/control/op_from_graph.h"

#include <algorithm>

#include "base/id_map.h"
#include "graph/print.h"
#include "ops/op_util.h"

namespace phintys {

void OpFromGraph::check_attributes() const {
  if (!graph) fail(ErrorKind::value, "op_from_graph: an op without a graph");
  for (const Var& v : graph->inputs())
    if (!v.type().is_tensor()) fail(ErrorKind::type, "op_from_graph: an input is no tensor");
  for (const Var& v : graph->outputs())
    if (!v.type().is_tensor()) fail(ErrorKind::type, "op_from_graph: an output is no tensor");
  const size_t n = graph->inputs().size() * graph->outputs().size();
  if (!pattern.empty() && pattern.size() != n)
    fail(ErrorKind::value, "op_from_graph: the connection pattern has ", pattern.size(),
         " entries for ", graph->inputs().size(), " inputs and ", graph->outputs().size(),
         " outputs");
  for (int64_t p : pattern)
    if (p != 0 && p != 1)
      fail(ErrorKind::value, "op_from_graph: an entry of the connection pattern is ", p);
}

bool OpFromGraph::equal(const Op& other) const {
  if (this == &other) return true;
  const OpFromGraph* o = dynamic_cast<const OpFromGraph*>(&other);
  return o && rules_ == o->rules_ && encode_attributes(*this) == encode_attributes(*o) &&
         (graph == o->graph || (graph && o->graph && graph->equal(*o->graph)));
}

uint64_t OpFromGraph::hash() const {
  return hash_combine(hash_string(kName), graph ? graph->hash() : 0);
}

std::string OpFromGraph::str() const {
  return (label.empty() ? "OpFromGraph" : label) + "{inline=" + (is_inline ? "True}" : "False}");
}

Ref<OpFromGraph> OpFromGraph::copy() const {
  auto op = make_ref<OpFromGraph>();
  op->graph = graph;
  op->label = label;
  op->is_inline = is_inline;
  op->pattern = pattern;
  op->rules_ = rules_;
  return op;
}

Ref<const Op> OpFromGraph::with_inner(std::vector<Ref<const InnerGraph>> graphs) const {
  PHINTYS_CHECK(graphs.size() == 1, "one graph is needed");
  Ref<OpFromGraph> op = copy();
  op->graph = std::move(graphs[0]);
  return op;
}

Ref<const OpFromGraph> OpFromGraph::with_rules(Ref<const GraphRules> rules) const {
  Ref<OpFromGraph> op = copy();
  op->rules_ = std::move(rules);
  return op;
}

std::vector<Type> OpFromGraph::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, static_cast<int>(graph->inputs().size()));
  for (size_t i = 0; i < inputs.size(); ++i) {
    // What the inner type claims of lengths holds.
    const Type &outer = inputs[i].type(), &inner = graph->inputs()[i].type();
    bool fits = outer.dtype() == inner.dtype() && outer.ndim() == inner.ndim();
    for (int d = 0; fits && d < inner.ndim(); ++d)
      fits = inner.dim(d) == kUnknownDim || inner.dim(d) == outer.dim(d);
    if (!fits)
      fail(ErrorKind::type, str(), ": input ", i, " is ", outer.str(), ", expected ", inner.str());
  }
  std::vector<Type> types;
  for (const Var& v : graph->outputs()) types.push_back(v.type());
  return types;
}

void OpFromGraph::find_reach() const {
  const size_t n_in = graph->inputs().size(), n_out = graph->outputs().size();
  if (!pattern.empty()) {
    reach_.assign(pattern.begin(), pattern.end());
    return;
  }
  reach_.assign(n_in * n_out, false);
  for (size_t o = 0; o < n_out; ++o) {
    IdMap<bool> reached;
    reached.insert(graph->outputs()[o]->id(), true);
    for (size_t k = graph->nodes().size(); k-- > 0;) {
      const Apply& node = *graph->nodes()[k];
      for (int out = 0; out < node.nout(); ++out) {
        if (!reached.contains(node.output(out)->id())) continue;
        for (int in = 0; in < node.nin(); ++in)
          if (node.op().connected(in, out)) reached.insert(node.input(in)->id(), true);
      }
    }
    for (size_t i = 0; i < n_in; ++i)
      reach_[i * n_out + o] = reached.contains(graph->inputs()[i]->id());
  }
}

bool OpFromGraph::connected(int in, int out) const {
  std::call_once(reach_once_, [this] { find_reach(); });
  return reach_[static_cast<size_t>(in) * graph->outputs().size() + static_cast<size_t>(out)];
}

// Another op of this kind, of the inputs and of the gradients that there are.
std::vector<Var> OpFromGraph::grad(const GradArgs& args) const {
  if (rules_ && rules_->has_gradient()) return rules_->gradient(args);
  std::vector<Var> inner_inputs = graph->inputs(), outputs, slopes;
  std::vector<Var> outer_inputs(args.inputs.begin(), args.inputs.end());
  for (size_t o = 0; o < args.grads.size(); ++o) {
    if (!args.grads[o]) continue;
    slopes.push_back(make_variable(args.grads[o].type()));
    outputs.push_back(graph->outputs()[o]);
    outer_inputs.push_back(args.grads[o]);
  }
  const std::vector<Var> found = args.tools.backward(outputs, slopes, inner_inputs);
  inner_inputs.insert(inner_inputs.end(), slopes.begin(), slopes.end());
  std::vector<Var> result(found.size()), values;
  std::vector<size_t> wrt;
  for (size_t i = 0; i < found.size(); ++i) {
    if (!found[i]) continue;
    if (!found[i].type().is_tensor()) {
      result[i] = found[i];
    } else if (is_zero(found[i])) {
      result[i] = zero_grad_for(args.inputs[i]);
    } else {
      wrt.push_back(i);
      values.push_back(found[i]);
    }
  }
  if (values.empty()) return result;
  auto op = make_ref<OpFromGraph>();
  op->graph = InnerGraph::make(inner_inputs, values);
  op->label = (label.empty() ? "OpFromGraph" : label) + "_grad";
  op->is_inline = is_inline;
  const std::vector<Var> outer = apply_multi(std::move(op), std::move(outer_inputs));
  for (size_t k = 0; k < wrt.size(); ++k) result[wrt[k]] = outer[k];
  return result;
}

void OpFromGraph::layout(std::span<const TensorView>, std::span<Layout>) const {
  fail(ErrorKind::internal, str(), " is expanded before a function runs");
}

}  // namespace phintys
