#include "bindings/function.h"

#include <memory>
#include <set>

#include <pybind11/stl.h>

#include "bindings/api.h"
#include "bindings/device.h"
#include "bindings/handles.h"
#include "bindings/held_ops.h"
#include "bindings/types.h"
#include "graph/print.h"
#include "graph/traverse.h"
#include "ops/grad_ops.h"
#include "passes/pass.h"

namespace phintys::python {

namespace {

using runtime::Function;

// A Python callable that C++ code may hold, copy and drop on any thread.
std::shared_ptr<py::object> callback(py::object callable) {
  return {new py::object(std::move(callable)), [](py::object* p) {
            if (!Py_IsInitialized()) return;  // too late to drop a Python reference
            const py::gil_scoped_acquire gil;
            delete p;
          }};
}

PassOptions pass_options(py::handle excluded, const py::object& on_change, bool verify,
                         bool own_passes) {
  PassOptions options;
  options.verify = verify;
  options.own_passes = own_passes;
  for (py::handle name : excluded) {
    options.excluded.push_back(py::cast<std::string>(name));
    if (!is_pass_name(options.excluded.back())) {
      fail(ErrorKind::value, "there is no pass called '", options.excluded.back(), "'");
    }
  }
  if (on_change.is_none()) return options;
  options.on_change = [f = callback(on_change)](const char* pass, const Graph& graph) {
    const py::gil_scoped_acquire gil;
    try {
      (*f)(pass, graph.str());
    } catch (py::error_already_set& e) {
      throw_as_error(e);
    }
  };
  return options;
}

void set_monitor(runtime::FunctionSpec* spec, const py::object& monitor) {
  if (monitor.is_none()) return;
  spec->fuse = false;
  spec->monitor = [f = callback(monitor)](const Apply& node, std::span<const TensorView> outputs) {
    const py::gil_scoped_acquire gil;
    try {
      py::list values;
      for (size_t o = 0; o < outputs.size(); ++o)
        values.append(value_for_python(outputs[o], node.output(static_cast<int>(o))->type()));
      (*f)(node.op().str(), to_string(node.loc), values);
    } catch (py::error_already_set& e) {
      throw_as_error(e);
    }
  };
}

// Two callables of Python around every instruction: before(index, node, inputs) and
// after(index, node, inputs, outputs). They see copies of nodes, with plain variables as inputs.
class PythonWatcher final : public runtime::Watcher {
 public:
  explicit PythonWatcher(const py::object& pair)
      : before_(callback(py::object(pair[py::int_(0)]))),
        after_(callback(py::object(pair[py::int_(1)]))) {}
  void before(const Apply& node, int index, std::span<const TensorView> inputs) override {
    call(*before_, node, index, inputs, nullptr);
  }
  void after(const Apply& node, int index, std::span<const TensorView> inputs,
             std::span<const TensorView> outputs) override {
    call(*after_, node, index, inputs, &outputs);
  }

