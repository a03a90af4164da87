#include "autodiff/forward.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "autodiff/grad.h"
#include "graph/op.h"
#include "graph/traverse.h"
#include "ops/control/op_from_graph.h"
#include "ops/op_util.h"

namespace phintys::autodiff {

namespace {

ForwardRule g_rule;  // set while the library is loaded, before any graph exists

// As deep as ops made from graphs lie in one another.
bool has_rule(const Op& op) {
  if (g_rule.has && g_rule.has(op)) return true;
  const auto* graph = dynamic_cast<const OpFromGraph*>(&op);
  if (!graph) return false;
  if (graph->rules() && graph->rules()->has_forward()) return true;
  const std::vector<Apply*>& nodes = graph->graph->nodes();
  return std::any_of(nodes.begin(), nodes.end(), [](const Apply* n) { return has_rule(n->op()); });
}

// An op without a rule: the gradient of its gradient, taken of a node of stand-ins, so that
// whatever lies between its operands plays no part.
std::vector<Var> tangents_of(const Apply& node, std::span<const Var> points) {
  std::vector<Var> operands, wrt, given, outputs;
  VarMap actual;
  for (size_t i = 0; i < points.size(); ++i) {
    const Var& v = node.inputs()[i];
    operands.push_back(v->is_constant() ? v : Var(make_variable(v.type())));
    if (!v->is_constant()) actual[operands.back().get()] = v;
    if (!points[i]) continue;
    wrt.push_back(operands.back());
    given.push_back(points[i]);
  }
  const Ref<Apply> like = node.with_inputs(operands);
  for (int o = 0; o < node.nout(); ++o) {
    outputs.push_back(like->out(o));
    actual[like->output(o)] = node.out(o);
  }
  GradOptions options;
  options.disconnected_inputs = Missing::ignore;
  options.return_disconnected = ReturnDisconnected::none;
  options.null_gradients_return = true;
  // An op made from a graph with such ops inside is looked into.
  const auto* graph = has_rule(node.op()) ? dynamic_cast<const OpFromGraph*>(&node.op()) : nullptr;
  const std::vector<Var> found = graph ? forward(graph->graph->inlined(operands), wrt, given)
                                       : Rop(outputs, wrt, given, options);
  std::vector<Var> connected;
  for (const Var& v : found)
    if (v) connected.push_back(v);
  const std::vector<Var> clean = clone_graph(connected, actual);
  std::vector<Var> result;
  size_t next = 0;
  for (const Var& v : found) result.push_back(v ? clean[next++] : Var());
  return result;
}

std::vector<Var> tangents_by_rule(const Apply& node, std::span<const Var> points) {
  const Op& op = node.op();
  if (g_rule.has && g_rule.has(op)) return g_rule.apply(node, points);
  const auto* graph = dynamic_cast<const OpFromGraph*>(&op);
  if (graph && graph->rules() && graph->rules()->has_forward())
    return graph->rules()->forward(node, points);
  return tangents_of(node, points);
}

}  // namespace

void set_forward_rule(ForwardRule rule) { g_rule = rule; }

bool needs_forward(std::span<const Var> f, std::span<const Var> wrt) {
  std::unordered_set<const Variable*> depends;
  for (const Var& v : wrt) depends.insert(v.get());
  for (const Apply* node : toposort(f, wrt)) {
    bool reached = false;
    for (const Var& v : node->inputs()) reached = reached || depends.contains(v.get());
    if (!reached) continue;
    if (has_rule(node->op())) return true;
    for (int o = 0; o < node->nout(); ++o) depends.insert(node->output(o));
  }
  return false;
}

std::vector<Var> forward(std::span<const Var> f, std::span<const Var> wrt,
                         std::span<const Var> points) {
  std::unordered_map<const Variable*, Var> tangents;  // null: zero, whatever computes it
  for (size_t i = 0; i < wrt.size(); ++i)
    tangents[wrt[i].get()] = points[i] ? as_grad_of(points[i], wrt[i]) : Var();
  const auto tangent = [&](const Variable* v) {
    const auto it = tangents.find(v);
    return it == tangents.end() ? Var() : it->second;
  };
  for (const Apply* node : toposort(f, wrt)) {
    std::vector<Var> in;
    bool reached = false;
    for (const Var& v : node->inputs()) {
      in.push_back(tangent(v.get()));
      reached = reached || in.back();
    }
    if (!reached) continue;
    const LocationScope scope(node->loc);
    const std::vector<Var> out = tangents_by_rule(*node, in);
    for (int o = 0; o < node->nout(); ++o) {
      const Var& t = out[static_cast<size_t>(o)];
      const bool value = t && t.type().is_tensor();
      tangents.emplace(node->output(o), value ? as_grad_of(t, node->out(o)) : t);
    }
  }
  std::vector<Var> result;
  for (const Var& v : f) result.push_back(tangent(v.get()));
  return result;
}

}  // namespace phintys::autodiff
