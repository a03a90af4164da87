// Groups elementwise work and reductions into regions that the VM runs tile by tile.
#pragma once

#include "graph/graph.h"

namespace phintys {

// Replaces every Elemwise and Reduce by FusedOps. The nodes of a region have one iteration space: a
// producer joins the region of its clients if it has their rank and broadcast pattern, so nothing
// is computed twice. A producer that others use too becomes another stored output, where the order
// of regions allows it. A reduction closes a region, and takes producers that it alone uses;
// reductions over the same axes that read the same values share a region.
// Expects lower_casts.
void fuse(Graph& graph);

// The same replacement with one node a region.
void fuse_nothing(Graph& graph);

}  // namespace phintys
