// Optimising the graphs inside ops.
#pragma once

#include <string_view>

#include "passes/pass.h"

namespace phintys {

// Runs a pipeline on every graph inside an op of `graph` (and what lies inside those). Counts as
// one pass, "optimize_inner".
void optimize_inner(std::string_view pipeline, Graph& graph, const PassOptions& options,
                    std::vector<PassReport>* reports);

}  // namespace phintys
