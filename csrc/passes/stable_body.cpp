#include "passes/stable_body.h"

#include "autodiff/backward.h"
#include "passes/canonicalize.h"
#include "passes/loops_extend.h"
#include "passes/merge.h"
#include "passes/pass.h"
#include "passes/shape_lift.h"
#include "passes/stabilize.h"

namespace phintys {

namespace {

constexpr Pass kStable[] = {
    {"loops_extend", loops_extend},  // of loops inside, whose gradients are in the graph too
    {"merge", merge},
    {"canonicalize", canonicalize},
    {"shape_lift", shape_lift},  // a value that is needed for its shape is not to be stored
    {"merge", merge},
    {"stabilize", stabilize},
    {"canonicalize", canonicalize},
    {"merge", merge},
};

}  // namespace

Ref<const InnerGraph> stable_body(const InnerGraph& graph) {
  Graph work = graph.graph();
  for (const Pass& pass : kStable) run_pass(pass, work, {}, nullptr);
  return InnerGraph::make(work);
}

void install_stable_body() { autodiff::set_stabilizer(stable_body); }

}  // namespace phintys
