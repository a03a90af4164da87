#include "passes/merge.h"

#include <unordered_map>

#include "graph/op.h"

namespace phintys {

namespace {

uint64_t hash_constant(const Array& a) {
  const uint64_t seed = hash_dims(a.shape(), static_cast<uint64_t>(a.dtype()));
  if (a.view().contiguous()) {
    // Large constants are told apart by their ends; same_bits decides.
    constexpr size_t kHashed = 4096;
    const size_t bytes = static_cast<size_t>(a.size()) * item_size(a.dtype());
    return hash_bytes(a.data(), bytes < kHashed ? bytes : kHashed, seed);
  }
  return seed;
}

class Merger {
 public:
  explicit Merger(Graph& graph) : graph_(graph), seen_(graph.num_slots()) {}

  void run() {
    const std::vector<Apply*> order = graph_.toposort();
    size_t capacity = 16;
    while (capacity < 2 * order.size()) capacity *= 2;
    nodes_.assign(capacity, {});
    for (Apply* node : order) {
      for (int i = 0; i < node->nin(); ++i) {
        if (node->input(i)->is_constant()) merge_constant(node->input(i));
      }
      merge_node(node);
    }
    for (size_t i = 0; i < graph_.outputs().size(); ++i) {
      Variable* v = graph_.outputs()[i].get();
      if (v->is_constant()) merge_constant(v);
    }
  }

 private:
  void merge_constant(Variable* v) {
    if (seen_[v->slot]) return;
    seen_[v->slot] = true;
    const uint64_t hash = hash_constant(v->constant());
    auto [it, end] = constants_.equal_range(hash);
    for (; it != end; ++it) {
      if (same_bits(it->second->constant(), v->constant()) && it->second->type() == v->type()) {
        graph_.replace(v, Var(it->second));
        return;
      }
    }
    // Kept by reference: a constant that lost its clients must not lend its address to another.
    constants_.emplace(hash, Var(v));
  }

  void merge_node(Apply* node) {
    uint64_t hash = node->op().hash();
    for (const Var& v : node->inputs()) hash = hash_combine(hash, v->id());
    const size_t mask = nodes_.size() - 1;
    for (size_t at = hash & mask;; at = (at + 1) & mask) {
      Entry& entry = nodes_[at];
      if (!entry.node) {
        entry = {hash, node};
        return;
      }
      if (entry.hash != hash || !same(*entry.node, *node)) continue;
      for (int i = 0; i < node->nout(); ++i) {
        if (graph_.contains(node->output(i))) graph_.replace(node->output(i), entry.node->out(i));
      }
      return;
    }
  }

  static bool same(const Apply& a, const Apply& b) {
    if (a.nin() != b.nin() || a.nout() != b.nout()) return false;
    for (int i = 0; i < a.nin(); ++i) {
      if (a.input(i) != b.input(i)) return false;
    }
    if (&a.op() != &b.op() && !a.op().equal(b.op())) return false;
    for (int i = 0; i < a.nout(); ++i) {
      if (!a.output(i)->type().same_pattern(b.output(i)->type())) return false;
    }
    return true;
  }

  Graph& graph_;
  std::unordered_multimap<uint64_t, Var> constants_;
  struct Entry {
    uint64_t hash;
    Apply* node = nullptr;
  };
  std::vector<Entry> nodes_;  // open addressing, at most half full
  std::vector<bool> seen_;    // constants by Variable::slot; merging makes no variables
};

}  // namespace

void merge(Graph& graph) { Merger(graph).run(); }

}  // namespace phintys
