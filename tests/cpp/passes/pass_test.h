// What tests of passes share: small graphs, and their text as nested calls.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <unordered_map>
#include <vector>

#include "graph/graph.h"
#include "graph/print.h"
#include "ops/build.h"
#include "ops/build_elementwise.h"
#include "passes/pass.h"

namespace phintys::test {

inline Var var(const std::string& name, int ndim, DType dtype = DType::f64) {
  return make_variable(Type::tensor(dtype, ndim), name);
}
inline Var scalar(const std::string& name, DType d = DType::f64) { return var(name, 0, d); }
inline Var vector(const std::string& name, DType d = DType::f64) { return var(name, 1, d); }
inline Var matrix(const std::string& name, DType d = DType::f64) { return var(name, 2, d); }

// "add(x, mul(y, 2.0))": elementwise ops by their names, other ops by their text. Constants show
// their value, or "shape of value". Meant for small graphs: shared parts are repeated.
inline std::string text(const Variable* v) {
  if (v->is_constant()) {
    std::string s = to_string(*v);  // TensorConstant{...}
    return s.substr(15, s.size() - 16);
  }
  const Apply* n = v->owner();
  if (!n) return v->name;
  std::string op = n->op().str();
  if (op.starts_with("Elemwise{Cast{")) {
    op = "cast_" + op.substr(14, op.size() - 16);
  } else if (op.starts_with("Elemwise{")) {
    op = op.substr(9, op.find(',') - 9);
  } else if (op.starts_with("InplaceDimShuffle{")) {
    op = "ds" + op.substr(17);
  }
  if (n->nout() > 1) op += "." + std::to_string(v->index());
  op += "(";
  for (int i = 0; i < n->nin(); ++i) op += (i ? ", " : "") + text(n->input(i));
  return op + ")";
}

inline std::string text(const Graph& graph) {
  std::string s;
  for (const Var& v : graph.outputs()) s += (s.empty() ? "" : "; ") + text(v.get());
  return s;
}

// The inputs of the graph: all plain leaves.
inline std::vector<Var> leaves(const std::vector<Var>& outputs) {
  std::vector<Var> result;
  for (const Var& v : graph_inputs(outputs)) {
    if (v->kind() == VarKind::plain) result.push_back(v);
  }
  return result;
}

// The text of a graph after `passes`, each followed by verification.
template <class... P>
std::string after(const std::vector<Var>& outputs, P... passes) {
  Graph graph(leaves(outputs), outputs);
  (run_pass({"pass", passes}, graph, {.excluded = {}, .on_change = {}, .verify = true}, nullptr),
   ...);
  return text(graph);
}

inline std::string after_pipeline(const std::vector<Var>& outputs, const char* name) {
  Graph graph(leaves(outputs), outputs);
  for (const Pass& pass : pipeline(name)) {
    run_pass(pass, graph, {.excluded = {}, .on_change = {}, .verify = true}, nullptr);
  }
  return text(graph);
}

}  // namespace phintys::test
