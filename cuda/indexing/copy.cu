// Strided copies: in vectors where memory allows it, through tiles where rows become columns.
#include "indexing/region.h"
#include "indexing/tables.h"

namespace phintys::cuda::indexing {

namespace {

constexpr int kTile = 32;
constexpr int kTileRows = 8;  // of threads
constexpr int kWideRank = 2 * kMaxRank;

// A copy of dimensions that both sides agree on.
struct Copy {
  int n = 0;
  int64_t shape[kWideRank], to[kWideRank], from[kWideRank];
  char *to_data, *from_data;

  void swap(int a, int b) {
    for (int64_t* list : {shape, to, from}) {
      const int64_t kept = list[a];
      list[a] = list[b];
      list[b] = kept;
    }
  }
};

// Both tensors may have merged dimensions of their own: boundaries of either are kept. Innermost
// dimensions come first. False if they have no common shape.
bool align(const Tensor& to, const Tensor& from, Copy* copy) {
  int a = to.ndim - 1, b = from.ndim - 1;
  int64_t a_left = a < 0 ? 1 : to.shape[a], b_left = b < 0 ? 1 : from.shape[b];
  int64_t a_step = a < 0 ? 0 : to.strides[a], b_step = b < 0 ? 0 : from.strides[b];
  while (a >= 0 || b >= 0) {
    if (a >= 0 && a_left == 1) {
      if (--a >= 0) {
        a_left = to.shape[a];
        a_step = to.strides[a];
      }
      continue;
    }
    if (b >= 0 && b_left == 1) {
      if (--b >= 0) {
        b_left = from.shape[b];
        b_step = from.strides[b];
      }
      continue;
    }
    const int64_t length = a_left < b_left ? a_left : b_left;
    if (a < 0 || b < 0 || a_left % length || b_left % length || copy->n == kWideRank) return false;
    copy->shape[copy->n] = length;
    copy->to[copy->n] = a_step;
    copy->from[copy->n++] = b_step;
    a_left /= length;
    b_left /= length;
    a_step *= length;
    b_step *= length;
  }
  return true;
}

// `to` ascending, the largest steps first, and neighbours merged.
void order(Copy* copy) {
  Copy& c = *copy;
  for (int d = 0; d < c.n; ++d) {
    if (c.to[d] >= 0) continue;
    c.to_data += (c.shape[d] - 1) * c.to[d];
    c.from_data += (c.shape[d] - 1) * c.from[d];
    c.to[d] = -c.to[d];
    c.from[d] = -c.from[d];
  }
  for (int i = 1; i < c.n; ++i) {
    for (int d = i; d > 0 && c.to[d] > c.to[d - 1]; --d) c.swap(d, d - 1);
  }
  int n = 0;
  for (int d = 0; d < c.n; ++d) {
    if (n > 0 && c.to[n - 1] == c.to[d] * c.shape[d] && c.from[n - 1] == c.from[d] * c.shape[d]) {
      c.shape[n - 1] *= c.shape[d];
      c.to[n - 1] = c.to[d];
      c.from[n - 1] = c.from[d];
      continue;
    }
    c.swap(n++, d);
  }
  c.n = n;
}

// --- Tiles ---------------------------------------------------------------------------------------

// Matrices of which `to` has the rows side by side, and `from` the columns; what is around them.
struct TileWork {
  uint32_t rows, columns;
  Divisor row_tiles, column_tiles;
  int64_t to_row, from_column;  // steps; the others are one element
  Strided to, from;             // of the matrices
  char *to_data, *from_data;
  const int* unless;
};

template <class Item>
__global__ void __launch_bounds__(kTile* kTileRows) tile_kernel(const TileWork work) {
  __shared__ Item tile[kTile * (kTile + 1)];
  if (work.unless && *work.unless) return;
  const uint32_t across = work.column_tiles.divide(blockIdx.x);
  const uint32_t matrix = work.row_tiles.divide(across);
  const uint32_t column = (blockIdx.x - across * work.column_tiles.value) * kTile;
  const uint32_t row = (across - matrix * work.row_tiles.value) * kTile;
  const char* from = work.from_data + work.from.offset(matrix);
  char* to = work.to_data + work.to.offset(matrix);
  const uint32_t x = threadIdx.x;
  for (uint32_t y = threadIdx.y; y < kTile; y += kTileRows) {
    if (row + x < work.rows && column + y < work.columns) {
      tile[y * (kTile + 1) + x] = *reinterpret_cast<const Item*>(
          from + (column + y) * work.from_column + (row + x) * static_cast<int64_t>(sizeof(Item)));
    }
  }
  __syncthreads();
  for (uint32_t y = threadIdx.y; y < kTile; y += kTileRows) {
    if (row + y < work.rows && column + x < work.columns) {
      *reinterpret_cast<Item*>(to + (row + y) * work.to_row +
                               (column + x) * static_cast<int64_t>(sizeof(Item))) =
          tile[x * (kTile + 1) + y];
    }
  }
}

template <class Item>
Status launch_tiles(Stream* stream, const TileWork& work, uint32_t matrices) {
  const uint32_t blocks = matrices * work.row_tiles.value * work.column_tiles.value;
  return gpu::launch(stream, tile_kernel<Item>, blocks, dim3(kTile, kTileRows), 0, work);
}

// The dimension that is innermost in `from` only, and long enough to be worth tiles; or -1.
int tiled_dimension(const Region& r, int64_t item) {
  const int last = r.ndim - 1;
  if (last < 1 || r.base_strides[last] != item || r.value_strides[last] == item ||
      r.value_strides[last] == 0 || r.shape[last] < 8) {
    return -1;
  }
  for (int d = 0; d < last; ++d) {
    if (r.value_strides[d] == item && r.shape[d] >= 8) return d;
  }
  return -1;
}

Status copy_tiles(Stream* stream, const Region& r, int row, const int* unless) {
  const int column = r.ndim - 1;
  const int64_t row_tiles = ceil_div(r.shape[row], kTile);
  const int64_t column_tiles = ceil_div(r.shape[column], kTile);
  TileWork work;
  work.rows = static_cast<uint32_t>(r.shape[row]);
  work.columns = static_cast<uint32_t>(r.shape[column]);
  work.row_tiles = Divisor(row_tiles);
  work.column_tiles = Divisor(column_tiles);
  work.to_row = r.base_strides[row];
  work.from_column = r.value_strides[column];
  work.to_data = r.base;
  work.from_data = r.values;
  work.unless = unless;
  Tensor to{}, from{};
  int64_t matrices = 1;
  for (int d = 0; d < column; ++d) {
    if (d == row) continue;
    to.shape[to.ndim] = from.shape[to.ndim] = r.shape[d];
    to.strides[to.ndim] = r.base_strides[d];
    from.strides[to.ndim] = r.value_strides[d];
    from.ndim = ++to.ndim;
    matrices *= r.shape[d];
  }
  work.to = Strided(to);
  work.from = Strided(from);
  const uint32_t n = static_cast<uint32_t>(matrices);
  switch (item_size_of(r.dtype)) {
    case 1:
      return launch_tiles<uint8_t>(stream, work, n);
    case 2:
      return launch_tiles<uint16_t>(stream, work, n);
    case 4:
      return launch_tiles<uint32_t>(stream, work, n);
    case 8:
      return launch_tiles<uint64_t>(stream, work, n);
    default:
      return launch_tiles<uint4>(stream, work, n);
  }
}

// --- Repeated elements ---------------------------------------------------------------------------

// One element written many times side by side, 16 bytes at a time.
__global__ void __launch_bounds__(kThreads) spread_kernel(const RegionWork work, int item) {
  if (work.unless && *work.unless) return;
  const uint32_t first = blockIdx.x * (blockDim.x * 4) + threadIdx.x;
#pragma unroll
  for (int u = 0; u < 4; ++u) {
    const uint32_t i = first + u * blockDim.x;
    Place place;
    if (i >= work.size || !work.find(i, &place)) continue;
    uint32_t w[4];
    if (item == 8) {
      const uint2 v = *reinterpret_cast<const uint2*>(place.value);
      w[0] = w[2] = v.x;
      w[1] = w[3] = v.y;
    } else {
      uint32_t v = item == 4   ? *reinterpret_cast<const uint32_t*>(place.value)
                   : item == 2 ? *reinterpret_cast<const uint16_t*>(place.value) * 0x10001u
                               : *reinterpret_cast<const uint8_t*>(place.value) * 0x1010101u;
      w[0] = w[1] = w[2] = w[3] = v;
    }
    *reinterpret_cast<uint4*>(place.base) = make_uint4(w[0], w[1], w[2], w[3]);
  }
}

// True iff `to` has runs of 16 bytes of which each has one value; *r then has those as elements.
bool spreads(Region* r, int64_t item) {
  const int last = r->ndim - 1;
  if (item == 16 || last < 0 || r->value_strides[last] != 0 || r->base_strides[last] != item ||
      r->shape[last] * item % 16) {
    return false;
  }
  uint64_t bits = reinterpret_cast<uintptr_t>(r->base);
  for (int d = 0; d < last; ++d) bits |= static_cast<uint64_t>(r->base_strides[d]);
  if (bits % 16) return false;
  r->shape[last] = r->shape[last] * item / 16;
  r->base_strides[last] = 16;
  return true;
}

Status copy_region(Stream* stream, Region r, const int* unless) {
  const int64_t item = item_size_of(r.dtype);
  const int row = tiled_dimension(r, item);
  if (row >= 0) {
    return each_piece(r,
                      [&](const Region& piece) { return copy_tiles(stream, piece, row, unless); });
  }
  if (spreads(&r, item)) {
    return each_piece(r, [&](const Region& piece) {
      const RegionWork work(piece, unless, nullptr);
      const unsigned threads = work.size < 1u << 18 ? 64 : kThreads;
      return gpu::launch(stream, spread_kernel, blocks_for(work.size, threads * 4), threads, 0,
                         work, static_cast<int>(item));
    });
  }
  // One long run need not be a number of whole vectors.
  const int64_t bytes = r.ndim == 1 ? r.shape[0] * item : 0;
  if (bytes % 16 && bytes > 4096 && r.base_strides[0] == item && r.value_strides[0] == item) {
    Region rest = r;
    r.shape[0] = bytes / 16 * 16 / item;
    advance(&rest, 0, r.shape[0]);
    rest.shape[0] -= r.shape[0];
    const int tail = widen(&rest);
    PHINTYS_TRY(move_region(stream, rest, tail, true, unless, nullptr));
  }
  const int wide = widen(&r);
  return move_region(stream, r, wide, true, unless, nullptr);
}

// More dimensions than kernels take: the outermost one by one.
Status copy_aligned(Stream* stream, Copy copy, DType dtype, const int* unless) {
  if (copy.n > kMaxRank) {
    for (int64_t i = 0; i < copy.shape[0]; ++i) {
      Copy part = copy;
      part.n = copy.n - 1;
      for (int d = 0; d < part.n; ++d) {
        part.shape[d] = copy.shape[d + 1];
        part.to[d] = copy.to[d + 1];
        part.from[d] = copy.from[d + 1];
      }
      part.to_data += i * copy.to[0];
      part.from_data += i * copy.from[0];
      PHINTYS_TRY(copy_aligned(stream, part, dtype, unless));
    }
    return kOk;
  }
  Region r{};
  r.dtype = dtype;
  r.ndim = copy.n;
  r.base = copy.to_data;
  r.values = copy.from_data;
  for (int d = 0; d < copy.n; ++d) {
    r.shape[d] = copy.shape[d];
    r.base_strides[d] = copy.to[d];
    r.value_strides[d] = copy.from[d];
  }
  return copy_region(stream, r, unless);
}

}  // namespace

Status copy(Stream* stream, const Tensor& to, const Tensor& from, const int* unless) {
  if (size_of(to) == 0) return kOk;
  Copy work;
  work.to_data = to.data;
  work.from_data = from.data;
  if (!align(to, from, &work)) return kUnsupported;
  order(&work);
  return copy_aligned(stream, work, to.dtype, unless);
}

namespace {

struct Parts {
  const char* items[device::kMaxParts];
  char* to;
  int32_t count, item;
  int64_t step;
};

__global__ void collect_kernel(const Parts parts) {
  const int i = static_cast<int>(threadIdx.x);
  if (i < parts.count) move_item(parts.to + i * parts.step, parts.items[i], parts.item);
}

}  // namespace

Status collect(Stream* stream, const Tensor& to, const void* const* items) {
  const int64_t n = size_of(to);
  for (int64_t first = 0; first < n; first += device::kMaxParts) {
    const int64_t count = n - first < device::kMaxParts ? n - first : device::kMaxParts;
    Parts parts{};
    for (int64_t i = 0; i < count; ++i) parts.items[i] = static_cast<const char*>(items[first + i]);
    parts.step = to.ndim ? to.strides[0] : 0;
    parts.to = to.data + first * parts.step;
    parts.count = static_cast<int32_t>(count);
    parts.item = static_cast<int32_t>(item_size_of(to.dtype));
    PHINTYS_TRY(gpu::launch(stream, collect_kernel, 1, device::kMaxParts, 0, parts));
  }
  return kOk;
}

}  // namespace phintys::cuda::indexing
