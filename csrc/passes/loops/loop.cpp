#include "passes/loops/loop.h"

#include <algorithm>

#include "base/id_map.h"
#include "graph/traverse.h"
#include "passes/merge.h"

namespace phintys {

namespace {

size_t zu(int64_t i) { return static_cast<size_t>(i); }

// Which variables `roots` depend on, not looking behind `stops`.
class Behind {
 public:
  Behind(const std::vector<Var>& roots, const IdMap<bool>& stops) {
    std::vector<const Variable*> todo;
    for (const Var& v : roots) todo.push_back(v.get());
    while (!todo.empty()) {
      const Variable* v = todo.back();
      todo.pop_back();
      if (!seen_.insert(v->id(), true).second) continue;
      if (stops.contains(v->id()) || !v->owner()) continue;
      for (const Var& in : v->owner()->inputs()) todo.push_back(in.get());
    }
  }
  bool has(const Var& v) const { return seen_.contains(v->id()); }

 private:
  IdMap<bool> seen_;
};

}  // namespace

Loop::Loop(Apply* apply, bool apart)
    : node(apply),
      scan(*as_scan(apply)),
      body_(apart ? InnerGraph::make(scan.graph->inputs(), scan.graph->outputs()) : scan.graph) {
  const InnerGraph& body = *body_;
  auto outer = [&](int i) { return node->inputs()[zu(i)]; };
  auto output = [&](int i) { return node->output(i); };
  steps = outer(0);
  for (int c = 0; c < scan.n_states(); ++c) {
    State s;
    s.taps.assign(scan.taps_of(c).begin(), scan.taps_of(c).end());
    s.keep = scan.keeps_all(c);
    s.initial = outer(scan.state_input(c));
    for (size_t k = 0; k < s.taps.size(); ++k)
      s.reads.push_back(body.inputs()[zu(scan.first_tap(c)) + k]);
    s.fresh = body.outputs()[zu(c)];
    s.rows = {output(c)};
    states.push_back(std::move(s));
  }
  for (int s = 0; s < scan.n_sequences; ++s)
    sequences.push_back(
        {outer(scan.sequence_input(s)), body.inputs()[zu(scan.row_of_sequence(s))]});
  for (int k = 0; k < scan.n_constants(); ++k)
    constants.push_back({outer(scan.constant_input(k)), body.inputs()[zu(scan.inner_constant(k))]});
  for (int e = 0; e < scan.n_emitted; ++e)
    emitted.push_back(
        {body.outputs()[zu(scan.emitted_output(e))], {output(scan.emitted_output(e))}});
  if (scan.until) {
    condition = body.outputs().back();
    ran = output(scan.steps_output());
  }
}

std::vector<Var> Loop::results() const {
  std::vector<Var> all;
  for (const State& s : states) all.push_back(s.fresh);
  for (const Emitted& e : emitted) all.push_back(e.value);
  if (condition) all.push_back(condition);
  return all;
}

void Loop::drop_unused(const Graph& graph) {
  auto used = [&](const std::vector<Variable*>& outputs) {
    return outputs.empty() || std::any_of(outputs.begin(), outputs.end(), [&](const Variable* v) {
             return graph.contains(v) && graph.clients(v).size() > 0;
           });
  };
  std::erase_if(emitted, [&](const Emitted& e) { return !used(e.stacks); });
  IdMap<bool> operands;
  for (const State& s : states)
    for (const Var& v : s.reads) operands.insert(v->id(), true);
  for (const Sequence& s : sequences) operands.insert(s.row->id(), true);
  for (const Constant& k : constants) operands.insert(k.inside->id(), true);
  std::vector<bool> needed(states.size(), false);
  std::vector<Var> roots;
  for (const Emitted& e : emitted) roots.push_back(e.value);
  if (condition) roots.push_back(condition);
  for (size_t c = 0; c < states.size(); ++c) {
    needed[c] = used(states[c].rows);
    if (needed[c]) roots.push_back(states[c].fresh);
  }
  for (bool grew = true; grew;) {
    grew = false;
    const Behind behind(roots, operands);
    for (size_t c = 0; c < states.size(); ++c) {
      const auto& reads = states[c].reads;
      if (needed[c] ||
          !std::any_of(reads.begin(), reads.end(), [&](const Var& v) { return behind.has(v); }))
        continue;
      needed[c] = true;
      roots.push_back(states[c].fresh);
      grew = true;
    }
  }
  const Behind behind(roots, operands);
  size_t kept = 0;
  for (size_t c = 0; c < states.size(); ++c) {
    if (!needed[c]) continue;
    if (kept != c) states[kept] = std::move(states[c]);
    ++kept;
  }
  states.resize(kept);
  std::erase_if(sequences, [&](const Sequence& s) { return !behind.has(s.row); });
  std::erase_if(constants, [&](const Constant& k) { return !behind.has(k.inside); });
}

// What is inside, in the order in which a body has it.
std::vector<Var> Loop::operands() const {
  std::vector<Var> inside;
  for (const State& s : states) inside.insert(inside.end(), s.reads.begin(), s.reads.end());
  for (const Sequence& s : sequences) inside.push_back(s.row);
  for (const Constant& k : constants) inside.push_back(k.inside);
  return inside;
}

// Takes over a graph whose inputs are operands() and whose outputs are results().
void Loop::set_body(const InnerGraph& body) {
  size_t in = 0, out = 0;
  for (State& s : states)
    for (Var& v : s.reads) v = body.inputs()[in++];
  for (Sequence& s : sequences) s.row = body.inputs()[in++];
  for (Constant& k : constants) k.inside = body.inputs()[in++];
  for (State& s : states) s.fresh = body.outputs()[out++];
  for (Emitted& e : emitted) e.value = body.outputs()[out++];
  if (condition) condition = body.outputs()[out++];
  body_ = Ref<const InnerGraph>(&body);
}

// Constants and sequences that are one variable outside become one inside.
bool Loop::unify_operands() {
  VarMap map;
  auto unify = [&](auto& list, auto outer, auto inside) {
    size_t kept = 0;
    for (size_t i = 0; i < list.size(); ++i) {
      size_t j = 0;
      while (j < kept && !(list[j].*outer == list[i].*outer &&
                           (list[j].*inside).type() == (list[i].*inside).type()))
        ++j;
      if (j < kept) {
        map[(list[i].*inside).get()] = list[j].*inside;
      } else {
        if (kept != i) list[kept] = std::move(list[i]);
        ++kept;
      }
    }
    list.resize(kept);
  };
  unify(sequences, &Sequence::rows, &Sequence::row);
  unify(constants, &Constant::outer, &Constant::inside);
  if (map.empty()) return false;
  const std::vector<Var> changed = clone_graph(results(), map);
  set_body(*InnerGraph::make(operands(), changed));
  return true;
}

// States that start alike are the same if, taking that for granted, they go on alike.
void Loop::unify_states() {
  std::vector<size_t> same(states.size());
  for (size_t c = 0; c < states.size(); ++c) {
    same[c] = c;
    for (size_t d = c; d-- > 0;)
      if (states[d].initial == states[c].initial && states[d].taps == states[c].taps &&
          states[d].keep == states[c].keep &&
          states[d].reads[0].type() == states[c].reads[0].type())
        same[c] = d;
  }
  Ref<const InnerGraph> body;
  for (bool changed = true; changed;) {
    changed = false;
    VarMap map;
    for (size_t c = 0; c < states.size(); ++c)
      for (size_t k = 0; same[c] != c && k < states[c].reads.size(); ++k)
        map[states[c].reads[k].get()] = states[same[c]].reads[k];
    const std::vector<Var> in = operands();
    const std::vector<Var> out = map.empty() ? results() : clone_graph(results(), map);
    Graph graph = InnerGraph::make(in, out)->graph();
    merge(graph);
    for (size_t c = 0; c < states.size(); ++c) {
      if (same[c] == c || graph.outputs()[c] == graph.outputs()[same[c]]) continue;
      same[c] = c;
      changed = true;
    }
    if (!changed) body = InnerGraph::make(graph);
  }
  set_body(*body);
  for (size_t c = states.size(); c-- > 0;) {
    if (same[c] == c) continue;
    auto& rows = states[same[c]].rows;
    rows.insert(rows.end(), states[c].rows.begin(), states[c].rows.end());
    states.erase(states.begin() + static_cast<std::ptrdiff_t>(c));
  }
}

void Loop::unify() {
  unify_operands();
  unify_states();
  size_t kept = 0;
  for (size_t e = 0; e < emitted.size(); ++e) {
    size_t j = 0;
    while (j < kept && !(emitted[j].value == emitted[e].value)) ++j;
    if (j < kept) {
      emitted[j].stacks.insert(emitted[j].stacks.end(), emitted[e].stacks.begin(),
                               emitted[e].stacks.end());
      continue;
    }
    if (kept != e) emitted[kept] = std::move(emitted[e]);
    ++kept;
  }
  emitted.resize(kept);
}

Ref<Apply> Loop::build() const {
  auto op = make_ref<Scan>();
  std::vector<Var> outer{steps};
  for (const State& s : states) {
    op->taps.push_back(static_cast<int64_t>(s.taps.size()));
    op->taps.insert(op->taps.end(), s.taps.begin(), s.taps.end());
    op->keep.push_back(s.keep ? 1 : 0);
    outer.push_back(s.initial);
  }
  for (const Sequence& s : sequences) outer.push_back(s.rows);
  for (const Constant& k : constants) outer.push_back(k.outer);
  op->n_sequences = static_cast<int64_t>(sequences.size());
  op->n_emitted = static_cast<int64_t>(emitted.size());
  op->until = static_cast<bool>(condition);
  op->truncate = scan.truncate;
  op->recompute = scan.recompute;
  op->label = scan.label;
  op->settings = scan.settings;
  op->graph = InnerGraph::make(operands(), results());
  op->check_attributes();
  const LocationScope scope(node->loc);
  return Apply::create(op, std::move(outer));
}

Ref<Apply> Loop::replace(Graph& graph) const {
  Ref<Apply> fresh = build();
  auto put = [&](Variable* old, int output) {
    if (old && graph.contains(old)) graph.replace(old, fresh->out(output));
  };
  for (size_t c = 0; c < states.size(); ++c)
    for (Variable* rows : states[c].rows) put(rows, rows_output(c));
  for (size_t e = 0; e < emitted.size(); ++e)
    for (Variable* stack : emitted[e].stacks) put(stack, stack_output(e));
  put(ran, static_cast<int>(states.size() + emitted.size()));
  return fresh;
}

}  // namespace phintys
