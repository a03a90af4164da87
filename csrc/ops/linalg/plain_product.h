// Products of matrices of dtypes that BLAS does not have: integers, bool (an or of ands), float16
// (computed in float32).
#pragma once

#include "array/dtype.h"

namespace phintys::linalg {

// c[m, n] = a[m, k] @ b[k, n]; strides in bytes, c is row-major without gaps.
struct PlainProduct {
  const char* a;
  const char* b;
  char* c;
  int64_t m, n, k;
  int64_t a_row, a_col, b_row, b_col;
};

// Bytes of memory that plain_product needs besides.
size_t plain_scratch(DType dtype, const PlainProduct& w);
void plain_product(DType dtype, PlainProduct w, char* scratch);

}  // namespace phintys::linalg
