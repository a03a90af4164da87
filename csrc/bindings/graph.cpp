// Walking, cloning and printing graphs.
#include <algorithm>

#include "bindings/handles.h"
#include "graph/frontier.h"
#include "graph/print.h"
#include "graph/traverse.h"
#include "ops/control/scan.h"

namespace phintys::python {

namespace {

std::vector<Var> optional_vars(py::handle sequence) {
  return sequence.is_none() ? std::vector<Var>() : vars_from(sequence);
}

py::list clone(py::handle outputs, py::handle replace, bool reinfer) {
  VarMap map;
  for (py::handle pair : replace) {
    const auto items = py::cast<py::tuple>(py::tuple(py::reinterpret_borrow<py::object>(pair)));
    if (items.size() != 2) throw py::value_error("clone: replacements are pairs (old, new)");
    map[node_of(items[0].ptr())] = var_from(items[1]);
  }
  const std::vector<Var> outs = vars_from(outputs);
  return wrapped_list(clone_graph(outs, map, reinfer));
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
