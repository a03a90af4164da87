#include "ops/tiny_product.h"

#include <algorithm>

#include "ops/dot.h"

namespace phintys {

namespace {

// kColumns columns of the result, whose sums do not wait for each other.
template <class T, int kColumns>
void columns(const TinyProduct& p, const T* a, const T* b, const T* c, T* out) {
  const T alpha = static_cast<T>(p.alpha), beta = static_cast<T>(p.beta);
  for (int64_t i = 0; i < p.m; ++i) {
    const T* x = a + i * p.a_row;
    const T* y = b;
    T sums[kColumns] = {};
    for (int64_t k = 0; k < p.k; ++k, x += p.a_col, y += p.b_row)
      for (int j = 0; j < kColumns; ++j) sums[j] += *x * y[j * p.b_col];
    T* const to = out + i * p.out_row;
    const T* const from = c + i * p.c_row;
    for (int j = 0; j < kColumns; ++j) {
      const T product = alpha * sums[j];
      to[j * p.out_col] = beta == T(0) ? product : product + beta * from[j * p.c_col];
    }
  }
}

// b^T @ a^T gives the transposed result.
TinyProduct transposed(const TinyProduct& p) {
  return {p.n,     p.m,     p.k,       p.b_col,   p.b_row, p.a_col, p.a_row,
          p.c_col, p.c_row, p.out_col, p.out_row, p.alpha, p.beta};
}

struct Steps {
  int64_t row, column;
  bool whole;  // in elements
};

// Of a vector as a matrix of one column.
Steps steps_of(const TensorView& v, bool trans) {
  const auto item = static_cast<int64_t>(item_size(v.dtype));
  const int64_t row = v.strides[0], column = v.ndim > 1 ? v.strides[1] : 0;
  const bool whole = row % item == 0 && column % item == 0;
  return trans ? Steps{column / item, row / item, whole} : Steps{row / item, column / item, whole};
}

int64_t rows_of(const TensorView& v, bool trans) {
  return trans ? (v.ndim > 1 ? v.shape[1] : 1) : v.shape[0];
}
int64_t columns_of(const TensorView& v, bool trans) { return rows_of(v, !trans); }

}  // namespace

template <class T>
void tiny_product(const TinyProduct& p, const T* a, const T* b, const T* c, T* out) {
  if (p.n == 1 && p.m > 1) return tiny_product(transposed(p), b, a, c, out);
  int64_t left = p.n;
  for (; left >= 4; left -= 4) {
    columns<T, 4>(p, a, b, c, out);
    b += 4 * p.b_col;
    c += 4 * p.c_col;
    out += 4 * p.out_col;
  }
  if (left == 3) columns<T, 3>(p, a, b, c, out);
  if (left == 2) columns<T, 2>(p, a, b, c, out);
  if (left == 1) columns<T, 1>(p, a, b, c, out);
}
template void tiny_product(const TinyProduct&, const float*, const float*, const float*, float*);
template void tiny_product(const TinyProduct&, const double*, const double*, const double*,
                           double*);

bool tiny_operands(const Op& op, std::span<const TensorView> inputs, TinyOperands* found) {
  int first = 1;
  bool trans_a = false, trans_b = false;
  double alpha = 1, beta = 1;
  if (dynamic_cast<const Dot*>(&op)) {
    first = 0;
    beta = 0;
    trans_a = inputs[0].ndim == 1;  // a row
  } else if (const Gemm* gemm = dynamic_cast<const Gemm*>(&op)) {
    trans_a = gemm->trans_a;
    trans_b = gemm->trans_b;
    alpha = gemm->alpha;
    beta = gemm->beta;
  } else if (const Gemv* gemv = dynamic_cast<const Gemv*>(&op)) {
    trans_a = gemv->trans_a;
    alpha = gemv->alpha;
    beta = gemv->beta;
  } else {
    return false;
  }
  const TensorView& a = inputs[static_cast<size_t>(first)];
  const TensorView& b = inputs[static_cast<size_t>(first) + 1];
  if ((a.dtype != DType::f32 && a.dtype != DType::f64) || alpha == 0) return false;
  const int64_t m = rows_of(a, trans_a), k = columns_of(a, trans_a), n = columns_of(b, trans_b);
  if (!is_tiny_product(m, n, k)) return false;
  const Steps sa = steps_of(a, trans_a), sb = steps_of(b, trans_b);
  const Steps sc = beta == 0 ? Steps{0, 0, true} : steps_of(inputs[0], false);
  if (!sa.whole || !sb.whole || !sc.whole) return false;
  found->product = {m,      n,         k, sa.row, sa.column, sb.row, sb.column,
                    sc.row, sc.column, n, 1,      alpha,     beta};
  found->a = first;
  found->b = first + 1;
  found->c = beta == 0 ? -1 : 0;
  return true;
}

}  // namespace phintys
