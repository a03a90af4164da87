#include "graph/inner_graph.h"

#include "base/id_map.h"
#include "graph/print.h"

namespace phintys {

namespace {

// Numbers the variables of a graph in one order that depends on its structure alone.
IdMap<uint32_t> numbering(const std::vector<Var>& inputs, const std::vector<Apply*>& nodes) {
  IdMap<uint32_t> numbers;
  uint32_t next = 0;
  for (const Var& v : inputs) numbers.insert(v->id(), next++);
  for (const Apply* node : nodes)
    for (int o = 0; o < node->nout(); ++o) numbers.insert(node->output(o)->id(), next++);
  return numbers;
}

uint64_t hash_type(const Type& type) {
  return hash_dims(type.shape(), static_cast<uint64_t>(type.dtype()));
}

uint64_t hash_operand(const Variable* v, const IdMap<uint32_t>& numbers) {
  if (v->is_constant()) return hash_type(v->type());  // equal() compares the bits
  return *numbers.find(v->id());
}

}  // namespace

InnerGraph::InnerGraph(std::vector<Var> inputs, std::vector<Var> outputs)
    : inputs_(std::move(inputs)), outputs_(std::move(outputs)), nodes_(toposort(outputs_)) {
  const IdMap<uint32_t> numbers = numbering(inputs_, nodes_);
  hash_ = inputs_.size();
  for (const Var& v : inputs_) hash_ = hash_combine(hash_, hash_type(v.type()));
  for (const Apply* node : nodes_) {
    hash_ = hash_combine(hash_, node->op().hash());
    for (const Var& v : node->inputs()) hash_ = hash_combine(hash_, hash_operand(v.get(), numbers));
  }
  for (const Var& v : outputs_) hash_ = hash_combine(hash_, hash_operand(v.get(), numbers));
}

Ref<const InnerGraph> InnerGraph::make(std::span<const Var> inputs, std::span<const Var> outputs) {
  VarMap map;
  std::vector<Var> fresh;
  for (const Var& v : inputs) {
    if (map.contains(v.get())) fail(ErrorKind::value, to_string(*v), " is an input twice");
    fresh.push_back(make_variable(v.type(), v->name));
    fresh.back()->loc = v->loc;
    map[v.get()] = fresh.back();
  }
  std::vector<Var> results = clone_graph(outputs, map);
  IdMap<bool> known(fresh.size());
  for (const Var& v : fresh) known.insert(v->id(), true);
  for (const Var& leaf : graph_inputs(results, fresh)) {
    if (!leaf->is_constant() && !known.contains(leaf->id()))
      fail(ErrorKind::missing_input,
           "a graph inside an op is missing an input: ", to_string(*leaf));
  }
  return Ref<const InnerGraph>(new InnerGraph(std::move(fresh), std::move(results)));
}

Ref<const InnerGraph> InnerGraph::make(const Graph& graph) {
  return make(graph.inputs(), graph.outputs());
}

bool InnerGraph::equal(const InnerGraph& other) const {
  if (this == &other) return true;
  if (hash_ != other.hash_ || inputs_.size() != other.inputs_.size() ||
      outputs_.size() != other.outputs_.size() || nodes_.size() != other.nodes_.size())
    return false;
  for (size_t i = 0; i < inputs_.size(); ++i)
    if (!(inputs_[i].type() == other.inputs_[i].type())) return false;
  const IdMap<uint32_t> mine = numbering(inputs_, nodes_);
  const IdMap<uint32_t> theirs = numbering(other.inputs_, other.nodes_);
  auto same = [&](const Variable* a, const Variable* b) {
    if (a->is_constant() != b->is_constant()) return false;
    if (a->is_constant()) return a->type() == b->type() && same_bits(a->constant(), b->constant());
    return *mine.find(a->id()) == *theirs.find(b->id());
  };
  for (size_t n = 0; n < nodes_.size(); ++n) {
    const Apply &a = *nodes_[n], &b = *other.nodes_[n];
    if (a.nin() != b.nin() || a.nout() != b.nout() || !a.op().equal(b.op())) return false;
    for (int i = 0; i < a.nin(); ++i)
      if (!same(a.input(i), b.input(i))) return false;
    for (int o = 0; o < a.nout(); ++o)
      if (!(a.output(o)->type() == b.output(o)->type())) return false;
  }
  for (size_t i = 0; i < outputs_.size(); ++i)
    if (!same(outputs_[i].get(), other.outputs_[i].get())) return false;
  return true;
}

std::vector<Var> InnerGraph::inlined(std::span<const Var> arguments) const {
  PHINTYS_CHECK(arguments.size() == inputs_.size(), "arguments do not match a graph's inputs");
  VarMap map;
  for (size_t i = 0; i < inputs_.size(); ++i) map[inputs_[i].get()] = arguments[i];
  return clone_graph(outputs_, map);
}

}  // namespace phintys
