#include "passes/loops/outside.h"

#include <algorithm>

#include "base/id_map.h"
#include "graph/traverse.h"
#include "ops/build.h"
#include "ops/shape_ops.h"
#include "ops/subtensor.h"

namespace phintys {

Outside::Outside(Loop* loop) : loop_(*loop), lifter_(loop->steps) {
  for (const Loop::Constant& k : loop_.constants) lifter_.put(k.inside.get(), {k.outer, false});
  for (const Loop::Sequence& s : loop_.sequences)
    lifter_.put(s.row.get(), {sequence_rows(s.rows, loop_.steps), true});
  for (const Loop::State& s : loop_.states) {
    if (!s.keep || s.rows.empty()) continue;
    const Var rows(s.rows[0]);
    const int64_t first = -*std::min_element(s.taps.begin(), s.taps.end());
    auto part = [&](int64_t from) {
      return slice_axis(rows, 0, from ? constant_int(from) : Var(),
                        from == first ? Var() : constant_int(from - first));
    };
    for (size_t k = 0; k < s.taps.size(); ++k)
      lifter_.put(s.reads[k].get(), {part(first + s.taps[k]), true});
    if (!lifter_.find(s.fresh.get())) lifter_.put(s.fresh.get(), {part(first), true});
  }
  for (const Loop::Emitted& e : loop_.emitted)
    if (!lifter_.find(e.value.get()) && !e.stacks.empty())
      lifter_.put(e.value.get(), {Var(e.stacks[0]), true});
}

bool Outside::has_steady_shape(const Var& inside) const {
  IdMap<bool> varying;  // what differs from step to step
  for (const Loop::Sequence& s : loop_.sequences) varying.insert(s.row->id(), true);
  for (const Loop::State& s : loop_.states)
    for (const Var& v : s.reads) varying.insert(v->id(), true);
  for (const Apply* node : toposort(std::vector<Var>{inside})) {
    const uint64_t lengths = node->op().shape_inputs();
    bool any = false;
    for (int i = 0; i < node->nin(); ++i) {
      const bool varies = varying.contains(node->input(i)->id());
      if (varies && (i < 64 ? lengths >> i & 1 : lengths >> 63)) return false;
      any = any || varies;
    }
    if (any && node->op().opaque()) return false;
    if (!any || node->op().shape_only()) continue;
    for (int o = 0; o < node->nout(); ++o) varying.insert(node->output(o)->id(), true);
  }
  return true;
}

// A graph takes in nodes only, so it is one, of no meaning.
Var Outside::placeholder(Type type) {
  const Var nothing = constant_int(0);
  placeholders_.push_back(
      Apply::create(make_ref<DimShuffle>(), {nothing}, {std::move(type)})->out(0));
  return placeholders_.back();
}

Lifted Outside::rows_of(const Var& inside) {
  if (const Lifted known = stored(inside)) return known;
  // What a view shows is stored in its place.
  const Apply* node = inside->owner();
  if (node && is_loop_view(node->op()) && node->nin() == 1) {
    rows_of(node->inputs()[0]);
    if (const Lifted view = lifter_.lift(*node)) return view;
  }
  const Var rows = placeholder(rows_type(inside.type()));
  loop_.emitted.push_back({inside, {rows.get()}});
  lifter_.put(inside.get(), {rows, true});
  return {rows, true};
}

Var Outside::state_output(Loop::State* state) {
  Dims dims = state->reads[0].type().shape();
  dims.insert(dims.begin(), 1);
  const Var rows = placeholder(Type::tensor(state->reads[0].dtype(), std::move(dims)));
  state->rows = {rows.get()};
  return rows;
}

}  // namespace phintys
