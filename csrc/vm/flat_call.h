// A kernel call on operands that stay where they are.
#pragma once

#include "vm/carry.h"
#include "vm/tiles_types.h"

namespace phintys::vm {

// What is no pointer to elements (a table of places, a reduction's kernels) is handed over in place
// of an operand that the kernel does not have.
struct FlatCall {
  TileFn fn;
  char* dst;
  const char *a, *b, *c;
  int64_t n;
  // Bit j: operand j may be the very memory of the result, element by element.
  unsigned in_place = 0;
  // Of a call on single floats, in place of `fn`; null if there are none.
  const CarryKernels* carry = nullptr;
  unsigned carry_bytes = 0;
  // What a list that hands values on calls.
  CarryFn carried = nullptr;
};

}  // namespace phintys::vm
