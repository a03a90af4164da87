#include "ops/linalg/plain_product.h"

#include <algorithm>

#include "array/array.h"
#include "kernels/blas.h"
#include "kernels/integer_product.h"
#include "kernels/parallel.h"
#include "ops/linalg/signature.h"

namespace phintys::linalg {

namespace {

size_t padded(int64_t count, size_t item) {
  return (static_cast<size_t>(count) * item + 63) / 64 * 64;
}

int64_t row_grain(const PlainProduct& w) {
  const int64_t rows = 65536 / std::max<int64_t>(1, w.n * w.k) + 1;
  return (rows + 3) / 4 * 4;
}

template <class T>
void integers(const PlainProduct& w) {
  constexpr int64_t item = sizeof(T);
  parallel_ranges(w.m, row_grain(w), [&](int64_t begin, int64_t end) {
    const IntegerProduct<T> part{reinterpret_cast<const T*>(w.a + begin * w.a_row),
                                 reinterpret_cast<const T*>(w.b),
                                 reinterpret_cast<T*>(w.c) + begin * w.n,
                                 end - begin,
                                 w.n,
                                 w.k,
                                 w.a_row / item,
                                 w.a_col / item,
                                 w.b_row / item,
                                 w.n};
    PHINTYS_ISA_CALL(integer_product<T>)(part);
  });
}

void truths(const PlainProduct& w) {
  parallel_ranges(w.m, row_grain(w), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      unsigned char* c = reinterpret_cast<unsigned char*>(w.c) + i * w.n;
      std::fill(c, c + w.n, static_cast<unsigned char>(0));
      for (int64_t p = 0; p < w.k; ++p) {
        if (w.a[i * w.a_row + p * w.a_col] == 0) continue;
        const char* b = w.b + p * w.b_row;
        for (int64_t j = 0; j < w.n; ++j) c[j] |= b[j] != 0;
      }
    }
  });
}

void widen(float* to, const char* from, int64_t row, int64_t col, int64_t rows, int64_t cols) {
  parallel_ranges(rows, 16384 / std::max<int64_t>(1, cols) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      for (int64_t j = 0; j < cols; ++j) {
        to[i * cols + j] = half_to_float(*reinterpret_cast<const Half*>(from + i * row + j * col));
      }
    }
  });
}

void halves(const PlainProduct& w, char* scratch) {
  Pieces pieces(scratch);
  float* a = pieces.take<float>(w.m * w.k);
  float* b = pieces.take<float>(w.k * w.n);
  float* c = pieces.take<float>(w.m * w.n);
  widen(a, w.a, w.a_row, w.a_col, w.m, w.k);
  widen(b, w.b, w.b_row, w.b_col, w.k, w.n);
  gemm(false, false, w.m, w.n, w.k, 1.f, a, std::max<int64_t>(1, w.k), b, std::max<int64_t>(1, w.n),
       0.f, c, std::max<int64_t>(1, w.n));
  Half* out = reinterpret_cast<Half*>(w.c);
  parallel_ranges(w.m * w.n, 16384, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) out[i] = float_to_half(c[i]);
  });
}

}  // namespace

size_t plain_scratch(DType dtype, const PlainProduct& w) {
  if (dtype == DType::f16) {
    return padded(w.m * w.k, 4) + padded(w.k * w.n, 4) + padded(w.m * w.n, 4);
  }
  const size_t item = item_size(dtype);
  return w.b_col == static_cast<int64_t>(item) ? 0 : padded(w.k * w.n, item);
}

void plain_product(DType dtype, PlainProduct w, char* scratch) {
  if (w.m == 0 || w.n == 0) return;
  if (dtype == DType::f16) return halves(w, scratch);
  const int64_t item = static_cast<int64_t>(item_size(dtype));
  if (w.b_col != item) {
    const int64_t shape[2] = {w.k, w.n}, from[2] = {w.b_row, w.b_col}, to[2] = {w.n * item, item};
    copy_parallel({scratch, dtype, 2, shape, to}, {const_cast<char*>(w.b), dtype, 2, shape, from});
    w.b = scratch;
    w.b_row = w.n * item;
    w.b_col = item;
  }
  if (is_bool(dtype)) return truths(w);
  switch (item) {
    case 1:
      return integers<uint8_t>(w);
    case 2:
      return integers<uint16_t>(w);
    case 4:
      return integers<uint32_t>(w);
    default:
      return integers<uint64_t>(w);
  }
}

}  // namespace phintys::linalg
