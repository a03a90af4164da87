#include "passes/lazy_branches.h"

#include <algorithm>
#include <map>
#include <unordered_map>

#include "base/id_map.h"
#include "ops/control/branch.h"
#include "ops/control/ifelse.h"
#include "passes/match.h"

namespace phintys {

namespace {

// Branches inside branches beyond this are not moved into one another: running them takes stack.
constexpr int kMaxDepth = 100;

const IfElse* as_choice(const Apply& node) {
  return std::strcmp(node.op().name(), IfElse::kName) == 0 ? &op_as<IfElse>(node) : nullptr;
}
const Branch* as_branch(const Apply& node) {
  return std::strcmp(node.op().name(), Branch::kName) == 0 ? &op_as<Branch>(node) : nullptr;
}

// --- choices by one condition become one ---------------------------------------------------------

// For each node, how many choices by `condition` lie on the longest way to it: two of one number
// do not depend on each other.
std::vector<int> levels(const Graph& graph, const std::vector<Apply*>& order,
                        const Variable* condition) {
  std::vector<int> level(graph.num_node_slots(), 0);
  for (const Apply* node : order) {
    int& l = level[node->slot];
    for (const Var& v : node->inputs()) {
      if (v->owner()) l = std::max(l, level[v->owner()->slot]);
    }
    if (as_choice(*node) && node->input(0) == condition) ++l;
  }
  return level;
}

void merge_group(Graph& graph, const std::vector<Apply*>& group) {
  std::vector<Var> thens, elses;
  std::vector<Variable*> outputs;
  auto op = make_ref<IfElse>();
  for (const Apply* node : group) {
    const IfElse& choice = *as_choice(*node);
    if (op->label.empty()) op->label = choice.label;
    for (int o = 0; o < node->nout(); ++o) {
      if (graph.clients(node->output(o)).empty()) continue;
      thens.push_back(in(*node, choice.then_input(o)));
      elses.push_back(in(*node, choice.else_input(o)));
      outputs.push_back(node->output(o));
    }
  }
  if (outputs.empty()) return;
  op->n_outputs = static_cast<int64_t>(outputs.size());
  std::vector<Var> inputs{in(*group[0], 0)};
  inputs.insert(inputs.end(), thens.begin(), thens.end());
  inputs.insert(inputs.end(), elses.begin(), elses.end());
  const LocationScope scope(group[0]->loc);
  const std::vector<Var> merged = apply_multi(op, std::move(inputs));
  for (size_t k = 0; k < outputs.size(); ++k) graph.replace(outputs[k], merged[k]);
}

bool has_unused_output(const Graph& graph, const Apply& node) {
  for (int o = 0; o < node.nout(); ++o) {
    if (graph.clients(node.output(o)).empty()) return true;
  }
  return false;
}

// For each node, the innermost side of a choice that needs it alone: sides form a tree, and a node
// belongs to the innermost one that holds all its users.
class Sides {
 public:
  Sides(const Graph& graph, const std::vector<Apply*>& order) : of_(graph.num_node_slots(), -1) {
    for (size_t k = order.size(); k-- > 0;) {
      const Apply* node = order[k];
      int side = -1;
      for (int o = 0; o < node->nout(); ++o) {
        for (const Client& c : graph.clients(node->output(o))) side = meet(side, needs(c));
      }
      of_[node->slot] = std::max(side, 0);
      if (!as_choice(*node)) continue;
      first_[node] = static_cast<int>(parent_.size());
      for (int i = 0; i < 2; ++i) {
        parent_.push_back(of_[node->slot]);
        depth_.push_back(depth_[static_cast<size_t>(of_[node->slot])] + 1);
      }
    }
  }
  // 0: the whole graph.
  int of(const Apply* node) const { return of_[node->slot]; }

