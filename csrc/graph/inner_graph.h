// A graph inside an op: the body of a loop, the branches of a condition, a function used as an op.
#pragma once

#include <span>
#include <vector>

#include "graph/graph.h"

namespace phintys {

// Immutable. Its inputs are the only leaves besides constants: what a body uses of the outside is
// an input of the op, so nothing in here refers to the graph around it.
class InnerGraph final : public RefCounted {
 public:
  // Clones what lies between `inputs`, which are cut off from what computes them, and `outputs`.
  // Throws Error(missing_input) naming a leaf that is none of them (shared variables included).
  static Ref<const InnerGraph> make(std::span<const Var> inputs, std::span<const Var> outputs);
  // Of a graph that passes worked on.
  static Ref<const InnerGraph> make(const Graph& graph);

  const std::vector<Var>& inputs() const { return inputs_; }
  const std::vector<Var>& outputs() const { return outputs_; }
  // Nodes, inputs before users.
  const std::vector<Apply*>& nodes() const { return nodes_; }

  // Same ops on the same operands, in the same order of inputs and outputs.
  bool equal(const InnerGraph& other) const;
  uint64_t hash() const { return hash_; }

  // The outputs as expressions of `arguments`, one for each input.
  std::vector<Var> inlined(std::span<const Var> arguments) const;
  // A private clone for passes.
  Graph graph() const { return Graph(inputs_, outputs_); }

 private:
  InnerGraph(std::vector<Var> inputs, std::vector<Var> outputs);

  std::vector<Var> inputs_, outputs_;
  std::vector<Apply*> nodes_;
  uint64_t hash_ = 0;
};

}  // namespace phintys
