#include "passes/loops_extend.h"

#include <algorithm>
#include <unordered_map>

#include "ops/build.h"
#include "ops/control/scan.h"
#include "ops/subtensor.h"
#include "passes/match.h"

namespace phintys {

namespace {

bool same_inputs(const Apply& a, const Apply& b) {
  return std::ranges::equal(a.inputs(), b.inputs(),
                            [](const Var& x, const Var& y) { return x == y; });
}

// What output `o` of `loop` is in terms of `longer`.
Var output_of(const Apply& loop, const Apply& longer, int o) {
  const Scan &small = op_as<Scan>(loop), &large = op_as<Scan>(longer);
  if (o >= small.steps_output()) return longer.out(large.steps_output());
  const Var all = longer.out(o);
  if (o >= small.n_states() || small.keeps_all(o) || !large.keeps_all(o)) return all;
  const Var steps = large.until ? longer.out(large.steps_output()) : longer.inputs()[0];
  return slice_axis(all, 0, steps, steps + constant_int(small.rows_of(o)));
}

}  // namespace

void loops_extend(Graph& graph) {
  std::vector<Apply*> extensions;
  std::unordered_map<const Op*, std::vector<Apply*>> users;
  for (Apply* node : graph.toposort()) {
    if (!owner_if(node->output(), Scan::kName)) continue;
    users[&node->op()].push_back(node);
    if (op_as<Scan>(*node).extends) extensions.push_back(node);
  }
  for (Apply* longer : extensions) {
    for (const Op* op = op_as<Scan>(*longer).extends.get(); op;
         op = static_cast<const Scan*>(op)->extends.get()) {
      for (Apply* loop : users[op]) {
        if (!graph.contains(loop) || !graph.contains(longer) || !same_inputs(*loop, *longer))
          continue;
        const LocationScope scope(loop->loc);
        for (int o = 0; o < loop->nout(); ++o) {
          Variable* out = loop->output(o);
          if (graph.contains(out) && !graph.clients(out).empty())
            graph.replace(out, output_of(*loop, *longer, o));
        }
      }
    }
  }
}

}  // namespace phintys
