#include "ops/control/residuals.h"

#include <algorithm>
#include <string_view>

#include "ops/control/scan.h"
#include "ops/elemwise.h"

namespace phintys {

namespace {

constexpr int64_t kInfinite = int64_t{1} << 50;
constexpr int64_t kGuessedLength = 32;  // of a dimension that the type does not know
constexpr float kCostly = 8;  // rough cycles per 16 values: above multiplications, divisions

// Ops that look at their operand's memory or shape, or forward it.
bool is_view(std::string_view name) {
  for (const char* view :
       {"dimshuffle", "subtensor", "reshape", "specify_shape", "shape_i", "make_vector", "alloc",
        "disconnected_grad", "zero_grad", "undefined_grad", "consider_constant", "grad_clip",
        "grad_scale", "transfer"})
    if (name == view) return true;
  return false;
}

// True iff `node` looks at the shape of its input `i` only.
bool takes_shape(const Apply& node, int i) {
  const std::string_view name = node.op().name();
  return name == "shape_i" || (name == "second" && i == 0);
}

bool has_unknown_length(const Type& type) {
  if (!type.is_tensor()) return false;
  const Dims& shape = type.shape();
  return std::find(shape.begin(), shape.end(), kUnknownDim) != shape.end();
}

bool is_cheap(const Op& op) {
  if (const Elemwise* e = as_elemwise(op))
    return e->is_cast() || (!e->info().heavy && e->info().cost < kCostly);
  const std::string_view name = op.name();
  return is_view(name) || name == "join" || name == "arange";
}

int64_t bytes_of(const Type& type) {
  if (!type.is_tensor()) return kInfinite;
  int64_t bytes = static_cast<int64_t>(item_size(type.dtype()));
  for (int64_t d : type.shape())
    bytes = std::min(bytes * std::clamp<int64_t>(d < 0 ? kGuessedLength : d, 1, 1 << 20),
                     kInfinite / 1024);
  return bytes;
}

// Maximum flow by shortest augmenting paths; the networks are small.
class Network {
 public:
  explicit Network(size_t n) : arcs_of_(n) {}
  size_t add_node() {
    arcs_of_.emplace_back();
    return arcs_of_.size() - 1;
  }
  void add_arc(size_t from, size_t to, int64_t capacity) {
    arcs_of_[from].push_back(arcs_.size());
    arcs_.push_back({to, capacity});
    arcs_of_[to].push_back(arcs_.size());
    arcs_.push_back({from, 0});
  }
  void saturate(size_t source, size_t sink) {
    while (augment(source, sink)) {
    }
  }
  // Nodes from which `sink` can still be reached.
  std::vector<bool> reaching(size_t sink) const {
    std::vector<bool> seen(arcs_of_.size());
    std::vector<size_t> stack{sink};
    seen[sink] = true;
    while (!stack.empty()) {
      const size_t v = stack.back();
      stack.pop_back();
      for (size_t a : arcs_of_[v]) {
        if (arcs_[a ^ 1].capacity == 0 || seen[arcs_[a].to]) continue;
        seen[arcs_[a].to] = true;
        stack.push_back(arcs_[a].to);
      }
    }
    return seen;
  }

 private:
  struct Arc {
    size_t to;
    int64_t capacity;
  };

  bool augment(size_t source, size_t sink) {
    constexpr size_t kNone = SIZE_MAX;
    std::vector<size_t> came(arcs_of_.size(), kNone), queue{source};
    for (size_t head = 0; head < queue.size() && came[sink] == kNone; ++head) {
      for (size_t a : arcs_of_[queue[head]]) {
        const size_t to = arcs_[a].to;
        if (arcs_[a].capacity == 0 || to == source || came[to] != kNone) continue;
        came[to] = a;
        queue.push_back(to);
      }
    }
    if (came[sink] == kNone) return false;
    int64_t flow = kInfinite;
    for (size_t v = sink; v != source; v = arcs_[came[v] ^ 1].to)
      flow = std::min(flow, arcs_[came[v]].capacity);
    for (size_t v = sink; v != source; v = arcs_[came[v] ^ 1].to) {
      arcs_[came[v]].capacity -= flow;
      arcs_[came[v] ^ 1].capacity += flow;
    }
    return true;
  }

