// Products of matrices, for the instruction set that this file is compiled for.
//
// The innermost loop keeps a tile of R rows by N vectors of C in registers; each step takes N
// vectors of B and multiplies them with R single values of A. Both are read where they are, or from
// panels: of B, kWidth columns side by side for each step of the sum; of A, R values for each step.
// Blocks are those of K. Goto and R. van de Geijn, "Anatomy of high-performance matrix
// multiplication", ACM Trans. Math. Softw. 34(3), 2008.
#include "kernels/gemm.h"

#include "kernels/simd/partial.h"
#include "kernels/simd/transpose.h"
#include "kernels/simd/vec.h"
#include "kernels/simd/vector_of.h"

namespace phintys::PHINTYS_ISA {

namespace {

// As many rows as registers hold next to two vectors of B and one of A.
#if PHINTYS_SIMD_BYTES == 64 || defined(__aarch64__)
constexpr int kMaxRows = 12;
#else
constexpr int kMaxRows = 6;
#endif
constexpr int kVectors = 2;
template <class T>
constexpr int kWidth = kVectors * VectorOf<T>::type::lanes;

PHINTYS_INLINE int64_t lesser(int64_t a, int64_t b) { return a < b ? a : b; }
PHINTYS_INLINE int64_t pieces(int64_t size, int64_t most) { return (size + most - 1) / most; }

// ---- Tiles --------------------------------------------------------------------------------------

// C[r, j] = alpha * sum over l < k of A[r, l] * B[l, j] + beta * C[r, j] for j < columns.
template <class T>
struct TileWork {
  const T* a;
  int64_t a_step;  // between rows, or if these are adjacent, between steps of the sum
  const T* b;
  int64_t b_step;  // between steps of the sum
  T* c;
  int64_t c_row;
  int64_t k;
  int columns;
  T alpha, beta;
};

// kAdjacent: the rows of A are adjacent, else its steps. kPart: only the first columns exist.
template <bool kAdjacent, bool kPart, int R, int N, class V, class T>
PHINTYS_INLINE void tile_sums(const TileWork<T>& w, V (&sums)[R][N]) {
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int i = 0; i < N; ++i) sums[r][i] = V::broadcast(0);
  // One pointer for three rows: x86 adds a stride once or twice without an instruction.
  constexpr int kPointers = (R + 2) / 3;
  const T* a = w.a;
  const char* rows[kPointers];
  const int64_t stride = w.a_step * static_cast<int64_t>(sizeof(T));
#pragma GCC unroll 16
  for (int g = 0; g < kPointers; ++g) rows[g] = reinterpret_cast<const char*>(a) + 3 * g * stride;
  const T* b = w.b;
  const int last = w.columns - (N - 1) * V::lanes;
  for (int64_t l = 0; l < w.k; ++l) {
    V f[N];
#pragma GCC unroll 4
    for (int i = 0; i < N; ++i) {
      f[i] = kPart && i == N - 1 ? load_part(b + i * V::lanes, last, V::broadcast(0))
                                 : V::load(b + i * V::lanes);
    }
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      T value;
      if constexpr (kAdjacent) {
        value = a[r];
      } else {
        value = *reinterpret_cast<const T*>(rows[r / 3] + (r % 3) * stride);
      }
      const V x = V::broadcast(value);
#pragma GCC unroll 4
      for (int i = 0; i < N; ++i) sums[r][i] = fma(f[i], x, sums[r][i]);
    }
    b += w.b_step;
    if constexpr (kAdjacent) {
      a += w.a_step;
    } else {
#pragma GCC unroll 16
      for (int g = 0; g < kPointers; ++g) rows[g] += sizeof(T);
    }
  }
}