 private:
  template <class TypeAt>
  static py::list copies(std::span<const TensorView> views, TypeAt&& type_at) {
    py::list values;
    for (size_t i = 0; i < views.size(); ++i)
      values.append(value_for_python(views[i], type_at(static_cast<int>(i))));
    return values;
  }
  static py::object copy_of(const Apply& node) {
    std::vector<Var> inputs;
    for (const Var& v : node.inputs()) {
      inputs.push_back(v->is_constant() ? Var(make_constant(v->constant(), v->name))
                                        : Var(make_variable(v.type(), to_string(*v))));
    }
    std::vector<Type> types;
    for (int o = 0; o < node.nout(); ++o) types.push_back(node.output(o)->type());
    const Unreported unreported;
    const LocationScope scope(node.loc);
    const Ref<Apply> copy = Apply::create(node.op_ref(), std::move(inputs), std::move(types));
    return py::reinterpret_steal<py::object>(wrap(copy.get()));
  }
  static void call(const py::object& f, const Apply& node, int index,
                   std::span<const TensorView> inputs, const std::span<const TensorView>* outputs) {
    const py::gil_scoped_acquire gil;
    try {
      const py::list given = copies(inputs, [&](int i) { return node.input(i)->type(); });
      if (outputs) {
        f(index, copy_of(node), given,
          copies(*outputs, [&](int o) { return node.output(o)->type(); }));
      } else {
        f(index, copy_of(node), given);
      }
    } catch (py::error_already_set& e) {
      throw_as_error(e);
    }
  }
  std::shared_ptr<py::object> before_, after_;
};

void set_watcher(runtime::FunctionSpec* spec, const py::object& watch) {
  if (watch.is_none()) return;
  spec->fuse = false;
  spec->watcher = std::make_shared<PythonWatcher>(watch);
  if (!spec->monitor) spec->monitor = [](const Apply&, std::span<const TensorView>) {};
}

std::vector<std::pair<Var, Var>> pairs_from(py::handle sequence, const char* what) {
  std::vector<std::pair<Var, Var>> out;
  for (py::handle pair : sequence) {
    const py::tuple items(py::reinterpret_borrow<py::object>(pair));
    if (items.size() != 2) fail(ErrorKind::value, what, ": a list of pairs is needed");
    out.emplace_back(Var(node_of(items[0].ptr())), var_from(items[1]));
  }
  return out;
}

py::object compile(py::handle inputs, py::handle outputs, py::handle updates, py::handle givens,
                   std::string name, std::string pipeline, bool fuse, py::handle excluded,
                   const py::object& on_change, bool verify, const py::object& monitor,
                   bool profile, bool reuse_memory, const py::object& watch, size_t trace_events,
                   bool own_passes, const std::string& device, bool forbid_host) {
  runtime::FunctionSpec spec;
  spec.device = device_from_python(device);
  spec.forbid_host = forbid_host;
  spec.name = std::move(name);
  spec.inputs = vars_from(inputs);
  spec.outputs = vars_from(outputs);
  for (auto& [shared, expression] : pairs_from(updates, "updates")) {
    spec.updates.push_back({std::move(shared), std::move(expression)});
  }
  spec.givens = pairs_from(givens, "givens");
  spec.pipeline = std::move(pipeline);
  spec.fuse = fuse;
  spec.pass_options = pass_options(excluded, on_change, verify, own_passes);
  spec.profile = profile;
  spec.trace_events = trace_events;
  spec.reuse_memory = reuse_memory;
  set_monitor(&spec, monitor);
  set_watcher(&spec, watch);
  return function_object(Function::compile(spec));
}

// Where outputs are wanted, "" being anywhere; None if that goes for all.
py::object transfer_targets(py::handle outputs) {
  std::vector<std::string> targets;
  bool any = false;
  for (const Var& v : vars_from(outputs)) {
    const Apply* owner = v->owner();
    const bool moved = owner && owner->op().name() == std::string_view(Transfer::kName);
    targets.push_back(moved ? static_cast<const Transfer&>(owner->op()).target : "");
    any |= moved && targets.back() != "cpu";
  }
  return any ? py::object(py::cast(targets)) : py::object(py::none());
}

py::tuple describe(const std::string& name, const Type& type) {
  return py::make_tuple(name.empty() ? py::object(py::none()) : py::str(name),
                        dtype_str(type.dtype()), type.ndim(), broadcastable(type));
}

// The user's shared variables of a compiled function; of a loaded one, those that it was read with.
py::list shared_variables(const Function& f) { return wrapped_list(f.graph().original_shared()); }

py::list updated_variables(const Function& f) {
  py::list out;
  for (int i : f.updated())
    out.append(wrapped(f.graph().original_shared()[static_cast<size_t>(i)]));
  return out;
}

// A copy of the optimised graph: handles on the function's own nodes would let users change them.
py::tuple graph_copy(const Function& f) {
  const Graph& graph = f.graph();
  VarMap map;
  std::vector<Var> inputs;
  for (const Var& v : graph.inputs()) {
    inputs.push_back(Var(make_variable(v->type(), v->name)));
    map[v.get()] = inputs.back();
  }
  for (size_t i = 0; i < graph.shared().size(); ++i) {
    map[graph.shared()[i].get()] = graph.original_shared()[i];
  }
  const std::vector<Var> outputs = clone_graph(graph.outputs(), map);
  return py::make_tuple(wrapped_list(inputs), wrapped_list(outputs));
}

py::list pass_reports(const Function& f) {
  py::list out;
  for (const PassReport& r : f.pass_reports()) {
    out.append(py::make_tuple(r.name, r.seconds, r.changed, r.nodes_after));
  }
  return out;
}

py::dict instruction_profile(const runtime::InstructionProfile& p) {
  py::dict d;
  d["op"] = p.op;
  d["op_class"] = p.op_class;
  d["loc"] = p.loc ? py::object(py::str(to_string(p.loc))) : py::none();
  py::list lines;
  for (const SourceLoc& loc : p.lines) lines.append(to_string(loc));
  d["lines"] = lines;
  d["types"] = py::cast(p.output_types);
  d["owner"] = p.owner < 0 ? py::object(py::none()) : py::int_(p.owner);
  d["has_body"] = p.loop;
  d["calls"] = p.calls;
  d["seconds"] = p.seconds;
  d["inner_seconds"] = p.inner_seconds;
  d["bytes"] = p.bytes;
  d["max_bytes"] = p.max_bytes;
  py::list shapes;
  for (const Dims& shape : p.shapes) {
    py::tuple dims(shape.size());
    for (size_t i = 0; i < shape.size(); ++i) dims[i] = py::int_(shape[i]);
    shapes.append(dims);
  }
  d["shapes"] = shapes;
  d["steps"] = p.steps;
  d["slowest_seconds"] = p.slowest_seconds;
  d["slowest_step"] = p.slowest_step;
  d["whole"] = p.whole;
  d["loop_profile"] = p.loop_profile;
  d["work_bytes"] = p.work_bytes;
  return d;
}

// One call's (thread, dropped, events).
py::tuple call_events(const runtime::ProfiledCall& call) {
  py::list events;
  for (const runtime::ProfileEvent& e : call.events)
    events.append(py::make_tuple(e.instruction, e.step, e.start_ns, e.duration_ns));
  return py::make_tuple(call.thread, call.dropped, events);
}

py::dict profile_of(const Function& f) {
  const runtime::FunctionProfile profile = f.profile();
  py::dict out;
  out["calls"] = profile.calls;
  out["seconds"] = profile.seconds;
  out["work_bytes"] = profile.work_bytes;
  out["clock_seconds"] = profile.clock_seconds;
  py::list instructions;
  for (const auto& p : profile.instructions) instructions.append(instruction_profile(p));
  out["instructions"] = instructions;
  return out;
}

py::list profile_events(const Function& f) {
  py::list out;
  for (const runtime::ProfiledCall& call : f.profile().last_calls) out.append(call_events(call));
  return out;
}

size_t planned_bytes(Function& f, py::handle shapes) {
  std::vector<Dims> dims;
  for (py::handle shape : shapes) {
    Dims d;
    for (int64_t n : ints_from_python(shape, "a shape")) {
      if (n < 0) fail(ErrorKind::value, "a dimension cannot be ", n);
      d.push_back(n);
    }
    dims.push_back(std::move(d));
  }
  if (dims.size() != f.inputs().size()) {
    fail(ErrorKind::value, "the function has ", f.inputs().size(), " inputs, ", dims.size(),
         " shapes were given");
  }
  for (size_t i = 0; i < dims.size(); ++i) {
    const Type& type = f.inputs()[i].type;
    if (static_cast<int>(dims[i].size()) != type.ndim()) {
      fail(ErrorKind::value, "input ", i, " is ", type.str(), ", the shape ", to_string(dims[i]),
           " was given");
    }
  }
  // Waits for the locks of shared variables, whose holders may wait for the GIL.
  const py::gil_scoped_release nogil;
  return f.planned_bytes(dims);
}

std::vector<const char*> pass_names() {
  std::vector<const char*> names;
  std::set<std::string_view> seen;
  const auto add = [&](std::span<const Pass> passes) {
    for (const Pass& p : passes) {
      if (seen.insert(p.name).second) names.push_back(p.name);
    }
  };
  add(pipeline("fast_run"));
  add(pipeline("fast_compile"));
  add(further_passes());
  add(lowering_pipeline(true));
  return names;
}

void bind_function_class(py::module_& m) {
  py::class_<FunctionObject>(m, "Function", "A compiled function.",
                             py::custom_type_setup(&collect_functions))
      .def_property_readonly("name", [](const FunctionObject& o) { return o.function->name(); })
      .def_property_readonly("inputs",
                             [](const FunctionObject& o) {
                               py::list out;
                               for (const auto& i : o.function->inputs()) {
                                 out.append(describe(i.name, i.type));
                               }
                               return out;
                             })
      .def_property_readonly("outputs",
                             [](const FunctionObject& o) {
                               py::list out;
                               for (const auto& i : o.function->outputs()) {
                                 out.append(describe(i.name, i.type));
                               }
                               return out;
                             })
      .def_property_readonly(
          "input_shapes",
          [](const FunctionObject& o) {
            py::list out;
            for (const auto& i : o.function->inputs()) {
              out.append(static_shape(i.type));
            }
            return out;
          },
          "For each input, its static shape.")
      .def_property_readonly(
          "shared", [](const FunctionObject& o) { return shared_variables(*o.function); },
          "The shared variables that the function uses.")
      .def_property_readonly(
          "shared_names",
          [](const FunctionObject& o) { return py::cast(o.function->shared_names()); })
      .def_property_readonly(
          "updated", [](const FunctionObject& o) { return updated_variables(*o.function); },
          "The shared variables that the function updates.")
      .def_property_readonly(
          "pass_reports", [](const FunctionObject& o) { return pass_reports(*o.function); },
          "For each pass that ran: name, seconds, whether it changed anything, "
          "nodes after it.")
      .def_property_readonly(
          "device",
          [](const FunctionObject& o) { return device_name(o.function->options().device); },
          "Where it runs: \"cpu\" or the name of a device.")
      .def_property_readonly(
          "host_instructions",
          [](const FunctionObject& o) { return py::cast(o.function->host_instructions()); },
          "Of a function for a device: what its calls have computed on the host.")
      .def_property_readonly("compile_seconds",
                             [](const FunctionObject& o) { return o.function->compile_seconds(); })
      .def(
          "graph_text", [](const FunctionObject& o) { return o.function->graph().str(); },
          "The optimised graph, one node a line.")
      .def(
          "program_text", [](const FunctionObject& o) { return o.function->program_text(); },
          "The lowered program, one instruction a line.")
      .def(
          "planned_bytes",
          [](const FunctionObject& o, py::handle shapes) {
            return planned_bytes(*o.function, shapes);
          },
          py::arg("shapes"), "Bytes of arena that a call with these input shapes plans.")
      .def(
          "release", [](const FunctionObject& o) { o.function->release_contexts(); },
          "Free the memory kept between calls.")
      .def(
          "profile", [](const FunctionObject& o) { return profile_of(*o.function); },
          "What a profiled function measured: calls, seconds, work_bytes, and of each instruction, "
          "those inside loops included, what runtime::InstructionProfile has.")
      .def(
          "profile_events", [](const FunctionObject& o) { return profile_events(*o.function); },
          "Of each of the last calls (thread, events without room, events), where an event is "
          "(instruction or -1 for the call, step or -1, start, duration), in nanoseconds.")
      .def_property_readonly(
          "loop_profiles",
          [](const FunctionObject& o) { return py::cast(o.function->loop_profiles()); },
          "Names of the profiles that loops asked for.")
      .def(
          "reset_profile", [](const FunctionObject& o) { o.function->reset_profile(); },
          "Forget what was measured.")
      .def(
          "graph_outputs",
          [](const FunctionObject& o) { return py::object(graph_copy(*o.function)[1]); },
          "Outputs of a copy of the optimised graph: the function's outputs, then new values of "
          "`updated`.")
      .def(
          "graph_copy", [](const FunctionObject& o) { return graph_copy(*o.function); },
          "(inputs, outputs) of a copy of the optimised graph.");
}

runtime::Function* function_of(PyObject* object) {
  return guarded<runtime::Function*>(nullptr, [&] {
    if (!py::isinstance<FunctionObject>(object)) {
      fail(ErrorKind::type, "a compiled function is needed, not an object of class ",
           Py_TYPE(object)->tp_name);
    }
    return py::cast<const FunctionObject&>(py::handle(object)).function.get();
  });
}

void throw_python_error() {
  py::error_already_set error;
  throw_as_error(error);
}

}  // namespace

void bind_function(py::module_& m) {
  bind_function_class(m);
  m.def("compile", &compile, py::arg("inputs"), py::arg("outputs"), py::arg("updates") = py::list(),
        py::arg("givens") = py::list(), py::arg("name") = "", py::arg("pipeline") = "fast_run",
        py::arg("fuse") = true, py::arg("excluded") = py::list(), py::arg("on_change") = py::none(),
        py::arg("verify") = false, py::arg("monitor") = py::none(), py::arg("profile") = false,
        py::arg("reuse_memory") = true, py::arg("watch") = py::none(), py::arg("trace_events") = 0,
        py::arg("own_passes") = true, py::arg("device") = "", py::arg("forbid_host") = false,
        "Compile a function. With `reuse_memory` False no value is computed in memory that held "
        "another; with `own_passes` False the bodies of loops go through the function's passes, "
        "whatever their `loop_op` says. `device`: where it runs, \"\" and \"cpu\" being the host.");
  m.def("transfer_targets", &transfer_targets, py::arg("outputs"),
        "For each variable the target of the transfer that it is, or \"\"; None if there is none.");
  m.def("passes", &pass_names, "Names of all passes, in the order in which they run.");
}

void bind_api(py::module_& m) {
  static const Api api = {&function_of,    &set_current_exception, &throw_python_error,
                          &graph_config(), &device_array_of,       &device_array_object};
  m.attr("_api") = py::capsule(&api, kApiCapsule);
}

}  // namespace phintys::python
