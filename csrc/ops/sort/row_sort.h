// Sorting of one contiguous row, by value and by index.
#pragma once

#include <cstdint>

#include "array/dtype.h"

namespace phintys {

// Bytes that sort_row and argsort_row need beside their operands.
size_t sort_row_scratch(DType dtype, int64_t n);
size_t argsort_row_scratch(DType dtype, int64_t n);

// out (may be x): the elements of x in increasing order, NaN last. Equal elements that are not the
// same bits (-0 and +0; NaN) come out as one order of the bits has them.
void sort_row(DType dtype, const void* x, void* out, int64_t n, char* scratch);
// order[i]: the index of the i-th least element; equal ones in their order in x (stable).
void argsort_row(DType dtype, const void* x, int64_t* order, int64_t n, char* scratch);
}  // namespace phintys