template <bool kAdjacent, bool kPart, int R, int N, class T>
void tile(const TileWork<T>& w) {
  using V = typename VectorOf<T>::type;
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int i = 0; i < N; ++i) __builtin_prefetch(w.c + r * w.c_row + i * V::lanes, 1);
  V sums[R][N];
  tile_sums<kAdjacent, kPart>(w, sums);
  const V alpha = V::broadcast(w.alpha), beta = V::broadcast(w.beta);
  const int last = w.columns - (N - 1) * V::lanes;
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int i = 0; i < N; ++i) {
      T* to = w.c + r * w.c_row + i * V::lanes;
      const bool part = kPart && i == N - 1;
      V value = alpha * sums[r][i];
      if (w.beta != T(0))
        value = fma(beta, part ? load_part(to, last, V::broadcast(0)) : V::load(to), value);
      if (part) {
        store_part(to, value, last);
      } else {
        value.store(to);
      }
    }
  }
}

template <class T>
using Tile = void (*)(const TileWork<T>&);

// The tiles of one to kMaxRows rows.
template <bool kAdjacent, bool kPart, int N, class T>
struct TileTable {
  Tile<T> of[kMaxRows + 1] = {};
  template <int R>
  constexpr void fill() {
    if constexpr (R > 0) {
      of[R] = tile<kAdjacent, kPart, R, N, T>;
      fill<R - 1>();
    }
  }
  constexpr TileTable() { fill<kMaxRows>(); }
};
template <bool kAdjacent, bool kPart, int N, class T>
constexpr TileTable<kAdjacent, kPart, N, T> kTiles;

// For a panel with `columns` columns.
template <class T>
const Tile<T>* tiles(bool adjacent, int columns) {
  if (columns == kWidth<T>)
    return adjacent ? kTiles<true, false, 2, T>.of : kTiles<false, false, 2, T>.of;
  if (columns > kWidth<T> / 2)
    return adjacent ? kTiles<true, true, 2, T>.of : kTiles<false, true, 2, T>.of;
  return adjacent ? kTiles<true, true, 1, T>.of : kTiles<false, true, 1, T>.of;
}

// ---- Packing ------------------------------------------------------------------------------------

// to[i * to_step + j] = from[j * from_step + i] for i < rows, j < columns; writes whole vectors if
// kWhole, with zeros for the columns that do not exist.
template <bool kWhole, class T>
PHINTYS_INLINE void transpose(const T* from, int64_t from_step, T* to, int64_t to_step,
                              int64_t rows, int columns) {
  using V = typename VectorOf<T>::type;
  for (int64_t i = 0; i < rows; i += V::lanes) {
    const int count = static_cast<int>(lesser(rows - i, V::lanes));
    V x[V::lanes];
#pragma GCC unroll 16
    for (int j = 0; j < V::lanes; ++j) {
      const T* at = from + (j < columns ? j : 0) * from_step + i;
      x[j] = count == V::lanes ? V::load(at) : load_part(at, count, V::broadcast(0));
      if (j >= columns) x[j] = V::broadcast(0);
    }
    transpose_lanes(x);
#pragma GCC unroll 16
    for (int j = 0; j < V::lanes; ++j) {
      if (j >= count) continue;
      if constexpr (kWhole) {
        x[j].store(to + (i + j) * to_step);
      } else {
        store_part(to + (i + j) * to_step, x[j], columns);
      }
    }
  }
}

// A panel of B: `columns` of at most kWidth columns for each of k steps, and zeros beside them.
template <class T>
void pack_columns(const T* b, int64_t b_row, int64_t b_col, int64_t k, int columns, T* to) {
  using V = typename VectorOf<T>::type;
  for (int j = 0; j < kWidth<T>; j += V::lanes) {
    const int count = static_cast<int>(lesser(columns - j, V::lanes));
    if (count <= 0) return;  // Tiles of one vector read no further.
    if (b_col == 1) {
      for (int64_t l = 0; l < k; ++l)
        load_part(b + l * b_row + j, count, V::broadcast(0)).store(to + l * kWidth<T> + j);
    } else {
      transpose<true>(b + j * b_col, b_col, to + j, kWidth<T>, k, count);
    }
  }
}

