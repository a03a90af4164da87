// Linear algebra beyond plain products: decompositions, solvers, batched products.
#pragma once

#include "ops/linalg/cholesky.h"
#include "ops/linalg/decompose.h"
#include "ops/linalg/expm.h"
#include "ops/linalg/matmul.h"
#include "ops/linalg/solve.h"
#include "ops/op_list.h"

namespace phintys {

using LinalgOps =
    OpTypes<Matmul, Cholesky, Solve, SolveFactored, SolveTriangular, MatrixInverse, Det, SLogDet,
            LuFactor, PermuteRows, QR, SVD, Eigh, Eig, MatrixPinv, Lstsq, Expm>;

}  // namespace phintys
