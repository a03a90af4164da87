#include "passes/cancel.h"

#include <algorithm>
#include <cmath>

#include "ops/elemwise.h"
#include "passes/match.h"

namespace phintys {

namespace {

enum class Family { none, product, sum };

// There is one instance of every elementwise op.
struct Known {
  const Op* add = Elemwise::get("add").get();
  const Op* sub = Elemwise::get("sub").get();
  const Op* mul = Elemwise::get("mul").get();
  const Op* div = Elemwise::get("true_div").get();
  const Op* inv = Elemwise::get("inv").get();
};
const Known& known() {
  static const Known ops;
  return ops;
}

Family family_of(const Apply& n) {
  const Op* op = &n.op();
  const Known& k = known();
  const bool product = op == k.mul || op == k.div || op == k.inv;
  if (!product && op != k.add && op != k.sub) return Family::none;
  const DType d = out_type(n).dtype();
  if (!is_float(d) && (product || !is_discrete(d) || is_bool(d))) return Family::none;
  double c;
  for (const Var& v : n.inputs()) {
    if (v.dtype() == d) continue;
    // A literal of a smaller dtype.
    if (!is_float(d) || !v->is_constant() || is_complex(v.dtype()) || !any_value(v, &c)) {
      return Family::none;
    }
  }
  return product ? Family::product : Family::sum;
}

// A chain: the nodes from its root, parents first, and its leaves.
class Chain {
 public:
  Chain(const Graph& graph, const Apply& root, Family family)
      : graph_(graph), root_(root), family_(family) {
    collect();
  }

  // The root without what cancels; null if nothing does.
  Var reduced() {
    if (leaves_.size() < 3) return {};  // the rules see these
    const bool cancels = mark_pairs();
    const bool constants = mark_constants();
    return cancels || constants ? rebuild() : Var();
  }

 private:
  struct Leaf {
    Var v;
    int sign;
    bool gone = false;
  };
  struct Node {
    const Apply* node;
    int operands[2];  // index of a node, or ~index of a leaf
  };

  // Operand i of a node takes part with the other sign.
  static bool flips(const Apply& n, int i) {
    const Op* op = &n.op();
    return op == known().inv || (i == 1 && (op == known().sub || op == known().div));
  }
  bool inner(const Variable* v) const {
    const Apply* n = v->owner();
    return n && graph_.clients(v).size() == 1 && family_of(*n) == family_ &&
           v->dtype() == root_.output()->dtype();
  }

  void collect() {
    std::vector<int> signs{1};
    nodes_.push_back({&root_, {}});
    for (size_t k = 0; k < nodes_.size(); ++k) {
      const Apply& n = *nodes_[k].node;
      for (int i = 0; i < n.nin(); ++i) {
        const int sign = flips(n, i) ? -signs[k] : signs[k];
        const Var& v = in(n, i);
        if (inner(v.get())) {
          nodes_[k].operands[i] = static_cast<int>(nodes_.size());
          nodes_.push_back({v->owner(), {}});
          signs.push_back(sign);
          divides_ = divides_ || flips(n, i);
        } else {
          nodes_[k].operands[i] = ~static_cast<int>(leaves_.size());
          leaves_.push_back({v, sign});
          divides_ = divides_ || flips(n, i);
        }
      }
    }
  }

  bool mark_pairs() {
    std::vector<size_t> order(leaves_.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
      const uint64_t x = leaves_[a].v->id(), y = leaves_[b].v->id();
      return x != y ? x < y : a < b;
    });
    bool found = false;
    for (size_t from = 0, to = 0; from < order.size(); from = to) {
      size_t plus = 0, minus = 0;
      for (to = from;
           to < order.size() && leaves_[order[to]].v.get() == leaves_[order[from]].v.get(); ++to) {
        ++(leaves_[order[to]].sign > 0 ? plus : minus);
      }
      const size_t pairs = std::min(plus, minus);
      if (pairs == 0 || leaves_[order[from]].v->is_constant()) continue;
      found = true;
      plus = minus = pairs;
      for (size_t i = from; i < to; ++i) {
        Leaf& leaf = leaves_[order[i]];
        size_t& left = leaf.sign > 0 ? plus : minus;
        leaf.gone = left > 0;
        left -= leaf.gone;
      }
    }
    return found;
  }