// `rows` rows of A, side by side for each of k steps.
template <class T>
void pack_rows(const T* a, int64_t a_row, int64_t a_col, int64_t k, int rows, T* to) {
  using V = typename VectorOf<T>::type;
  for (int r = 0; r < rows; r += V::lanes) {
    const int count = static_cast<int>(lesser(rows - r, V::lanes));
    if (a_row == 1) {
      for (int64_t l = 0; l < k; ++l)
        store_part(to + l * rows + r, load_part(a + l * a_col + r, count, V::broadcast(0)), count);
    } else {
      transpose<false>(a + r * a_row, a_row, to + r, rows, k, count);
    }
  }
}

// c[j * c_col + r] = alpha * sums[r * kWidth + j] + beta * c[j * c_col + r].
template <class T>
void store_transposed(const T* sums, int rows, int columns, T* c, int64_t c_col, T alpha, T beta) {
  using V = typename VectorOf<T>::type;
  for (int r0 = 0; r0 < rows; r0 += V::lanes) {
    const int count = static_cast<int>(lesser(rows - r0, V::lanes));
    for (int j0 = 0; j0 < columns; j0 += V::lanes) {
      V x[V::lanes];
#pragma GCC unroll 16
      for (int r = 0; r < V::lanes; ++r)
        x[r] = V::load(sums + (r0 + (r < count ? r : 0)) * kWidth<T> + j0);
      transpose_lanes(x);
#pragma GCC unroll 16
      for (int j = 0; j < V::lanes; ++j) {
        if (j0 + j >= columns) continue;
        T* to = c + (j0 + j) * c_col + r0;
        V value = V::broadcast(alpha) * x[j];
        if (beta != T(0))
          value = fma(V::broadcast(beta), load_part(to, count, V::broadcast(0)), value);
        store_part(to, value, count);
      }
    }
  }
}

// ---- Blocks -------------------------------------------------------------------------------------

// A product with B's columns in vectors; c_row == 1 if it is the transposed one of what was asked.
template <class T>
struct Product {
  GemmWork<T> w;
  bool transposed;
  bool pack_a, pack_b;
  // Sizes of blocks: steps of the sum, rows, columns.
  int64_t depth, rows, columns;
};

template <class T>
Product<T> planned(const GemmWork<T>& work) {
  constexpr int64_t item = sizeof(T);
  Product<T> p{work, false, false, false, 0, 0, 0};
  GemmWork<T>& w = p.w;
  // To pack the few rows of A and write the results transposed is less than to pack all of B.
  if (w.b_col != 1 && w.m < w.n && w.m <= 96) {
    p.transposed = true;
    w.a = work.b, w.a_row = work.b_col, w.a_col = work.b_row, w.m = work.n;
    w.b = work.a, w.b_row = work.a_col, w.b_col = work.a_row, w.n = work.m;
  }
  // Rows whose distance is a multiple of half a page share few places of the first cache.
  const bool crowded = (w.a_row == 1 ? w.a_col : w.a_row) * item % 2048 == 0;
  p.pack_a = crowded && w.m > kMaxRows && w.n >= 2 * kWidth<T>;
  p.pack_b = w.b_col != 1 || (w.m >= 8 * kMaxRows && w.n * w.k * item > 256 * 1024);
  // Half a megabyte of A, and of B panels of 64 KiB.
  p.depth = pieces(w.k, pieces(w.k, 512));
  p.rows = pieces(w.m, pieces(w.m, 80 / item * kMaxRows));
  p.columns = p.pack_b ? 64 * kWidth<T> : w.n;
  return p;
}

template <class T>
struct Block {
  int64_t l, depth, i, rows, j, columns;
  const T* a;  // packed
  const T* b;
};

// Rows of A in groups of nearly the same size, none larger than kMaxRows.
struct Groups {
  int64_t count, size, longer;  // the first `longer` have one more
  explicit Groups(int64_t rows)
      : count(pieces(rows, kMaxRows)), size(rows / count), longer(rows % count) {}
  int at(int64_t g) const { return static_cast<int>(size + (g < longer)); }
};

