// A function's graph under work: the private clone that passes rewrite.
//
// A Graph owns clones of everything between its inputs and outputs; nobody else holds nodes of it.
// It knows the clients of every variable (which input of which node, or which output of the graph,
// uses it), so that replacing a variable is linear in the number of its uses.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "graph/op.h"
#include "graph/traverse.h"
#include "graph/variable.h"

namespace phintys {

// Who uses a variable; most have one or two users.
struct Client {
  Apply* node;  // null: the graph's output number `index`
  int index;
  bool operator==(const Client&) const = default;
};
using Clients = SmallVec<Client, 2>;

class Graph {
 public:
  // Clones the graph. `inputs` become fresh variables of the same type; shared variables and
  // constants are leaves that are cloned by reference to their storage or data. Throws
  // Error(missing_input) naming a leaf that is neither.
  Graph(std::span<const Var> inputs, std::span<const Var> outputs);
  // The same with shared variables that must be in shared() even if no output depends on them (the
  // targets of updates); they come first, in this order.
  Graph(std::span<const Var> inputs, std::span<const Var> outputs, std::span<const Var> shared);
  // A copy of another graph, without the shared variables that no output depends on.
  explicit Graph(const Graph& other);
  Graph& operator=(const Graph&) = delete;

  const std::vector<Var>& inputs() const { return inputs_; }
  const std::vector<Var>& outputs() const { return outputs_; }
  // Shared variables that the graph had when it was made, clones, in order of first use.
  const std::vector<Var>& shared() const { return shared_; }
  // The user's variable behind input / shared clone i.
  const std::vector<Var>& original_inputs() const { return original_inputs_; }
  const std::vector<Var>& original_shared() const { return original_shared_; }

  const Clients& clients(const Variable* v) const;
  bool contains(const Variable* v) const;
  bool contains(const Apply* node) const;
  // Nodes in use, inputs before users; deterministic. Linear in the graph.
  std::vector<Apply*> toposort() const;
  // Makes the next calls of toposort() a copy of what it finds now, until a node is replaced.
  void remember_order();
  size_t num_nodes() const { return live_nodes_; }
  // Variable::slot of every variable, and Apply::slot of every node, in this graph lie below these:
  // passes keep side tables as vectors. Slots are reused after their variable or node was dropped.
  size_t num_slots() const { return slots_.size(); }
  size_t num_node_slots() const { return nodes_.size(); }
  // The node in a node slot; null if the slot is free.
  Apply* node_at(size_t slot) const { return nodes_[slot]; }

  // Makes every client of `old` use `replacement` (new nodes behind it are imported). The types
  // must have the same dtype and rank; Error(internal) otherwise. Nodes that lose their last client
  // are dropped. The replacement inherits the name, if it has none, and its node the source line,
  // if it has none.
  void replace(Variable* old, Var replacement);
  // Dropped nodes stay allocated until this call, so that a pass may walk a list of nodes that it
  // made before it replaced some of them; contains() tells which are left.
  void release_dropped() { dropped_.clear(); }
  // Counts replacements since construction; a pass that leaves it alone changed nothing.
  uint64_t changes() const { return changes_; }
  // Whether the pass with this key found nothing to do in the graph as it is now.
  bool is_settled(const void* pass) const;
  void set_settled(const void* pass);

  // Checks clients, types and acyclicity; throws Error(internal).
  void verify() const;
  // Text of the graph, one node a line, in topological order.
  std::string str() const;

 private:
  struct Slot {
    Variable* variable = nullptr;
    Clients clients;
    bool keep = false;  // an input or a shared variable of the graph: stays without clients
  };
  Slot& slot(Variable* v);
  const Slot* find(const Variable* v) const;
  class Cloner;
  void import_variable(const Var& v);
  void import_node(Apply* node);
  void add_slot(Variable* v);
  void free_slot(Variable* v);
  void add_client(Variable* v, Client c);
  void drop_client(Variable* v, Client c);
  uint32_t& position(Client c);
  void prune(Variable* v);

  std::vector<Var> inputs_, outputs_, shared_, original_inputs_, original_shared_;
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_slots_;
  std::vector<Apply*> nodes_;  // by Apply::slot
  std::vector<uint32_t> free_nodes_;
  std::vector<Ref<Apply>> dropped_;
  std::vector<Apply*> order_;  // topological, as of order_changes_
  uint64_t order_changes_ = UINT64_MAX;
  std::vector<std::pair<const void*, uint64_t>> settled_;  // pass, changes() after it
  std::vector<uint32_t> output_pos_;  // as Apply::client_pos_, for the graph's outputs
  uint64_t changes_ = 0;
  size_t live_nodes_ = 0;
};

}  // namespace phintys
