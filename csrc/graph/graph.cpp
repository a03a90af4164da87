#include "graph/graph.h"

#include <algorithm>
#include <unordered_map>

#include "base/id_map.h"
#include "graph/print.h"

namespace phintys {

namespace {

// "Input 0 of the graph (indices start from 0), used to compute add(x, y), was not provided ..."
[[noreturn]] void fail_missing(const Variable* leaf, std::span<const Var> outputs) {
  for (Apply* node : toposort(outputs)) {
    for (int i = 0; i < node->nin(); ++i) {
      if (node->input(i) != leaf) continue;
      fail(ErrorKind::missing_input, "Input ", i, " of the graph (indices start from 0), ",
           to_string(*leaf), ", used to compute ", node->describe(),
           ", was not provided and not given a value.");
    }
  }
  fail(ErrorKind::missing_input, "The output ", to_string(*leaf),
       " is an undeclared input: it was not provided and not given a value.");
}

}  // namespace

// Copies a graph in one depth-first walk. The images of nodes and leaves are found by slot if the
// source is a Graph, else by id: a user's nodes carry no marks, as several threads may walk them.
class Graph::Cloner {
 public:
  Cloner(Graph& graph, const Graph* source, std::span<const Var> outputs)
      : graph_(graph), outputs_(outputs) {
    if (!source) return;
    by_slot_ = true;
    leaf_slots_.assign(source->num_slots(), nullptr);
    node_slots_.assign(source->num_node_slots(), kNew);
    graph_.slots_.reserve(source->num_slots());
    graph_.nodes_.reserve(source->num_nodes());
    graph_.order_.reserve(source->num_nodes());
  }

  void run(std::span<const Var> inputs, std::span<const Var> shared) {
    for (const Var& v : inputs) {
      Var copy = make_variable(v->type(), v->name);
      copy->loc = v->loc;
      blocked_.insert(v->id(), copy.get());
      graph_.add_slot(copy.get());
      graph_.inputs_.push_back(std::move(copy));
      graph_.original_inputs_.push_back(v);
    }
    for (const Var& v : shared) {
      if (!image_of_leaf(v.get())) copy_leaf(v.get());
    }
    for (const Var& out : outputs_) {
      visit(out.get());
      walk();
    }
    for (const Var& out : outputs_) graph_.outputs_.emplace_back(image(out.get()));
    finish();
  }

 private:
  static constexpr uint32_t kNew = UINT32_MAX;
  static constexpr uint32_t kOpen = UINT32_MAX - 1;  // its inputs are being visited
  struct Frame {
    Apply* node;
    int next;
  };

  // Where the number of a node's copy in graph_.order_ is kept.
  uint32_t& number(const Apply* node) {
    return by_slot_ ? node_slots_[node->slot] : *node_ids_.insert(node->id(), kNew).first;
  }
  Variable* image_of_leaf(const Variable* v) {
    if (Variable* const* input = blocked_.find(v->id())) return *input;
    if (by_slot_) return leaf_slots_[v->slot];
    Variable* const* leaf = leaf_ids_.find(v->id());
    return leaf ? *leaf : nullptr;
  }
  Variable* image(const Variable* v) {
    if (Variable* const* input = blocked_.find(v->id())) return *input;
    if (!v->owner()) return image_of_leaf(v);
    return graph_.order_[number(v->owner())]->output(v->index());
  }

  void visit(Variable* v) {
    if (v->owner()) {
      if (blocked_.contains(v->id())) return;
      uint32_t& n = number(v->owner());
      if (n != kNew) return;
      n = kOpen;
      stack_.push_back({v->owner(), 0});
    } else if (!image_of_leaf(v)) {
      copy_leaf(v);
    }
  }

  void walk() {
    while (!stack_.empty()) {
      Frame& frame = stack_.back();
      if (frame.next < frame.node->nin()) {
        visit(frame.node->input(frame.next++));  // may move `frame`
      } else {
        Apply* node = frame.node;
        stack_.pop_back();
        copy_node(node);
      }
    }
  }

  void copy_leaf(Variable* leaf) {
    if (!leaf->is_shared() && !leaf->is_constant()) fail_missing(leaf, outputs_);
    Var copy = Variable::copy_leaf(*leaf);
    if (by_slot_) {
      leaf_slots_[leaf->slot] = copy.get();
    } else {
      leaf_ids_.insert(leaf->id(), copy.get());
    }
    graph_.add_slot(copy.get());
    if (leaf->is_shared()) {
      graph_.shared_.push_back(std::move(copy));
      graph_.original_shared_.emplace_back(leaf);
    } else {
      constants_.push_back(std::move(copy));
    }
  }

