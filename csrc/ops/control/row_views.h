// Rows of sequences and of what loops produce, in reverse order.
#pragma once

#include "graph/variable.h"

namespace phintys {

// x[first : first + n][::-1].
Var reversed_rows(const Var& x, int64_t first, const Var& n);
// x[first : len(x) + end][::-1], with end <= 0.
Var reversed_rows(const Var& x, int64_t first, int64_t end);
// If `g`, the slope of a loop's rows, is zero but for the last row that was computed: the slope of
// that row. `steps` is the number of rows that were computed, null if it is all.
Var last_row_of_slope(const Var& g, const Var& steps);
// True only if x, a sequence of a loop of n steps, has no more than n rows.
bool has_rows(const Var& x, const Var& n);

}  // namespace phintys
