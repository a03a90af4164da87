// softmax and log_softmax of rows, from tile kernels. Long rows go through the chain one by one
// while they are in cache; short ones several to a tile, so that every kernel works on full
// vectors.
#include "ops/row_kernels.h"

#include <algorithm>

#include "kernels/parallel.h"
#include "ops/elementwise/table.h"
#include "vm/bound.h"
#include "vm/row_kernels.h"

namespace phintys::vm {

namespace {

constexpr int64_t kShortRow = 128;
constexpr int64_t kTile = 1024;
constexpr int64_t kChunkElements = 16384;

template <class T>
struct Kernels {
  const TileKernels& sub = elementwise_kernels(ops::elementwise_index("sub"), dtype_of<T>);
  const TileKernels& exp = elementwise_kernels(ops::elementwise_index("exp"), dtype_of<T>);
  const TileKernels& log = elementwise_kernels(ops::elementwise_index("log"), dtype_of<T>);
  const TileKernels& mul = elementwise_kernels(ops::elementwise_index("mul"), dtype_of<T>);
  const ReduceKernels& max = reduce_kernels(ReduceKind::max, dtype_of<T>);
  const ReduceKernels& sum = reduce_kernels(ReduceKind::sum, dtype_of<T>);
};

// Folds a row of any length in tiles, joined in order.
template <class T>
T fold_long(const ReduceKernels& k, const T* x, int64_t n) {
  T parts[64] = {}, value;
  int64_t count = 0;
  for (int64_t i = 0; i < n; i += kMaxTile) {
    if (count == 64) {
      k.fold(&value, parts, count);
      parts[0] = value;
      count = 1;
    }
    k.fold(&parts[count++], x + i, std::min(kMaxTile, n - i));
  }
  k.fold(&value, parts, count);
  return value;
}

template <class T>
void long_row(const Kernels<T>& k, const T* x, T* y, int64_t n, bool log, T* scratch) {
  T max = fold_long(k.max, x, n);
  T parts[64] = {}, sum = 0;
  int64_t count = 0;
  for (int64_t i = 0; i < n; i += kTile) {
    int64_t m = std::min(kTile, n - i);
    k.sub.tile[2](y + i, x + i, &max, &max, m);
    T* e = log ? scratch : y + i;
    k.exp.tile[0](e, y + i, e, e, m);
    if (count == 64) {
      k.sum.fold(&sum, parts, count);
      parts[0] = sum;
      count = 1;
    }
    k.sum.fold(&parts[count++], e, m);
  }
  k.sum.fold(&sum, parts, count);
  T scale = log ? T(0) : T(1) / sum;
  if (log) k.log.scalar(&scale, &sum, &sum, &sum, 1);
  for (int64_t i = 0; i < n; i += kMaxTile) {
    int64_t m = std::min(kMaxTile, n - i);
    (log ? k.sub : k.mul).tile[2](y + i, y + i, &scale, &scale, m);
  }
}

template <class T>
void expand(T* tile, const T* values, int64_t rows, int64_t cols) {
  for (int64_t r = 0; r < rows; ++r) std::fill_n(tile + r * cols, cols, values[r]);
}

template <class T>
void short_rows(const Kernels<T>& k, const T* x, T* y, int64_t rows, int64_t cols, bool log,
                T* scratch, T* values) {
  int64_t n = rows * cols;
  k.max.fold_rows(values, x, rows, cols);
  expand(scratch, values, rows, cols);
  k.sub.tile[0](y, x, scratch, scratch, n);
  T* e = log ? scratch : y;
  k.exp.tile[0](e, y, e, e, n);
  k.sum.fold_rows(values, e, rows, cols);
  if (log) {
    k.log.tile[0](values, values, values, values, rows);
  } else {
    for (int64_t r = 0; r < rows; ++r) values[r] = T(1) / values[r];
  }
  expand(scratch, values, rows, cols);
  (log ? k.sub : k.mul).tile[0](y, y, scratch, scratch, n);
}

template <class T>
void normalise(const T* x, T* y, int64_t rows, int64_t cols, bool log) {
  static const Kernels<T> k;
  int64_t per_tile = cols <= kShortRow ? std::max<int64_t>(1, kTile / cols) : 1;
  int64_t grain = std::max<int64_t>(1, kChunkElements / cols);
  grain = (grain + per_tile - 1) / per_tile * per_tile;
  parallel_ranges(rows, grain, [&](int64_t begin, int64_t end) {
    T* scratch = reinterpret_cast<T*>(thread_scratch(2 * kTile * sizeof(T)));
    for (int64_t r = begin; r < end; r += per_tile) {
      int64_t m = std::min(per_tile, end - r);
      if (cols <= kShortRow) {
        short_rows(k, x + r * cols, y + r * cols, m, cols, log, scratch, scratch + kTile);
      } else {
        long_row(k, x + r * cols, y + r * cols, cols, log, scratch);
      }
    }
  });
}

}  // namespace

void install_row_kernels() {
  RowKernels& k = row_kernels();
  k.softmax_f32 = [](const float* x, float* y, int64_t r, int64_t c) {
    normalise(x, y, r, c, false);
  };
  k.softmax_f64 = [](const double* x, double* y, int64_t r, int64_t c) {
    normalise(x, y, r, c, false);
  };
  k.log_softmax_f32 = [](const float* x, float* y, int64_t r, int64_t c) {
    normalise(x, y, r, c, true);
  };
  k.log_softmax_f64 = [](const double* x, double* y, int64_t r, int64_t c) {
    normalise(x, y, r, c, true);
  };
}

}  // namespace phintys::vm
