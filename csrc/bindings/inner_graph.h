// Graphs inside ops as Python objects.
#pragma once

#include "bindings/common.h"
#include "graph/inner_graph.h"

namespace phintys::python {

// What `_core.InnerGraph` holds.
struct InnerGraphObject {
  Ref<const InnerGraph> graph;
};

}  // namespace phintys::python