  std::vector<Arc> arcs_;  // arc a ^ 1 is the reverse of arc a
  std::vector<std::vector<size_t>> arcs_of_;
};

enum class Part : uint8_t { literal, invariant, varying, backward };

class Partition {
 public:
  explicit Partition(const JointGraph& joint)
      : joint_(joint),
        targets_(joint.graph.outputs().begin() + static_cast<int64_t>(joint.n_forward_outputs),
                 joint.graph.outputs().end()),
        order_(toposort(targets_)) {}

  Residuals run() {
    classify();
    cut();
    return collect();
  }

 private:
  // Each part is what depends on inputs of its kind and on none of a later kind.
  void classify() {
    const auto& inputs = joint_.graph.inputs();
    const size_t invariant = joint_.n_forward_inputs - joint_.n_invariant_inputs;
    for (size_t i = 0; i < inputs.size(); ++i)
      part_.insert(inputs[i]->id(), i >= joint_.n_forward_inputs ? Part::backward
                                    : i >= invariant             ? Part::invariant
                                                                 : Part::varying);
    for (const Apply* node : order_) {
      Part part = Part::literal;
      for (int i = 0; i < node->nin(); ++i)
        if (!is_model(*node, i)) part = std::max(part, part_of(node->input(i)));
      for (int o = 0; o < node->nout(); ++o) part_.insert(node->output(o)->id(), part);
      if (part != Part::varying) continue;
      const bool likely = reads_ragged(*node);
      if (likely || !node->op().inner().empty()) find_ragged(*node, likely);
    }
  }
  // Marks what of the node's outputs is ragged: its shape may differ from step to step. `untold`:
  // if the op does not tell.
  void find_ragged(const Apply& node, bool untold) {
    const std::vector<std::vector<Var>> shapes = node.op().infer_shape(node);
    for (int o = 0; o < node.nout(); ++o) {
      const Type& type = node.output(o)->type();
      if (!has_unknown_length(type)) continue;
      const size_t n = static_cast<size_t>(type.ndim());
      const size_t k = static_cast<size_t>(o);
      const bool told = k < shapes.size() && shapes[k].size() == n;
      bool ragged = !told && untold;
      for (size_t d = 0; told && d < n && !ragged; ++d)
        if (type.dim(static_cast<int>(d)) == kUnknownDim)
          ragged = is_length_of(node, shapes[k][d]) ? untold : may_differ(shapes[k][d]);
      if (ragged) ragged_.insert(node.output(o)->id(), true);
    }
  }
  static bool is_length_of(const Apply& node, const Var& length) {
    const Apply* owner = length ? length->owner() : nullptr;
    return !length || (owner && std::string_view(owner->op().name()) == "shape_i" &&
                       owner->input(0)->owner() == &node);
  }
  bool may_differ(const Var& length) const {
    IdMap<bool> seen;
    std::vector<const Variable*> stack{length.get()};
    while (!stack.empty()) {
      const Variable* v = stack.back();
      stack.pop_back();
      const Apply* owner = v->owner();
      if (!seen.insert(v->id(), true).second) continue;
      if (owner && std::string_view(owner->op().name()) == "shape_i") {
        if (ragged_.contains(owner->input(0)->id())) return true;
        if (!part_.contains(owner->input(0)->id())) stack.push_back(owner->input(0));
        continue;
      }
      if (part_of(v) >= Part::varying) return true;
      if (owner)
        for (const Var& input : owner->inputs()) stack.push_back(input.get());
    }
    return false;
  }
  // True iff the node reads shapes that may differ from step to step, or values that tell its own.
  bool reads_ragged(const Apply& node) const {
    const uint64_t mask = node.op().shape_inputs();
    for (int i = 0; i < node.nin(); ++i) {
      if (ragged_.contains(node.input(i)->id())) return true;
      if ((mask >> std::min(i, 63) & 1) && part_of(node.input(i)) == Part::varying) return true;
    }
    return false;
  }
  // A node of which a result cannot be stored in rows must be repeated.
  bool repeated(const Apply& node) const {
    for (int o = 0; o < node.nout(); ++o)
      if (ragged_.contains(node.output(o)->id())) return true;
    return false;
  }
  Part part_of(const Variable* v) const {
    const Part* part = part_.find(v->id());
    return part ? *part : Part::literal;
  }
  bool stored(const Variable* v) const { return joint_.stored.contains(v->id()); }
  // True iff `node` takes the shape of its input `i`, and that is known without a step's values.
  bool is_model(const Apply& node, int i) const {
    return takes_shape(node, i) && part_of(node.input(i)) <= Part::varying &&
           (!node.input(i)->owner() || part_of(node.input(i)) <= Part::invariant);
  }

