// Expressions that gradients of linear algebra are written with. Matrices are the last two
// dimensions; those before them are a stack.
#pragma once

#include "ops/build.h"
#include "ops/build_elementwise.h"

namespace phintys::linalg {

// a @ b of stacks of matrices; stacks of length 1 (known) and missing leading dimensions stretch.
Var matmul(const Var& a, const Var& b);
// The last two dimensions exchanged; conjugated too if complex.
Var swap_last(const Var& x);
Var adjoint(const Var& x);
Var conjugate(const Var& x);
// The matrices with zeros above (below) diagonal `k`.
Var lower_part(const Var& x, int64_t k = 0);
Var upper_part(const Var& x, int64_t k = 0);
// bool[n, n], true off the diagonal.
Var off_diagonal(const Var& n);
// A vector on the last dimension as rows [.., 1, n] or columns [.., n, 1] of matrices.
Var as_row(const Var& v);
Var as_column(const Var& v);
// [n, n] of 0 and 1.
Var identity(const Var& n, DType dtype);
// The length of dimension `from_end` (1: last).
Var length(const Var& x, int from_end);
// x[..., :, begin:end]-like: rows or columns [begin, end) of the last two dimensions.
Var slice_last(const Var& x, int from_end, const Var& begin, const Var& end);

}  // namespace phintys::linalg
