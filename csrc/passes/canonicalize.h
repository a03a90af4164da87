// Algebra that makes equal things look equal, and small.
#pragma once

#include "passes/rewrite.h"

namespace phintys {

// Removes neutral elements and identities, pulls signs and constants out, composes views, undoes
// inverse pairs, moves fills (second) to where another operand has their shape already. The tables
// (one rule a line) are below; the result is a normal form that the other passes' patterns expect:
// x - y rather than x + -y, x / y rather than x * inv(y), sqr(x) rather than x ** 2, no casts that
// change nothing. Values may change as Theano's FAST_RUN lets them: x / x is 1, x * 0 is 0 and
// exp(log(x)) is x for all x >= 0.
void canonicalize(Graph& graph);

// The tables.
std::span<const Rule> arithmetic_rules();  // canonicalize.cpp
std::span<const Rule> logic_rules();       // canonicalize_logic.cpp: comparisons, switch, f(g(x))
std::span<const Rule> fill_rules();        // canonicalize_fill.cpp: second, alloc
std::span<const Rule> view_rules();        // canonicalize_views.cpp: dimshuffle, reshape, ...
std::span<const Rule> index_rules();       // canonicalize_index.cpp: subtensor, join, dot
std::span<const Rule> reduce_rules();      // canonicalize_reduce.cpp
std::span<const Rule> choice_rules();      // canonicalize_choice.cpp: ifelse

// One IfElse for each output of one with several: rules look at one output. Lowering joins them
// again (passes/lazy_branches.h).
void split_choices(Graph& graph);

}  // namespace phintys
