// Where the body of a loop, or a branch, ends and the graph around it begins.
#pragma once

#include <span>
#include <vector>

#include "graph/variable.h"

namespace phintys {

// The variables that a graph inside an op takes from outside: those that `outputs` depend on, that
// depend on none of `inputs` themselves, and that something which does uses (or that are an
// output). They enter whole: what computes them stays outside. `blockers` belong to the outside
// whatever they depend on. Small constants, and expressions of nothing but constants that are known
// to be small, are no part of the frontier: they stay inside. In order of first use; each once.
std::vector<Var> frontier(std::span<const Var> outputs, std::span<const Var> inputs,
                          std::span<const Var> blockers = {});

}  // namespace phintys
