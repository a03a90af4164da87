// The form of a loop's body that gradients are taken of.
#pragma once

#include "graph/inner_graph.h"

namespace phintys {

// The same graph in normal, numerically stable form, without the values of which only shapes were
// used.
Ref<const InnerGraph> stable_body(const InnerGraph& graph);

// Makes gradients use it (autodiff::set_stabilizer).
void install_stable_body();

}  // namespace phintys
