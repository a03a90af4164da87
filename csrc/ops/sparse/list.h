// Sparse matrices: products, patterns, and the ways to and from dense ones.
#pragma once

#include "ops/op_list.h"
#include "ops/sparse/matmul.h"
#include "ops/sparse/pattern.h"
#include "ops/sparse/product.h"

namespace phintys {

using SparseOps = OpTypes<SparseDot, SparseSampledDot, SparseToDense, SparseGather, SparseConvert,
                          SparseMajor, SparseMergeIndptr, SparseMerge, SparseMatmulIndptr,
                          SparseMatmulIndices, SparseMatmulValues>;

}  // namespace phintys
