#include "serial/state.h"

#include <mutex>
#include <shared_mutex>
#include <unordered_map>

#include "graph/traverse.h"
#include "runtime/residence.h"

namespace phintys::serial {

Ref<runtime::Function> build_function(const BuildSpec& spec) {
  std::vector<Var> outputs = spec.outputs;
  for (const runtime::Update& u : spec.updates) outputs.push_back(u.expression);
  auto graph = std::make_unique<Graph>(spec.inputs, outputs, spec.shared);
  std::unordered_map<const Variable*, int> position;
  for (size_t i = 0; i < graph->original_shared().size(); ++i) {
    position.emplace(graph->original_shared()[i].get(), static_cast<int>(i));
  }
  std::vector<int> updated;
  for (const runtime::Update& u : spec.updates) updated.push_back(position.at(u.shared.get()));
  return runtime::Function::from_graph(std::move(graph), spec.name, spec.output_names,
                                       std::move(updated), spec.options);
}

int find_state(const runtime::Function& function, std::string_view name) {
  int found = -1;
  const std::vector<std::string>& names = function.shared_names();
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i] != name) continue;
    if (found >= 0) {
      fail(ErrorKind::value, "function '", function.name(),
           "' has several state variables called '", name, "'; use their indices");
    }
    found = static_cast<int>(i);
  }
  return found;
}

Array get_state(const runtime::Function& function, size_t index) {
  const SharedStorage& storage = *function.shared().at(index);
  std::shared_lock lock(storage.mutex());
  return storage.value().device() ? runtime::host_value(storage)
                                  : Array::copy_of(storage.value().view());
}

void set_state(const runtime::Function& function, size_t index, const TensorView& value) {
  const Type& type = function.graph().shared()[index].type();
  const Dims shape(value.shape, value.shape + value.ndim);
  if (value.dtype != type.dtype() || value.ndim != type.ndim()) {
    fail(ErrorKind::type, "state variable '", function.shared_names()[index], "' is ", type.str(),
         "; it cannot be set to a ", dtype_name(value.dtype), " array of shape ", to_string(shape));
  }
  for (int i = 0; i < type.ndim(); ++i) {
    if (type.dim(i) != kUnknownDim && type.dim(i) != value.shape[i]) {
      fail(ErrorKind::value, "state variable '", function.shared_names()[index], "' is ",
           type.str(), "; it cannot be set to an array of shape ", to_string(shape));
    }
  }
  Array copy = Array::copy_of(value);
  SharedStorage& storage = *function.shared()[index];
  // The old value is freed after the lock is gone.
  Array old;
  std::unique_lock lock(storage.mutex());
  old = storage.value();
  storage.set_value(std::move(copy));
}

namespace {

// The storage that `name` has in `source` if it can serve a variable of `type`, or null.
Ref<SharedStorage> matching_storage(const runtime::Function& source, const std::string& name,
                                    const Type& type) {
  if (name.empty()) return nullptr;
  const int at = find_state(source, name);
  if (at < 0) return nullptr;
  const Type& other = source.graph().shared()[static_cast<size_t>(at)].type();
  // Equal static dimensions: either function may set the value to whatever its own type allows.
  if (!(type == other)) {
    fail(ErrorKind::type, "state variable '", name, "' cannot be shared: it is ", type.str(),
         " in one function and ", other.str(), " in the other");
  }
  return source.shared()[static_cast<size_t>(at)];
}

}  // namespace

Ref<runtime::Function> with_state_of(const runtime::Function& function,
                                     const runtime::Function& source, size_t* shared) {
  const Graph& graph = function.graph();
  VarMap map;
  BuildSpec spec;
  size_t count = 0;
  for (size_t i = 0; i < graph.shared().size(); ++i) {
    const Var& old = graph.shared()[i];
    const std::string& name = function.shared_names()[i];
    Ref<SharedStorage> storage = matching_storage(source, name, old.type());
    if (storage) {
      find_state(function, name);
      ++count;
    } else {
      storage = function.shared()[i];
    }
    Var fresh = make_shared_variable(old.type(), std::move(storage), name);
    fresh->loc = old->loc;
    map.emplace(old.get(), fresh);
    spec.shared.push_back(std::move(fresh));
  }
  std::vector<Var> outputs = clone_graph(graph.outputs(), map);
  spec.name = function.name();
  spec.options = function.options();
  spec.inputs = graph.inputs();
  const size_t n = function.outputs().size();
  spec.outputs.assign(outputs.begin(), outputs.begin() + static_cast<std::ptrdiff_t>(n));
  for (const auto& o : function.outputs()) spec.output_names.push_back(o.name);
  for (size_t k = 0; k < function.updated().size(); ++k) {
    const size_t target = static_cast<size_t>(function.updated()[k]);
    spec.updates.push_back({spec.shared[target], outputs[n + k]});
  }
  if (shared) *shared = count;
  return build_function(spec);
}

}  // namespace phintys::serial
