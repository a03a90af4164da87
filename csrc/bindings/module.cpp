// phintys._core: the graph and its compiler, for the Python layer.
#include "bindings/common.h"
#include "bindings/handles.h"
#include "bindings/pickle.h"
#include "bindings/python_op.h"
#include "passes/stable_body.h"

#ifndef PHINTYS_BUILD_VERSION
#define PHINTYS_BUILD_VERSION "0.0.0"
#endif

PYBIND11_MODULE(_core, m) {
  using namespace phintys::python;
  m.doc() = "The graph of Phintys and its compiler. Internal: use the package phintys.";
  m.attr("version") = PHINTYS_BUILD_VERSION;
  bind_errors(m);
  bind_location(m);
  bind_types(m);
  bind_variables(m);
  bind_applies(m);
  bind_handles(m);
  init_operators();
  bind_inner_graph(m);
  bind_graph_rules(m);
  bind_ops(m);
  bind_python_ops(m);
  bind_build(m);
  bind_graph(m);
  bind_autodiff(m);
  bind_devices(m);
  bind_function(m);
  bind_saved(m);
  bind_settings(m);
  bind_pickle(m);
  bind_effects(m);
  bind_api(m);
  phintys::install_stable_body();  // gradients may come before the first function
}