 private:
  int needs(const Client& c) const {
    if (!c.node) return 0;
    const IfElse* choice = as_choice(*c.node);
    if (!choice || c.index == 0) return of_[c.node->slot];
    return first_.at(c.node) + (c.index > static_cast<int>(choice->n_outputs) ? 1 : 0);
  }
  int meet(int a, int b) const {
    if (a < 0) return b;
    while (a != b) {
      int& deeper = depth_[static_cast<size_t>(a)] >= depth_[static_cast<size_t>(b)] ? a : b;
      deeper = parent_[static_cast<size_t>(deeper)];
    }
    return a;
  }

  std::vector<int> of_;                          // by Apply::slot
  std::unordered_map<const Apply*, int> first_;  // of a choice, its first side; the other is next
  std::vector<int> parent_{0}, depth_{0};
};

struct Condition {
  Var variable;
  std::vector<std::pair<Apply*, int>> choices;  // with the side that they lie in
};

std::vector<Condition> conditions_of(const Graph& graph) {
  std::vector<Condition> conditions;
  std::unordered_map<const Variable*, size_t> index;
  const std::vector<Apply*> order = graph.toposort();
  std::vector<Apply*> choices;
  for (Apply* node : order) {
    if (as_choice(*node)) choices.push_back(node);
  }
  if (choices.size() < 2) return conditions;
  const Sides sides(graph, order);
  for (Apply* node : choices) {
    const auto [at, fresh] = index.try_emplace(node->input(0), conditions.size());
    if (fresh) conditions.push_back({in(*node, 0), {}});
    conditions[at->second].choices.emplace_back(node, sides.of(node));
  }
  return conditions;
}

// Merges, of the choices by one condition, those that lie in one side and do not depend on each
// other; what lies in different sides must not run together.
bool merge_choices_by(Graph& graph, const Condition& condition) {
  if (condition.choices.size() < 2) return false;
  const std::vector<int> level = levels(graph, graph.toposort(), condition.variable.get());
  std::map<std::pair<int, int>, std::vector<Apply*>> groups;
  for (const auto& [node, side] : condition.choices) {
    if (graph.contains(node) && node->input(0) == condition.variable.get()) {
      groups[{level[node->slot], side}].push_back(node);
    }
  }
  bool merged = false;
  for (const auto& [key, group] : groups) {
    if (group.size() < 2) continue;
    merge_group(graph, group);
    merged = true;
  }
  return merged;
}

void merge_choices(Graph& graph) {
  for (Apply* node : graph.toposort()) {
    if (graph.contains(node) && as_choice(*node) && has_unused_output(graph, *node)) {
      merge_group(graph, {node});
    }
  }
  // What has been merged may bring others into one side.
  for (bool merged = true; merged;) {
    merged = false;
    for (const Condition& condition : conditions_of(graph)) {
      merged = merge_choices_by(graph, condition) || merged;
    }
  }
}

// --- what a side alone needs ---------------------------------------------------------------------

class Splitter {
 public:
  explicit Splitter(Graph& graph) : graph_(graph) {}

  void run() {
    const std::vector<Apply*> order = graph_.toposort();
    find_known(order);
    // Inputs before users: a choice inside a branch of another is a Branch by then, and moves as it
    // is.
    for (Apply* node : order) {
      if (graph_.contains(node) && as_choice(*node)) split(node);
    }
  }

 private:
  // Nodes whose values follow from shapes of leaves. A branch that needs one computes it itself:
  // given as an operand, its value would decide shapes where the shapes alone do.
  void find_known(const std::vector<Apply*>& order) {
    for (const Apply* node : order) {
      bool known = node->op().infallible() && node->nin() > 0;
      for (int o = 0; o < node->nout(); ++o) {
        known = known && node->output(o)->type().is_tensor() && node->output(o)->ndim() <= 1;
      }
      for (const Var& v : node->inputs()) {
        if (!known) break;
        const Apply* owner = v->owner();
        const bool leaf = node->op().shape_only() && !owner;
        known = leaf || v->is_constant() || (owner && is_known(owner));
      }
      if (known) known_.insert(node->id(), true);
    }
  }
  bool is_known(const Apply* node) const { return known_.contains(node->id()); }

