#include "kernels/integer_product.h"

#ifndef PHINTYS_ISA
#define PHINTYS_ISA baseline
#endif

namespace phintys::PHINTYS_ISA {

namespace {

// Columns and depth of what stays in the first cache: a piece of b.
constexpr int64_t kColumns = 256, kDepth = 32;

// Short integers are multiplied as unsigned ones: as int, the product could overflow.
template <class T>
struct Wide {
  using type = uint32_t;
};
template <>
struct Wide<uint64_t> {
  using type = uint64_t;
};

// Four rows at a time, so that each element of b is read once for all of them.
template <class T>
void four_rows(const T* a, int64_t a_row, int64_t a_col, const T* b, int64_t b_row, T* c,
               int64_t c_row, int64_t k, int64_t n) {
  using W = typename Wide<T>::type;
  T* __restrict c0 = c;
  T* __restrict c1 = c + c_row;
  T* __restrict c2 = c + 2 * c_row;
  T* __restrict c3 = c + 3 * c_row;
  for (int64_t p = 0; p < k; ++p, a += a_col, b += b_row) {
    const W x0 = a[0], x1 = a[a_row], x2 = a[2 * a_row], x3 = a[3 * a_row];
    for (int64_t j = 0; j < n; ++j) {
      const W y = b[j];
      c0[j] = static_cast<T>(c0[j] + x0 * y);
      c1[j] = static_cast<T>(c1[j] + x1 * y);
      c2[j] = static_cast<T>(c2[j] + x2 * y);
      c3[j] = static_cast<T>(c3[j] + x3 * y);
    }
  }
}

template <class T>
void one_row(const T* a, int64_t a_col, const T* b, int64_t b_row, T* __restrict c, int64_t k,
             int64_t n) {
  using W = typename Wide<T>::type;
  for (int64_t p = 0; p < k; ++p, a += a_col, b += b_row) {
    const W x = a[0];
    for (int64_t j = 0; j < n; ++j) c[j] = static_cast<T>(c[j] + x * b[j]);
  }
}

template <class T>
void product(const IntegerProduct<T>& w) {
  for (int64_t i = 0; i < w.m; ++i) {
    for (int64_t j = 0; j < w.n; ++j) w.c[i * w.c_row + j] = 0;
  }
  for (int64_t j = 0; j < w.n; j += kColumns) {
    const int64_t n = w.n - j < kColumns ? w.n - j : kColumns;
    for (int64_t p = 0; p < w.k; p += kDepth) {
      const int64_t k = w.k - p < kDepth ? w.k - p : kDepth;
      const T* b = w.b + p * w.b_row + j;
      int64_t i = 0;
      for (; i + 4 <= w.m; i += 4) {
        four_rows(w.a + i * w.a_row + p * w.a_col, w.a_row, w.a_col, b, w.b_row,
                  w.c + i * w.c_row + j, w.c_row, k, n);
      }
      for (; i < w.m; ++i) {
        one_row(w.a + i * w.a_row + p * w.a_col, w.a_col, b, w.b_row, w.c + i * w.c_row + j, k, n);
      }
    }
  }
}

}  // namespace

template <class T>
void integer_product(const IntegerProduct<T>& w) {
  product(w);
}
template void integer_product<uint8_t>(const IntegerProduct<uint8_t>&);
template void integer_product<uint16_t>(const IntegerProduct<uint16_t>&);
template void integer_product<uint32_t>(const IntegerProduct<uint32_t>&);
template void integer_product<uint64_t>(const IntegerProduct<uint64_t>&);

}  // namespace phintys::PHINTYS_ISA
