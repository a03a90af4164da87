// Walking, cloning and printing graphs.
#include <algorithm>

#include "base/id_map.h"
#include "bindings/handles.h"
#include "graph/frontier.h"
#include "graph/op.h"
#include "graph/print.h"
#include "graph/traverse.h"
#include "ops/control/scan.h"

namespace phintys::python {

namespace {

std::vector<Var> optional_vars(py::handle sequence) {
  return sequence.is_none() ? std::vector<Var>() : vars_from(sequence);
}

VarMap replacements(py::handle replace) {
  VarMap map;
  for (py::handle pair : replace) {
    const auto items = py::cast<py::tuple>(py::tuple(py::reinterpret_borrow<py::object>(pair)));
    if (items.size() != 2) throw py::value_error("clone: replacements are pairs (old, new)");
    map[node_of(items[0].ptr())] = var_from(items[1]);
  }
  return map;
}

py::list clone(py::handle outputs, py::handle replace, bool reinfer) {
  VarMap map = replacements(replace);
  return wrapped_list(clone_graph(vars_from(outputs), map, reinfer));
}

// Clones the nodes that depend on what is replaced; those that do not stay. Returns the outputs,
// and the variables that have a successor, in topological order, with those.
py::tuple substitute(py::handle outputs, py::handle replace) {
  const std::vector<Var> outs = vars_from(outputs);
  VarMap map = replacements(replace);
  std::vector<Var> moved, stops;
  for (const auto& [old, _] : map) stops.emplace_back(old);
  for (Apply* node : toposort(outs, stops)) {
    const auto inputs = node->inputs();
    const bool changes = std::any_of(inputs.begin(), inputs.end(), [&](const Var& v) {
      const auto it = map.find(v.get());
      return it != map.end() && it->second != v;
    });
    std::vector<Var> fresh;
    if (changes) {
      for (const Var& v : inputs) {
        const auto it = map.find(v.get());
        fresh.push_back(it == map.end() ? v : it->second);
      }
      const Ref<Apply> clone = node->with_inputs(fresh);
      clone->loc = node->loc;
      for (int o = 0; o < node->nout(); ++o) {
        map.try_emplace(node->output(o), clone->out(o));
        moved.push_back(node->out(o));
      }
    }
  }
  py::list pairs, results;
  for (const Var& v : moved) pairs.append(py::make_tuple(wrapped(v), wrapped(map.at(v.get()))));
  for (const Var& v : outs) {
    const auto it = map.find(v.get());
    results.append(wrapped(it == map.end() ? v : it->second));
  }
  return py::make_tuple(results, pairs);
}

// For each input whether gradients pass to it from each output.
py::list connection_pattern(py::handle inputs, py::handle outputs) {
  const std::vector<Var> ins = vars_from(inputs), outs = vars_from(outputs);
  const std::vector<Apply*> nodes = toposort(outs, ins);
  std::vector<py::list> rows(ins.size());
  for (const Var& output : outs) {
    IdMap<bool> reached;
    reached.insert(output->id(), true);
    for (size_t n = nodes.size(); n-- > 0;) {
      const Apply& node = *nodes[n];
      for (int o = 0; o < node.nout(); ++o) {
        if (!reached.contains(node.output(o)->id())) continue;
        for (int i = 0; i < node.nin(); ++i)
          if (node.op().connected(i, o)) reached.insert(node.input(i)->id(), true);
      }
    }
    for (size_t i = 0; i < ins.size(); ++i) rows[i].append(reached.contains(ins[i]->id()));
  }
  py::list result;
  for (const py::list& row : rows) result.append(row);
  return result;
}

py::list toposort_nodes(py::handle variables, py::handle blockers) {
  const std::vector<Var> outs = vars_from(variables);
  const std::vector<Var> stops = optional_vars(blockers);
  py::list out;
  for (Apply* node : toposort(outs, stops)) {
    out.append(py::reinterpret_steal<py::object>(wrap(node)));
  }
  return out;
}

}  // namespace

void bind_graph(py::module_& m) {
  m.def("clone", &clone, py::arg("outputs"), py::arg("replace") = py::list(),
        py::arg("reinfer") = false,
        "Copies of the outputs with some variables replaced, given as pairs (old, new).");
  m.def("substitute", &substitute, py::arg("outputs"), py::arg("replace"),
        "(outputs, pairs): the outputs with variables replaced, given as pairs (old, new), where "
        "only what depends on those is copied; and each copied variable with its copy.");
  m.def("connection_pattern", &connection_pattern, py::arg("inputs"), py::arg("outputs"),
        "For each input a list that says for each output whether gradients pass.");
  m.def(
      "ancestors",
      [](py::handle v, py::handle blockers) {
        return wrapped_list(ancestors(vars_from(v), optional_vars(blockers)));
      },
      py::arg("variables"), py::arg("blockers") = py::none(),
      "All variables that the given ones depend on, themselves included.");
  m.def(
      "graph_inputs",
      [](py::handle v, py::handle blockers) {
        return wrapped_list(graph_inputs(vars_from(v), optional_vars(blockers)));
      },
      py::arg("variables"), py::arg("blockers") = py::none(), "Ancestors without owner.");
  m.def(
      "frontier",
      [](py::handle outputs, py::handle inputs, py::handle blockers) {
        return wrapped_list(
            frontier(vars_from(outputs), vars_from(inputs), optional_vars(blockers)));
      },
      py::arg("outputs"), py::arg("inputs"), py::arg("blockers") = py::none(),
      "What a graph from `inputs` to `outputs` takes from outside, besides small constants.");
  m.def("toposort", &toposort_nodes, py::arg("variables"), py::arg("blockers") = py::none(),
        "The apply nodes that the variables depend on, inputs before users.");
  m.def(
      "debugprint",
      [](py::handle v, int depth, bool print_type, bool stop_on_name, std::string ids) {
        return debugprint(vars_from(v),
                          {depth, print_type, stop_on_name, std::move(ids), &outer_input});
      },
      py::arg("variables"), py::arg("depth") = -1, py::arg("print_type") = false,
      py::arg("stop_on_name") = false, py::arg("ids") = "CHAR", "The graph as a tree of text.");
}

}  // namespace phintys::python
