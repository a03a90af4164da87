// Iterative traversal of graphs: no function here recurses, whatever the depth.
#pragma once

#include <functional>
#include <span>
#include <unordered_map>
#include <vector>

#include "graph/variable.h"

namespace phintys {

// Apply nodes that `outputs` depend on, inputs before users; deterministic (depth-first from the
// first output). Stops at `blockers` (their owners are not entered).
std::vector<Apply*> toposort(std::span<const Var> outputs, std::span<const Var> blockers = {});

// Every variable that `outputs` depend on, themselves included, in first-visit order.
std::vector<Var> ancestors(std::span<const Var> outputs, std::span<const Var> blockers = {});

// Ancestors without owner: inputs, constants and shared variables, in order of first visit.
std::vector<Var> graph_inputs(std::span<const Var> outputs, std::span<const Var> blockers = {});

using VarMap = std::unordered_map<Variable*, Var>;

// Clones the nodes between `map`'s keys and `outputs`: a variable in `map` becomes its value (the
// value is not cloned further); leaves without an entry are shared, not copied. Adds every cloned
// variable to `map`. Output types follow the clone's inputs if `reinfer`, else stay as they were.
std::vector<Var> clone_graph(std::span<const Var> outputs, VarMap& map, bool reinfer = false);

}  // namespace phintys