template <class T>
void run_block(const Product<T>& p, const Block<T>& block) {
  const GemmWork<T>& w = p.w;
  alignas(64) T sums[kMaxRows * kWidth<T>];
  const bool adjacent = p.pack_a || w.a_row == 1;
  const T beta = block.l == 0 ? w.beta : T(1);
  const Groups groups(block.rows);
  for (int64_t j = 0; j < block.columns; j += kWidth<T>) {
    const int columns = static_cast<int>(lesser(block.columns - j, kWidth<T>));
    const Tile<T>* run = tiles<T>(adjacent, columns);
    TileWork<T> t;
    t.b = p.pack_b ? block.b + j * block.depth : w.b + block.l * w.b_row + block.j + j;
    t.b_step = p.pack_b ? kWidth<T> : w.b_row;
    t.k = block.depth;
    t.columns = columns;
    t.c_row = p.transposed ? kWidth<T> : w.c_row;
    t.alpha = p.transposed ? T(1) : w.alpha;
    t.beta = p.transposed ? T(0) : beta;
    int64_t i = 0;
    for (int64_t g = 0; g < groups.count; ++g) {
      const int rows = groups.at(g);
      t.a =
          p.pack_a ? block.a + i * block.depth : w.a + (block.i + i) * w.a_row + block.l * w.a_col;
      t.a_step = p.pack_a ? rows : w.a_row == 1 ? w.a_col : w.a_row;
      if (p.transposed) {
        t.c = sums;
        run[rows](t);
        store_transposed(sums, rows, columns, w.c + (block.j + j) * w.c_row + block.i + i, w.c_row,
                         w.alpha, beta);
      } else {
        t.c = w.c + (block.i + i) * w.c_row + block.j + j;
        run[rows](t);
      }
      i += rows;
    }
  }
}

template <class T>
void pack_block_a(const Product<T>& p, const Block<T>& block, T* to) {
  const GemmWork<T>& w = p.w;
  const Groups groups(block.rows);
  int64_t i = 0;
  for (int64_t g = 0; g < groups.count; ++g) {
    const int rows = groups.at(g);
    pack_rows(w.a + (block.i + i) * w.a_row + block.l * w.a_col, w.a_row, w.a_col, block.depth,
              rows, to + i * block.depth);
    i += rows;
  }
}

template <class T>
void pack_block_b(const Product<T>& p, const Block<T>& block, T* to) {
  const GemmWork<T>& w = p.w;
  for (int64_t j = 0; j < block.columns; j += kWidth<T>) {
    pack_columns(w.b + block.l * w.b_row + (block.j + j) * w.b_col, w.b_row, w.b_col, block.depth,
                 static_cast<int>(lesser(block.columns - j, kWidth<T>)), to + j * block.depth);
  }
}

}  // namespace

template <class T>
bool packed_gemm(const GemmWork<T>& work, GemmScratch scratch) {
  const Product<T> p = planned(work);
  const int64_t a_items = p.pack_a ? pieces(p.rows * p.depth, 16) * 16 : 0;
  const int64_t b_items =
      p.pack_b ? pieces(lesser(p.columns, p.w.n), kWidth<T>) * kWidth<T> * p.depth : 0;
  T* memory = nullptr;
  if (a_items + b_items > 0) {
    memory = static_cast<T*>(scratch((a_items + b_items) * static_cast<int64_t>(sizeof(T))));
    if (memory == nullptr) return false;
  }
  T* packed_b = memory + a_items;
  Block<T> block;
  block.a = memory;
  block.b = packed_b;
  for (block.j = 0; block.j < p.w.n; block.j += p.columns) {
    block.columns = lesser(p.columns, p.w.n - block.j);
    for (block.l = 0; block.l < p.w.k; block.l += p.depth) {
      block.depth = lesser(p.depth, p.w.k - block.l);
      if (p.pack_b) pack_block_b(p, block, packed_b);
      for (block.i = 0; block.i < p.w.m; block.i += p.rows) {
        block.rows = lesser(p.rows, p.w.m - block.i);
        if (p.pack_a) pack_block_a(p, block, memory);
        run_block(p, block);
      }
    }
  }
  return true;
}
template bool packed_gemm<float>(const GemmWork<float>&, GemmScratch);
template bool packed_gemm<double>(const GemmWork<double>&, GemmScratch);

}  // namespace phintys::PHINTYS_ISA