  // The node of the network where the value of `v` enters; the next one is where it leaves.
  size_t node_of(Variable* v) {
    const auto [at, fresh] = number_.insert(v->id(), variables_.size());
    if (fresh) {
      variables_.push_back(v);
      const size_t in = network_.add_node(), out = network_.add_node();
      network_.add_arc(in, out, ragged_.contains(v->id()) ? kInfinite : bytes_of(v->type()));
    }
    return 2 + 2 * *number_.find(v->id());
  }

  void cut() {
    constexpr size_t kSource = 0, kSink = 1;
    auto need = [&](Variable* v) {
      if (part_of(v) == Part::varying && !stored(v))
        network_.add_arc(node_of(v) + 1, kSink, kInfinite);
    };
    for (const Var& v : targets_) need(v.get());
    for (const Apply* node : order_) {
      if (part_of(node->output()) != Part::backward) continue;
      for (int i = 0; i < node->nin(); ++i)
        if (!is_model(*node, i)) need(node->input(i));
    }
    for (size_t k = 0; k < variables_.size(); ++k) {  // grows
      const Apply* node = variables_[k]->owner();
      const size_t in = 2 + 2 * k;
      if (!node || !(joint_.recompute || is_cheap(node->op()) || repeated(*node))) {
        network_.add_arc(kSource, in, kInfinite);
        continue;
      }
      for (int i = 0; i < node->nin(); ++i) {
        Variable* v = node->input(i);
        if (part_of(v) == Part::varying && !stored(v) && !is_model(*node, i))
          network_.add_arc(node_of(v) + 1, in, kInfinite);
      }
    }
    network_.saturate(kSource, kSink);
    const std::vector<bool> after = network_.reaching(kSink);
    for (size_t k = 0; k < variables_.size(); ++k)
      if (after[3 + 2 * k] && !after[2 + 2 * k]) saved_.insert(variables_[k]->id(), true);
  }

  Residuals collect() const {
    Residuals result;
    IdMap<bool> seen;
    std::vector<Var> stack(targets_.rbegin(), targets_.rend());
    while (!stack.empty()) {
      const Var v = stack.back();
      stack.pop_back();
      if (!seen.insert(v->id(), true).second) continue;
      const Part part = part_of(v.get());
      const Apply* node = v->owner();
      if (part == Part::varying && (stored(v.get()) || saved_.contains(v->id()))) {
        result.rows.push_back(v);
      } else if (part == Part::invariant && (!node || !is_view(node->op().name()))) {
        result.invariant.push_back(v);
      } else if (part == Part::varying && !node) {
        result.models.push_back(v);
      } else if (node) {
        stack.insert(stack.end(), node->inputs().rbegin(), node->inputs().rend());
      }
    }
    return result;
  }

  const JointGraph& joint_;
  const std::vector<Var> targets_;
  const std::vector<Apply*> order_;
  IdMap<Part> part_;
  IdMap<bool> ragged_;
  std::vector<Variable*> variables_;  // of the network
  IdMap<size_t> number_;
  Network network_{2};
  IdMap<bool> saved_;
};

}  // namespace

Residuals residuals_of(const JointGraph& joint) { return Partition(joint).run(); }

}  // namespace phintys