  // The nodes all of whose users are in the region, or are `side` values of `choice`.
  IdMap<bool> region_of(const Apply* choice, int side, int* depth) const {
    const int n = static_cast<int>(as_choice(*choice)->n_outputs);
    IdMap<bool> region;
    IdMap<uint32_t> uses;
    std::vector<const Apply*> work;
    auto use = [&](const Variable* v) {
      Apply* owner = v->owner();
      if (!owner) return;
      uint32_t& count = *uses.insert(owner->id(), 0).first;
      size_t all = 0;
      for (int o = 0; o < owner->nout(); ++o) all += graph_.clients(owner->output(o)).size();
      if (++count < all) return;
      const Branch* inside = as_branch(*owner);
      if (inside && inside->depth >= kMaxDepth) return;
      if (inside) *depth = std::max(*depth, inside->depth + 1);
      region.insert(owner->id(), true);
      work.push_back(owner);
    };
    for (int i = 1 + side * n; i < 1 + (side + 1) * n; ++i) use(choice->input(i));
    while (!work.empty()) {
      const Apply* node = work.back();
      work.pop_back();
      for (const Var& v : node->inputs()) use(v.get());
    }
    return region;
  }

  // Adds to `inputs` what the values are computed from outside the region, in order of first visit.
  void gather_inputs(std::span<const Var> values, const IdMap<bool>& region,
                     std::vector<Var>* inputs, IdMap<bool>* taken) const {
    IdMap<bool> seen;
    std::vector<Var> work(values.rbegin(), values.rend());
    while (!work.empty()) {
      const Var v = std::move(work.back());
      work.pop_back();
      if (v->is_constant()) continue;
      const Apply* owner = v->owner();
      if (owner && (region.find(owner->id()) || is_known(owner))) {
        if (!seen.insert(owner->id(), true).second) continue;
        for (int i = owner->nin(); i-- > 0;) work.push_back(in(*owner, i));
      } else if (taken->insert(v->id(), true).second) {
        inputs->push_back(v);
      }
    }
  }

  void split(Apply* node) {
    const IfElse& choice = *as_choice(*node);
    const std::span<const Var> all = node->inputs();
    const size_t n = static_cast<size_t>(choice.n_outputs);
    auto op = make_ref<Branch>();
    std::vector<Var> inputs;
    IdMap<bool> taken;
    bool lazy = false;
    for (int side = 0; side < 2; ++side) {
      const IdMap<bool> region = region_of(node, side, &op->depth);
      lazy = lazy || region.size() > 0;
      gather_inputs(all.subspan(1 + static_cast<size_t>(side) * n, n), region, &inputs, &taken);
    }
    if (!lazy) return;
    op->label = choice.label;
    op->graphs = {InnerGraph::make(inputs, all.subspan(1, n)),
                  InnerGraph::make(inputs, all.subspan(1 + n, n))};
    std::vector<Var> operands{all[0]};
    operands.insert(operands.end(), inputs.begin(), inputs.end());
    const LocationScope scope(node->loc);
    const std::vector<Var> results = apply_multi(op, std::move(operands));
    for (int o = 0; o < node->nout(); ++o) {
      if (graph_.contains(node->output(o))) graph_.replace(node->output(o), results[size_t(o)]);
    }
  }

  Graph& graph_;
  IdMap<bool> known_;  // by id of the node
};

}  // namespace

void lazy_branches(Graph& graph) {
  bool any = false;
  for (size_t slot = 0; slot < graph.num_node_slots() && !any; ++slot) {
    const Apply* node = graph.node_at(slot);
    any = node && as_choice(*node);
  }
  if (!any) return;
  merge_choices(graph);
  Splitter(graph).run();
}

}  // namespace phintys
