// Order on devices: sorting, running sums, counting, searching.
//
// NaN counts as greatest, and all NaN are equal; -0 equals +0 unless said otherwise; complex
// numbers are in NumPy's order. Pointers are the device's; outputs are contiguous in C order.
// Functions queue their work, and return kUnsupported for what they have no kernel for.
#pragma once

#include "device/table.h"

namespace phintys::device {

// The order of elements along an axis.
struct SortWork {
  Tensor x;  // dimensions as they are
  int32_t axis;
  int64_t count;  // of results along the axis: the first ones in order; == shape[axis] for a sort
  void* values;   // null: not wanted
  void* indices;  // null: not wanted
  DType index_dtype;
  // True: -0 is less than +0 and NaN come out as one NaN. Then no order of equals can be seen.
  // Otherwise equal elements are in their order in x.
  bool by_value;
  // An integer scalar that is positive if the greatest elements are to come first (of equals, the
  // first in x); null: the least.
  const void* sign;
  DType sign_dtype;
  bool sorted;  // false: the results are in the order in which they lie in x
  void* scratch;
};

// The stable lexicographic order of a matrix's rows.
struct LexSortWork {
  Tensor x;  // two dimensions as they are
  int64_t* order;
  void* scratch;
};

enum class CumulateKind : uint8_t { sum, prod, max, min };

// Arrays [outer, n, inner], contiguous: each element joined with all before it along n.
struct CumulateWork {
  DType dtype;
  CumulateKind kind;
  bool reverse;  // with all after it
  int64_t outer, n, inner;
  const void* x;
  void* y;  // may be x
  void* scratch;
};

// places: for each element of v, contiguous, how many of the `n` elements of a (contiguous,
// sorted) are before it; also equal ones, if `right`.
struct SearchWork {
  DType dtype;
  bool right;
  int64_t n, count;
  const void *a, *v;
  int64_t* places;
};

// size: max(1 + the greatest of x, minlength). Refuses negative numbers.
struct CountSizeWork {
  Tensor x;  // a vector of integers
  const void* minlength;
  DType minlength_dtype;
  int64_t* size;
  int* failed;
};

// out[i], i < size: how many elements of x are i (int64), or the sum of their weights. Refuses
// numbers outside [0, size).
struct CountWork {
  Tensor x;        // a vector of integers
  Tensor weights;  // a vector of out's dtype; ndim 0: no weights
  int64_t size;
  void* out;
  int* failed;
  void* scratch;
};

// groups[i]: how many times rows i' and i' - 1 of x, taken in `order`, differ for i' <= i; count:
// how many groups there are.
struct GroupWork {
  Tensor x;      // a matrix, dimensions as they are
  Tensor order;  // a vector of int64; data null: the order of x
  int64_t *groups, *count;
  int* failed;
  void* scratch;
};

// firsts[g]: the first i with groups[i] == g. Refuses what is not 0, ..., 0, 1, ..., count - 1.
struct FirstsWork {
  Tensor groups;  // a vector of int64
  int64_t count;
  int64_t* firsts;
  int* failed;
};

struct OrderKernels {
  Status (*sort)(Stream* stream, const SortWork& work);
  Status (*lex_sort)(Stream* stream, const LexSortWork& work);
  Status (*cumulate)(Stream* stream, const CumulateWork& work);
  Status (*search)(Stream* stream, const SearchWork& work);
  Status (*count_size)(Stream* stream, const CountSizeWork& work);
  Status (*count)(Stream* stream, const CountWork& work);
  Status (*group)(Stream* stream, const GroupWork& work);
  Status (*firsts)(Stream* stream, const FirstsWork& work);
  // Bytes of scratch memory; pointers may be missing.
  size_t (*sort_scratch)(Stream* stream, const SortWork& work);
  size_t (*lex_sort_scratch)(Stream* stream, const LexSortWork& work);
  size_t (*cumulate_scratch)(const CumulateWork& work);
  size_t (*count_scratch)(Stream* stream, const CountWork& work);
  size_t (*group_scratch)(const GroupWork& work);
};

}  // namespace phintys::device
