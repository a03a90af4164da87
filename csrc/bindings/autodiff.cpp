// Symbolic differentiation.
#include "autodiff/grad.h"

#include "bindings/handles.h"
#include "bindings/python_op.h"

namespace phintys::python {

namespace {

Missing missing_from(const std::string& text) {
  if (text == "raise") return Missing::raise;
  if (text == "warn") return Missing::warn;
  if (text == "ignore") return Missing::ignore;
  fail(ErrorKind::value,
       "Invalid value for keyword 'disconnected_inputs', valid values are "
       "'ignore', 'warn' and 'raise'.");
}

ReturnDisconnected return_disconnected_from(const std::string& text) {
  if (text == "zero" || text == "Zero") return ReturnDisconnected::zero;
  if (text == "None" || text == "none") return ReturnDisconnected::none;
  if (text == "Disconnected" || text == "disconnected") return ReturnDisconnected::disconnected;
  fail(ErrorKind::value,
       "Invalid value for keyword 'return_disconnected', valid values are "
       "'zero', 'None' and 'Disconnected'.");
}

bool null_gradients_return(const std::string& text) {
  if (text != "raise" && text != "return") {
    fail(ErrorKind::value,
         "Invalid value for keyword 'null_gradients', valid values are 'raise' "
         "and 'return'.");
  }
  return text == "return";
}

std::vector<Var> optional_vars(py::handle sequence) {
  return sequence.is_none() ? std::vector<Var>() : vars_from(sequence);
}

py::tuple gradient(py::handle cost, py::handle wrt, py::handle consider_constant,
                   py::handle known_grads, const std::string& disconnected_inputs,
                   const std::string& return_disconnected, const std::string& null_gradients,
                   bool add_names) {
  GradOptions options;
  options.consider_constant = optional_vars(consider_constant);
  options.disconnected_inputs = missing_from(disconnected_inputs);
  options.return_disconnected = return_disconnected_from(return_disconnected);
  options.null_gradients_return = null_gradients_return(null_gradients);
  options.add_names = add_names;
  py::list kept;  // handles of converted gradients
  if (!known_grads.is_none()) {
    for (py::handle pair : known_grads) {
      const py::tuple items(py::reinterpret_borrow<py::object>(pair));
      if (items.size() != 2) throw py::value_error("known_grads: pairs (variable, gradient)");
      py::object g = is_variable(items[1].ptr()) ? py::object(items[1]) : convert(items[1]);
      kept.append(g);
      options.known_grads.emplace_back(Var(node_of(items[0].ptr())), var_from(g));
    }
  }
  const UserLocation here;
  const KeepHandles kept_handles;
  const Var c = cost.is_none() ? Var() : var_from(cost);
  const GradResult result = grad(c, vars_from(wrt), options);
  py::list disconnected;
  for (int i : result.disconnected) disconnected.append(i);
  return py::make_tuple(wrapped_list(result.grads), disconnected);
}

std::vector<Var> eval_points_from(py::handle sequence) {
  std::vector<Var> out;
  for (py::handle item : sequence) out.push_back(item.is_none() ? Var() : var_from(item));
  return out;
}

GradOptions vjp_options(py::handle consider_constant, const std::string& disconnected_inputs) {
  GradOptions options;
  options.consider_constant = optional_vars(consider_constant);
  options.disconnected_inputs = missing_from(disconnected_inputs);
  return options;
}

}  // namespace

void bind_autodiff(py::module_& m) {
  m.def("grad", &gradient, py::arg("cost"), py::arg("wrt"),
        py::arg("consider_constant") = py::none(), py::arg("known_grads") = py::none(),
        py::arg("disconnected_inputs") = "raise", py::arg("return_disconnected") = "zero",
        py::arg("null_gradients") = "raise", py::arg("add_names") = true,
        "(gradients, indices of wrt that the cost does not depend on).");
  m.def(
      "Lop",
      [](py::handle f, py::handle wrt, py::handle eval_points, py::handle consider_constant,
         const std::string& disconnected_inputs) {
        const UserLocation here;
        const KeepHandles kept;
        return wrapped_list(Lop(vars_from(f), vars_from(wrt), eval_points_from(eval_points),
                                vjp_options(consider_constant, disconnected_inputs)));
      },
      py::arg("f"), py::arg("wrt"), py::arg("eval_points"),
      py::arg("consider_constant") = py::none(), py::arg("disconnected_inputs") = "raise",
      "Products of eval_points with the Jacobian of f.");
  m.def(
      "Rop",
      [](py::handle f, py::handle wrt, py::handle eval_points,
         const std::string& disconnected_inputs) {
        const UserLocation here;
        const KeepHandles kept;
        return wrapped_list(Rop(vars_from(f), vars_from(wrt), eval_points_from(eval_points),
                                vjp_options(py::none(), disconnected_inputs)));
      },
      py::arg("f"), py::arg("wrt"), py::arg("eval_points"),
      py::arg("disconnected_inputs") = "raise", "Products of the Jacobian of f with eval_points.");
}

}  // namespace phintys::python
