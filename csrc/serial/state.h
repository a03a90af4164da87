// A function's state by name, and functions that share it.
#pragma once

#include <string_view>
#include <vector>

#include "runtime/function.h"

namespace phintys::serial {

struct BuildSpec {
  std::string name;
  std::vector<Var> inputs;
  std::vector<Var> outputs;
  std::vector<std::string> output_names;
  // Every shared variable, in the order that the function's state shall have.
  std::vector<Var> shared;
  std::vector<runtime::Update> updates;
  runtime::FunctionSpec options;
};
// A function from an optimised graph in variables of its own.
Ref<runtime::Function> build_function(const BuildSpec& spec);

// Index into function.shared() of the state variable called `name`, or -1 if there is none. Throws
// Error(value) if several have that name.
int find_state(const runtime::Function& function, std::string_view name);

// A snapshot of state variable `index` (a copy).
Array get_state(const runtime::Function& function, size_t index);
// Replaces it by a copy of `value`. Throws Error(type) if dtype or rank differ, Error(value) if a
// dimension contradicts the static shape.
void set_state(const runtime::Function& function, size_t index, const TensorView& value);

// A function like `function` whose state variables are those of `source` wherever both have one of
// the same name: calls of either see the updates of the other. `shared` (may be null) receives how
// many they are. Throws Error(type) if two of the same name have different types, Error(value) if
// a name is not unique. Neither argument changes.
Ref<runtime::Function> with_state_of(const runtime::Function& function,
                                     const runtime::Function& source, size_t* shared);

}  // namespace phintys::serial
