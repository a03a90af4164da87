// Shapes, strides, permutations: short lists of integers.
#pragma once

#include <cstdint>
#include <string>

#include "base/export.h"
#include "base/small_vector.h"

namespace phintys {

using Dims = SmallVec<std::int64_t, 6>;

// The number of elements of a shape; 1 for (). It does not check for overflow.
inline std::int64_t product(const Dims& dims) noexcept {
  std::int64_t n = 1;
  for (std::int64_t d : dims) n *= d;
  return n;
}

// The same for sizes that a user or a file chose: false if a dimension is negative or the product
// does not fit. A zero anywhere makes the product 0 whatever the others are.
PHINTYS_PUBLIC bool checked_product(const Dims& dims, std::int64_t* out) noexcept;

// As Python prints a tuple: (2, 3), (3,), ().
PHINTYS_PUBLIC std::string to_string(const Dims& dims);

}  // namespace phintys
