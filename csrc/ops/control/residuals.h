// Which values the backward part of a graph takes from its forward part.
#pragma once

#include <span>
#include <vector>

#include "base/id_map.h"
#include "graph/inner_graph.h"

namespace phintys {

// The body of a loop together with its gradient.
struct JointGraph {
  const InnerGraph& graph;
  // The forward part's inputs come first, and last among them those that are the same in each step;
  // the other inputs are slopes. What depends on slopes is the backward part.
  size_t n_forward_inputs;
  size_t n_invariant_inputs;
  // Outputs from here on are the backward part's; what they do not depend on does not matter.
  size_t n_forward_outputs;
  // Ids of variables that are stored anyway.
  const IdMap<bool>& stored;
  // Nothing is too costly to be computed again.
  bool recompute;
};

// Where the backward part ends: every path from its outputs to the forward inputs meets one.
struct Residuals {
  std::vector<Var> rows;       // another value in each step: stored anyway, or to be stored
  std::vector<Var> invariant;  // the same value in each step
  std::vector<Var> models;     // inputs of which only the shape matters, the same in each step
};

// Values whose shape may differ from step to step cannot be stored: what computes them (parts with
// bounds that do, loops whose number of steps does) is repeated.
//
// What must be stored in addition is a cut of least size between the values that are costly to
// compute (or cannot be computed: rows that are not stored) and their uses in the backward part.
// Cheap operations on stored values are repeated there.
Residuals residuals_of(const JointGraph& joint);

}  // namespace phintys