  void copy_node(const Apply* node) {
    inputs_.clear();
    for (const Var& v : node->inputs()) inputs_.emplace_back(image(v.get()));
    number(node) = static_cast<uint32_t>(graph_.order_.size());
    copies_.push_back(node->with_inputs(inputs_));
    graph_.order_.push_back(copies_.back().get());
    graph_.import_node(copies_.back().get());
  }

  void finish() {
    for (const Var& v : graph_.inputs_) graph_.slot(v.get()).keep = true;
    for (const Var& v : graph_.shared_) graph_.slot(v.get()).keep = true;
    graph_.output_pos_.resize(graph_.outputs_.size());
    for (size_t i = 0; i < graph_.outputs_.size(); ++i) {
      graph_.add_client(graph_.outputs_[i].get(), {nullptr, static_cast<int>(i)});
    }
    graph_.order_changes_ = graph_.changes_;
  }

  Graph& graph_;
  std::span<const Var> outputs_;
  bool by_slot_ = false;
  IdMap<Variable*> blocked_;  // the inputs, which may have owners
  IdMap<Variable*> leaf_ids_;
  IdMap<uint32_t> node_ids_;
  std::vector<Variable*> leaf_slots_;
  std::vector<uint32_t> node_slots_;
  std::vector<Frame> stack_;
  std::vector<Var> inputs_;     // of the node being copied
  std::vector<Var> constants_;  // keep what nobody holds until the outputs do
  std::vector<Ref<Apply>> copies_;
};

Graph::Graph(std::span<const Var> inputs, std::span<const Var> outputs) {
  Cloner(*this, nullptr, outputs).run(inputs, {});
}
Graph::Graph(std::span<const Var> inputs, std::span<const Var> outputs,
             std::span<const Var> shared) {
  Cloner(*this, nullptr, outputs).run(inputs, shared);
}
Graph::Graph(const Graph& other) {
  Cloner(*this, &other, other.outputs_).run(other.inputs_, {});
  for (const auto& [pass, changes] : other.settled_) {
    if (changes == other.changes_) set_settled(pass);
  }
}

// --- tables ----------------------------------------------------------------------------------

const Graph::Slot* Graph::find(const Variable* v) const {
  if (v->slot >= slots_.size() || slots_[v->slot].variable != v) return nullptr;
  return &slots_[v->slot];
}

bool Graph::contains(const Variable* v) const { return find(v) != nullptr; }

bool Graph::contains(const Apply* node) const {
  return node->slot < nodes_.size() && nodes_[node->slot] == node;
}

const Clients& Graph::clients(const Variable* v) const {
  static const Clients none;
  const Slot* s = find(v);
  return s ? s->clients : none;
}

Graph::Slot& Graph::slot(Variable* v) {
  PHINTYS_CHECK(contains(v), "not in this graph: ", to_string(*v));
  return slots_[v->slot];
}

void Graph::add_slot(Variable* v) {
  if (free_slots_.empty()) {
    v->slot = static_cast<uint32_t>(slots_.size());
    slots_.emplace_back();
  } else {
    v->slot = free_slots_.back();
    free_slots_.pop_back();
  }
  slots_[v->slot].variable = v;
}

void Graph::free_slot(Variable* v) {
  Slot& s = slot(v);
  s.variable = nullptr;
  s.clients.clear();
  free_slots_.push_back(v->slot);
  v->slot = UINT32_MAX;
}

uint32_t& Graph::position(Client c) {
  const size_t i = static_cast<size_t>(c.index);
  return c.node ? c.node->client_pos_[i] : output_pos_[i];
}

void Graph::add_client(Variable* v, Client c) {
  Clients& list = slot(v).clients;
  position(c) = static_cast<uint32_t>(list.size());
  list.push_back(c);
}

// Constant time whatever the number of clients: the last entry takes the place of the dropped one.
void Graph::drop_client(Variable* v, Client c) {
  Clients& list = slot(v).clients;
  const uint32_t at = position(c);
  PHINTYS_CHECK(at < list.size() && list[at] == c, "list of clients out of step");
  list[at] = list.back();
  position(list[at]) = at;
  list.pop_back();
}

// --- growing and shrinking -------------------------------------------------------------------

void Graph::import_node(Apply* node) {
  if (free_nodes_.empty()) {
    node->slot = static_cast<uint32_t>(nodes_.size());
    nodes_.push_back(node);
  } else {
    node->slot = free_nodes_.back();
    free_nodes_.pop_back();
    nodes_[node->slot] = node;
  }
  ++live_nodes_;
  for (Variable* out : node->outputs()) add_slot(out);
  for (int i = 0; i < node->nin(); ++i) add_client(node->input(i), {node, i});
}

void Graph::import_variable(const Var& v) {
  struct Frame {
    Apply* node;
    int next;
  };
  std::vector<Frame> stack;
  // A node stands on the stack once: an acyclic graph never meets a node of its own path again,
  // and every other node is in the graph by the time it is met a second time.
  auto visit = [&](Variable* u) {
    if (contains(u)) return;
    if (u->owner()) {
      stack.push_back({u->owner(), 0});
    } else {
      PHINTYS_CHECK(u->is_constant(), "a pass brought in the foreign variable ", to_string(*u));
      add_slot(u);
    }
  };
  visit(v.get());
  while (!stack.empty()) {
    Frame& frame = stack.back();
    if (frame.next < frame.node->nin()) {
      visit(frame.node->input(frame.next++));
    } else {
      Apply* node = frame.node;
      stack.pop_back();
      import_node(node);
    }
  }
}

// Drops `v`, and what only it used, if nothing uses it.
void Graph::prune(Variable* v) {
  std::vector<Variable*> work{v};
  while (!work.empty()) {
    Variable* u = work.back();
    work.pop_back();
    const Slot* s = find(u);
    if (!s || s->keep || !s->clients.empty()) continue;
    Apply* node = u->owner();
    if (!node) {
      free_slot(u);
      continue;
    }
    const bool used = std::any_of(node->outputs().begin(), node->outputs().end(),
                                  [&](Variable* out) { return !clients(out).empty(); });
    if (used) continue;
    for (int i = 0; i < node->nin(); ++i) {
      drop_client(node->input(i), {node, i});
      work.push_back(node->input(i));
    }
    for (Variable* out : node->outputs()) free_slot(out);
    dropped_.emplace_back(node);
    nodes_[node->slot] = nullptr;
    free_nodes_.push_back(node->slot);
    node->slot = UINT32_MAX;
    --live_nodes_;
  }
}

void Graph::replace(Variable* old, Var replacement) {
  if (old == replacement.get()) return;
  const Var keep(old);
  const Type &from = old->type(), &to = replacement.type();
  PHINTYS_CHECK(to.is_value() && to.kind() == from.kind() && from.dtype() == to.dtype() &&
                    from.ndim() == to.ndim(),
                "replacement of ", to_string(*old), " of type ", from.str(), " by ",
                to_string(*replacement), " of type ", to.str());
  // Taken out first: the replacement may itself use `old`.
  Clients users = std::move(slot(old).clients);
  slot(old).clients.clear();
  import_variable(replacement);
  Variable* fresh = replacement.get();
  for (const Client& c : users) {
    (c.node ? c.node->inputs_[static_cast<size_t>(c.index)]
            : outputs_[static_cast<size_t>(c.index)]) = replacement;
    add_client(fresh, c);
  }
  ++changes_;
  if (fresh->name.empty() && fresh->owner()) fresh->name = old->name;
  if (fresh->owner() && !fresh->owner()->loc) {
    fresh->owner()->loc = old->owner() ? old->owner()->loc : old->loc;
  }
  prune(old);
  // A replacement for something that nothing uses is not needed either.
  if (users.empty()) prune(fresh);
}

void Graph::remember_order() {
  if (order_changes_ == changes_) return;
  order_ = toposort();
  order_changes_ = changes_;
}

bool Graph::is_settled(const void* pass) const {
  return std::find(settled_.begin(), settled_.end(), std::pair(pass, changes_)) != settled_.end();
}

void Graph::set_settled(const void* pass) {
  std::erase_if(settled_, [&](const auto& entry) { return entry.first == pass; });
  settled_.emplace_back(pass, changes_);
}

std::vector<Apply*> Graph::toposort() const {
  if (order_changes_ == changes_) return order_;
  struct Frame {
    Apply* node;
    int next;
  };
  std::vector<uint8_t> seen(nodes_.size(), 0);
  std::vector<Apply*> order;
  order.reserve(live_nodes_);
  std::vector<Frame> stack;
  auto visit = [&](Variable* v) {
    Apply* node = v->owner();
    if (!node || seen[node->slot]) return;
    seen[node->slot] = 1;
    stack.push_back({node, 0});
  };
  for (const Var& out : outputs_) {
    visit(out.get());
    while (!stack.empty()) {
      Frame& frame = stack.back();
      if (frame.next < frame.node->nin()) {
        visit(frame.node->input(frame.next++));
      } else {
        order.push_back(frame.node);
        stack.pop_back();
      }
    }
  }
  return order;
}

// --- checks and text -------------------------------------------------------------------------

void Graph::verify() const {
  const std::vector<Apply*> order = toposort();
  PHINTYS_CHECK(order.size() == live_nodes_, "nodes in use: ", order.size(),
                ", in the tables: ", live_nodes_);
  std::vector<uint8_t> done(nodes_.size(), 0);
  size_t uses = 0;
  auto check_use = [&](Variable* v, Client c, uint32_t at) {
    const Slot* s = find(v);
    PHINTYS_CHECK(s, "used but not in the graph: ", to_string(*v));
    PHINTYS_CHECK(at < s->clients.size() && s->clients[at] == c, "a use of ", to_string(*v),
                  " is not in its list of clients");
    PHINTYS_CHECK(v->type().is_value(), to_string(*v), " has no value");
    ++uses;
  };
  for (Apply* node : order) {
    PHINTYS_CHECK(contains(node), "not in the tables: ", node->describe());
    for (int i = 0; i < node->nin(); ++i) {
      Variable* v = node->input(i);
      PHINTYS_CHECK(!v->owner() || done[v->owner()->slot], "cycle through ", node->describe());
      check_use(v, {node, i}, node->client_pos_[static_cast<size_t>(i)]);
    }
    const std::vector<Type> types = node->op().infer(node->inputs());
    PHINTYS_CHECK(types.size() == node->outputs().size(), "outputs of ", node->describe());
    for (size_t i = 0; i < types.size(); ++i) {
      const Type& type = node->outputs_[i]->type();
      PHINTYS_CHECK(types[i].dtype() == type.dtype() && types[i].ndim() == type.ndim(), "output ",
                    i, " of ", node->describe(), " is ", type.str(), ", should be ",
                    types[i].str());
      PHINTYS_CHECK(contains(node->outputs_[i]), "output not in the graph: ", node->describe());
    }
    done[node->slot] = 1;
  }
  for (size_t i = 0; i < outputs_.size(); ++i) {
    check_use(outputs_[i].get(), {nullptr, static_cast<int>(i)}, output_pos_[i]);
  }
  size_t listed = 0;
  for (const Slot& s : slots_) listed += s.clients.size();
  PHINTYS_CHECK(listed == uses, "clients listed: ", listed, ", uses: ", uses);
}

std::string Graph::str() const {
  std::unordered_map<const Variable*, std::string> names;
  std::string text;
  auto leaves = [&](const char* title, const char* prefix, const std::vector<Var>& list) {
    if (list.empty()) return;
    text += title;
    for (size_t i = 0; i < list.size(); ++i) {
      std::string& name = names[list[i].get()];
      name = list[i]->name.empty() ? prefix + std::to_string(i) : list[i]->name.str();
      text += (i ? ", " : " ") + name + ": " + list[i]->type().str();
    }
    text += "\n";
  };
  leaves("inputs", "input", inputs_);
  leaves("shared", "shared", shared_);
  auto label = [&](const Var& v) {
    auto it = names.find(v.get());
    return it == names.end() ? to_string(*v) : it->second;
  };
  size_t number = 0;
  for (Apply* node : toposort()) {
    const std::string id = "%" + std::to_string(number++);
    for (int i = 0; i < node->nout(); ++i) {
      names[node->output(i)] = node->nout() == 1 ? id : id + "." + std::to_string(i);
    }
    text += id + " = " + node->op().str() + "(";
    for (int i = 0; i < node->nin(); ++i) {
      text += (i ? ", " : "") + label(node->inputs()[static_cast<size_t>(i)]);
    }
    text += ")";
    for (int i = 0; i < node->nout(); ++i) {
      text += (i ? ", " : ": ") + node->output(i)->type().str();
    }
    text += "\n";
  }
  text += "outputs";
  for (size_t i = 0; i < outputs_.size(); ++i) text += (i ? ", " : " ") + label(outputs_[i]);
  return text + "\n";
}

}  // namespace phintys