  // Constants become one, `constant_`, at the root. Not where there are divisors: quotients are
  // what rules of stable forms look for.
  bool mark_constants() {
    if (divides_ || !is_float(out_type(root_).dtype())) return false;
    double total = family_ == Family::product ? 1 : 0, c;
    std::vector<size_t> found;
    for (size_t i = 0; i < leaves_.size(); ++i) {
      if (!any_value(leaves_[i].v, &c)) continue;
      // 0 and 1 are left to their own rules.
      if (!std::isfinite(c) || c == 0) return false;
      total = family_ == Family::product ? total * c : total + c;
      found.push_back(i);
    }
    const double size = std::fabs(total);
    if (found.size() < 2 || !std::isfinite(total) ||
        (total != 0 && (size < 1e-30 || size > 1e30))) {
      return false;
    }
    for (size_t i : found) leaves_[i].gone = true;
    constant_ = constant(total, out_type(root_).dtype());
    return true;
  }

  // Operand i of nodes_[k]; null: it is 1 (0), or gone.
  Var part(const Node& n, int i) const {
    const int at = n.operands[i];
    if (at >= 0) return parts_[static_cast<size_t>(at)];
    const Leaf& leaf = leaves_[static_cast<size_t>(~at)];
    return leaf.gone ? Var() : leaf.v;
  }

  Var rebuild() {
    parts_.resize(nodes_.size());
    for (size_t k = nodes_.size(); k-- > 0;) {
      const Node& n = nodes_[k];
      const Var a = part(n, 0), b = n.node->nin() == 2 ? part(n, 1) : Var();
      if (n.node->nin() == 1) {
        parts_[k] = a ? inv(a) : Var();
      } else if (a && b) {
        parts_[k] = apply(n.node->op_ref(), {a, b});
      } else if (b && flips(*n.node, 1)) {
        parts_[k] = family_ == Family::product ? inv(b) : neg(b);
      } else {
        parts_[k] = a ? a : b;
      }
    }
    return with_type(parts_[0]);
  }

  Var with_type(Var r) const {
    const Type& type = out_type(root_);
    const bool product = family_ == Family::product;
    if (r && constant_) r = product ? r * constant_ : r + constant_;
    if (!r) r = constant_ ? constant_ : constant(product ? 1.0 : 0.0, type.dtype());
    if (r.ndim() < type.ndim()) r = pad_left(r, type.ndim());
    r = cast(r, type.dtype());
    for (const Leaf& leaf : leaves_) {
      if (covers(r.type(), type)) return r;
      if (leaf.gone && adds_axis(leaf.v.type(), r.type())) r = second(leaf.v, r);
    }
    return covers(r.type(), type) ? r : Var();
  }
  static bool adds_axis(const Type& leaf, const Type& r) {
    for (int i = 0; i < r.ndim(); ++i) {
      if (r.broadcastable(i) && !leaf.broadcastable(i)) return true;
    }
    return false;
  }

  const Graph& graph_;
  const Apply& root_;
  Family family_;
  bool divides_ = false;
  std::vector<Node> nodes_;
  std::vector<Leaf> leaves_;
  std::vector<Var> parts_;
  Var constant_;
};

// True iff an operand may be part of the node's chain: most nodes have none.
bool nested(const Graph& graph, const Apply& n) {
  for (const Var& v : n.inputs()) {
    if (v->owner() && graph.clients(v.get()).size() == 1 &&
        family_of(*v->owner()) != Family::none) {
      return true;
    }
  }
  return false;
}

// True iff the node's only user continues its chain.
bool continues(const Graph& graph, const Apply& n, Family family) {
  const Clients& users = graph.clients(n.output());
  return users.size() == 1 && users[0].node && family_of(*users[0].node) == family &&
         users[0].node->output()->dtype() == n.output()->dtype();
}

}  // namespace

bool cancel_in_chains(Graph& graph) {
  bool changed = false;
  const size_t slots = graph.num_node_slots();
  for (size_t slot = 0; slot < slots; ++slot) {
    Apply* node = graph.node_at(slot);
    if (!node) continue;
    const Family family = family_of(*node);
    if (family == Family::none || !nested(graph, *node) || continues(graph, *node, family))
      continue;
    LocationScope scope(node->loc);
    const Var r = Chain(graph, *node, family).reduced();
    if (!r || r.ndim() != node->output()->ndim()) continue;
    if (!r.type().same_pattern(node->output()->type())) continue;
    graph.replace(node->output(), r);
    changed = true;
  }
  return changed;
}

}  // namespace phintys
