#include "passes/shape_lift.h"

#include <unordered_map>
#include <unordered_set>

#include "ops/elemwise.h"
#include "ops/shape_ops.h"
#include "passes/match.h"

namespace phintys {

namespace {

class ShapeLifter {
 public:
  explicit ShapeLifter(Graph& graph) : graph_(graph) {}

  void run() {
    const std::vector<Apply*> order = graph_.toposort();
    for (Apply* node : order) {
      if (is_shape_i(*node)) work_.push_back(node);
    }
    for (size_t i = 0; i < work_.size(); ++i) lift(work_[i]);
    for (Apply* node : order) {
      if (graph_.contains(node) && owner_if(node->output(), "second")) lift_model(node);
    }
  }

 private:
  static bool is_shape_i(const Apply& node) {
    return std::strcmp(node.op().name(), ShapeI::kName) == 0;
  }
  static uint64_t key(const Variable* v, int64_t axis) {
    return v->id() * kMaxRank + static_cast<uint64_t>(axis);
  }

  void lift(Apply* node) {
    if (!graph_.contains(node)) return;
    LocationScope scope(node->loc);
    const Var length = resolve(node->inputs()[0], op_as<ShapeI>(*node).axis);
    if (!length || length.get() == node->output()) return;
    if (const Apply* same = owner_if(length, ShapeI::kName)) {
      if (in(*same, 0).get() == node->input(0) && same->op().equal(node->op())) return;
    }
    graph_.replace(node->output(), length);
    queue_new(length.get());
  }

  // Follows lengths that equal other lengths in a loop; every step on the way is remembered.
  Var resolve(Var v, int64_t axis) {
    std::vector<uint64_t> path;
    Var result;
    while (!result) {
      if (auto it = known_.find(key(v.get(), axis)); it != known_.end()) {
        result = it->second;
        break;
      }
      path.push_back(key(v.get(), axis));
      const Var length = one_step(v, axis);
      const Apply* next = owner_if(length, ShapeI::kName);
      if (!next || in(*next, 0).get() == v.get()) {
        result = length;
      } else {
        axis = op_as<ShapeI>(*next).axis;
        v = in(*next, 0);
        kept_.push_back(length);  // keys are ids of variables: none may be made anew meanwhile
      }
    }
    for (uint64_t k : path) known_.emplace(k, result);
    return result;
  }

  Var one_step(const Var& v, int64_t axis) {
    const int a = static_cast<int>(axis);
    Apply* node = v->owner();
    if (v.type().dim(a) >= 0 || !node) return shape_i(v, a);
    auto [it, fresh] = shapes_.try_emplace(node->id());
    if (fresh) it->second = node->op().infer_shape(*node);
    const auto& lists = it->second;
    const size_t out = static_cast<size_t>(v->index());
    if (out >= lists.size() || lists[out].size() != static_cast<size_t>(v.ndim())) {
      return shape_i(v, a);
    }
    const Var& length = lists[out][static_cast<size_t>(axis)];
    return length && length.dtype() == DType::i64 && length.ndim() == 0 ? length : shape_i(v, a);
  }

  void queue_new(Variable* v) {
    std::vector<Variable*> stack{v};
    while (!stack.empty()) {
      Apply* node = stack.back()->owner();
      stack.pop_back();
      if (!node || node->id() <= newest_at_start_ || !seen_.insert(node->id()).second) continue;
      if (is_shape_i(*node)) {
        work_.push_back(node);
        continue;  // what it looks at is not new
      }
      for (const Var& input : node->inputs()) stack.push_back(input.get());
    }
  }

  // second(f(x, y), b) -> second(x, b) if x has the pattern of f(x, y).
  void lift_model(Apply* node) {
    const Var model = earliest(node->inputs()[0]);
    if (model.get() == node->input(0)) return;
    LocationScope scope(node->loc);
    const Var r = second(model, node->inputs()[1]);
    if (r.type().same_pattern(node->output()->type())) graph_.replace(node->output(), r);
  }

  Var earliest(const Var& v) {
    std::vector<uint64_t> path;
    Var at = v;
    while (true) {
      if (auto it = model_.find(at->id()); it != model_.end()) {
        at = it->second;
        break;
      }
      path.push_back(at->id());
      const Apply* node = at->owner();
      if (!node || !as_elemwise(node->op())) break;
      const Var* next = nullptr;
      for (const Var& input : node->inputs()) {
        if (!covers(input.type(), at.type())) continue;
        if (!next || !input->owner()) next = &input;
      }
      if (!next) break;
      at = *next;
    }
    for (uint64_t id : path) model_.emplace(id, at);
    return at;
  }

  Graph& graph_;
  std::vector<Apply*> work_;
  const uint64_t newest_at_start_ = newest_id();
  std::unordered_set<uint64_t> seen_;        // nodes made since
  std::unordered_map<uint64_t, Var> known_;  // (variable, axis) -> its length
  std::unordered_map<uint64_t, std::vector<std::vector<Var>>> shapes_;
  std::unordered_map<uint64_t, Var> model_;
  std::vector<Var> kept_;
};

}  // namespace

void shape_lift(Graph& graph) { ShapeLifter(graph).run(); }

}  // namespace phintys
