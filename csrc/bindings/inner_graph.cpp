// Graphs inside ops: made for loops and branches, looked into by printing and debugging.
#include "bindings/inner_graph.h"

#include "bindings/handles.h"

namespace phintys::python {

void bind_inner_graph(py::module_& m) {
  py::class_<InnerGraphObject>(m, "InnerGraph", "An immutable graph inside an op.")
      .def(py::init([](py::handle inputs, py::handle outputs) {
             const std::vector<Var> in = vars_from(inputs), out = vars_from(outputs);
             return InnerGraphObject{InnerGraph::make(in, out)};
           }),
           py::arg("inputs"), py::arg("outputs"),
           "A copy of what lies between two lists of variables; every other leaf is a constant.")
      .def_property_readonly(
          "inputs", [](const InnerGraphObject& g) { return wrapped_list(g.graph->inputs()); })
      .def_property_readonly(
          "outputs", [](const InnerGraphObject& g) { return wrapped_list(g.graph->outputs()); })
      .def(
          "inlined",
          [](const InnerGraphObject& g, py::handle arguments) {
            const std::vector<Var> args = vars_from(arguments);
            if (args.size() != g.graph->inputs().size())
              fail(ErrorKind::value, "the graph has ", g.graph->inputs().size(), " inputs, got ",
                   args.size());
            return wrapped_list(g.graph->inlined(args));
          },
          py::arg("arguments"), "The outputs as expressions of other variables.")
      .def("__eq__",
           [](const InnerGraphObject& a, py::handle b) {
             return py::isinstance<InnerGraphObject>(b) &&
                    a.graph->equal(*py::cast<const InnerGraphObject&>(b).graph);
           })
      .def("__hash__",
           [](const InnerGraphObject& g) { return static_cast<py::ssize_t>(g.graph->hash() >> 2); })
      .def("__reduce__", [](py::object self) {
        return py::make_tuple(py::type::of(self),
                              py::make_tuple(self.attr("inputs"), self.attr("outputs")));
      });
}

}  // namespace phintys::python
