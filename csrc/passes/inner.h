// Optimising the graphs inside ops.
#pragma once

#include <functional>

#include "passes/pass.h"

namespace phintys {

using InnerStage = std::function<void(Graph& graph, const PassOptions& options, const Op& op)>;

// Runs `stage` on every graph inside an op of `graph`, telling it the op. Counts as one pass,
// "optimize_inner".
void optimize_inner(const InnerStage& stage, Graph& graph, const PassOptions& options,
                    std::vector<PassReport>* reports);

}  // namespace phintys
