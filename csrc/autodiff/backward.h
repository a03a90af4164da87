// The backward sweep that grad, Lop and Rop are made of.
#pragma once

#include <span>
#include <vector>

#include "graph/inner_graph.h"
#include "graph/variable.h"

namespace phintys::autodiff {

enum class SlopeKind : uint8_t {
  none,       // the seeds do not depend on the variable
  zero,       // they do, but the gradient is exactly zero: no expression is built for it
  value,      // an expression of the variable's rank, in its dtype (floatX if it is discrete)
  undefined,  // a variable of NullType that says why
};

struct Slope {
  SlopeKind kind = SlopeKind::none;
  Var value;  // for `value` and `undefined`
};

// A variable from which the sweep starts.
struct Seed {
  Var variable;
  Var slope;   // its gradient; null: zero
  bool fixed;  // nothing is added to it, not even by other seeds behind which it lies
};

// Slopes of all seeds together with respect to each `wrt`. Only nodes between the two are visited
// a second time; every node once, without recursion. Gradients do not pass through `constants`.
std::vector<Slope> backward(std::span<const Seed> seeds, std::span<const Var> wrt,
                            std::span<const Var> constants);

// What GradTools::stabilized does: the passes, which lie above this layer, say it.
using Stabilizer = Ref<const InnerGraph> (*)(const InnerGraph& graph);
void set_stabilizer(Stabilizer f);

}  // namespace phintys::autodiff
