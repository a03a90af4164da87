// Products of so few elements that the call of a library takes longer than the sums.
#pragma once

#include <span>

#include "graph/op.h"

namespace phintys {

// out[m, n] = alpha * a[m, k] @ b[k, n] + beta * c[m, n]; steps in elements. With beta == 0, c is
// not read. `out` may be c, element by element.
struct TinyProduct {
  int64_t m, n, k;
  int64_t a_row, a_col, b_row, b_col, c_row, c_col, out_row, out_col;
  double alpha, beta;
};

constexpr bool is_tiny_product(int64_t m, int64_t n, int64_t k) {
  constexpr int64_t kMost = 128, kMostOfOne = 16;  // multiplications; those of a single sum
  if (m <= 0 || n <= 0 || k <= 0 || m > kMost || n > kMost / m) return false;
  return k <= (m * n == 1 ? kMostOfOne : kMost / (m * n));
}

// For float and double. Every sum runs from the first term to the last.
template <class T>
void tiny_product(const TinyProduct& p, const T* a, const T* b, const T* c, T* out);

// What a node of a product computes, if it is one of float32 or float64 and tiny: numbers of its
// inputs (c: -1 if none is read).
struct TinyOperands {
  TinyProduct product;
  int a, b, c;
};
bool tiny_operands(const Op& op, std::span<const TensorView> inputs, TinyOperands* found);

}  // namespace phintys
