#include "graph/traverse.h"

#include "base/id_map.h"
#include "graph/op.h"

namespace phintys {

namespace {

struct Nothing {};
using IdSet = IdMap<Nothing>;

IdSet make_set(std::span<const Var> variables) {
  IdSet set;
  for (const Var& v : variables) set.insert(v->id(), {});
  return set;
}

// Depth-first walk with a stack of its own. `enter(v)` says whether to walk on through v's owner;
// `leave(node)` is called once for each node, after its inputs.
template <class Enter, class Leave>
void walk(std::span<const Var> outputs, Enter&& enter, Leave&& leave) {
  struct Frame {
    Apply* node;
    int next;
  };
  IdSet seen;
  std::vector<Frame> stack;
  auto visit = [&](Variable* v) {
    if (!enter(v) || !v->owner()) return;
    if (seen.insert(v->owner()->id(), {}).second) stack.push_back({v->owner(), 0});
  };
  for (const Var& out : outputs) {
    visit(out.get());
    while (!stack.empty()) {
      Frame& frame = stack.back();
      if (frame.next < frame.node->nin()) {
        visit(frame.node->input(frame.next++));  // may move `frame`
      } else {
        Apply* node = frame.node;
        stack.pop_back();
        leave(node);
      }
    }
  }
}

}  // namespace

std::vector<Apply*> toposort(std::span<const Var> outputs, std::span<const Var> blockers) {
  const IdSet blocked = make_set(blockers);
  std::vector<Apply*> order;
  walk(
      outputs, [&](Variable* v) { return !blocked.contains(v->id()); },
      [&](Apply* node) { order.push_back(node); });
  return order;
}

std::vector<Var> ancestors(std::span<const Var> outputs, std::span<const Var> blockers) {
  const IdSet blocked = make_set(blockers);
  IdSet seen;
  std::vector<Var> order;
  walk(
      outputs,
      [&](Variable* v) {
        if (seen.insert(v->id(), {}).second) order.push_back(Var(v));
        return !blocked.contains(v->id());
      },
      [](Apply*) {});
  return order;
}

std::vector<Var> graph_inputs(std::span<const Var> outputs, std::span<const Var> blockers) {
  std::vector<Var> leaves;
  for (Var& v : ancestors(outputs, blockers)) {
    if (!v->owner()) leaves.push_back(std::move(v));
  }
  return leaves;
}

std::vector<Var> clone_graph(std::span<const Var> outputs, VarMap& map, bool reinfer) {
  std::vector<Apply*> order;
  walk(
      outputs, [&](Variable* v) { return !map.contains(v); },
      [&](Apply* node) { order.push_back(node); });
  auto image = [&](const Var& v) {
    auto it = map.find(v.get());
    return it == map.end() ? v : it->second;
  };
  std::vector<Var> inputs;
  for (Apply* node : order) {
    inputs.clear();
    for (const Var& v : node->inputs()) inputs.push_back(image(v));
    Ref<Apply> copy;
    if (reinfer) {
      const LocationScope scope(node->loc);
      copy = Apply::create(node->op_ref(), inputs);
      for (int i = 0; i < node->nout(); ++i) {
        copy->output(i)->name = node->output(i)->name;
        copy->output(i)->loc = node->output(i)->loc;
      }
    } else {
      copy = node->with_inputs(inputs);
    }
    for (int i = 0; i < node->nout(); ++i) map.emplace(node->output(i), copy->out(i));
  }
  std::vector<Var> result;
  result.reserve(outputs.size());
  for (const Var& v : outputs) result.push_back(image(v));
  return result;
}

}  // namespace phintys
