// Masks: how many elements are true, and where; repeated indices.
#include "indexing/block.h"
#include "indexing/support.h"
#include "indexing/tables.h"

namespace phintys::cuda::indexing {

namespace {

constexpr int kMaskItems = 16;  // of a thread, read at once
constexpr int64_t kMaskTile = kThreads * kMaskItems;

// Bit j: element i + j of a mask is true.
__device__ __forceinline__ unsigned true_bits(const char* mask, int64_t i, int64_t n) {
  uint32_t words[4] = {0, 0, 0, 0};
  unsigned bits = 0;
  if (i + kMaskItems <= n) {
    const uint4 v = *reinterpret_cast<const uint4*>(mask + i);
    words[0] = v.x;
    words[1] = v.y;
    words[2] = v.z;
    words[3] = v.w;
#pragma unroll
    for (int j = 0; j < kMaskItems; ++j) {
      bits |= (words[j / 4] >> (8 * (j % 4)) & 0xff) != 0 ? 1u << j : 0u;
    }
  } else {
    for (int j = 0; i + j < n; ++j) bits |= mask[i + j] != 0 ? 1u << j : 0u;
  }
  return bits;
}

__global__ void __launch_bounds__(kThreads)
    count_kernel(const char* mask, int64_t n, int64_t* counts) {
  const int64_t i = blockIdx.x * kMaskTile + static_cast<int64_t>(threadIdx.x) * kMaskItems;
  const int mine = i < n ? __popc(true_bits(mask, i, n)) : 0;
  int64_t total;
  block_before(mine, &total);
  if (threadIdx.x == 0) counts[blockIdx.x] = total;
}

struct ListWork {
  const char* mask;
  int64_t n, count;
  const int64_t *starts, *total;
  int32_t ndim, lists;
  int64_t shape[kMaxRank];
  int64_t* out[kMaxRank];
  int64_t weights[kMaxRank][kMaxRank];
  int* failed;
};

__global__ void __launch_bounds__(kThreads) list_kernel(const ListWork work) {
  if (*work.total != work.count) {
    if (blockIdx.x == 0 && threadIdx.x == 0) *work.failed = 1;
    // What reads the lists must find an element.
    const int64_t step = static_cast<int64_t>(gridDim.x) * kThreads;
    for (int64_t i = blockIdx.x * static_cast<int64_t>(kThreads) + threadIdx.x; i < work.count;
         i += step) {
      for (int k = 0; k < work.lists; ++k) work.out[k][i] = 0;
    }
    return;
  }
  const int64_t first = blockIdx.x * kMaskTile + static_cast<int64_t>(threadIdx.x) * kMaskItems;
  unsigned bits = first < work.n ? true_bits(work.mask, first, work.n) : 0;
  int64_t total;
  int64_t to = work.starts[blockIdx.x] + block_before(__popc(bits), &total);
  const bool narrow = work.n >> 31 == 0;
  for (; bits; bits &= bits - 1, ++to) {
    int64_t rest = first + __ffs(static_cast<int>(bits)) - 1;
    int64_t sums[kMaxRank] = {};
    for (int d = work.ndim - 1; d >= 0; --d) {
      const int64_t length = work.shape[d];
      const int64_t q = d == 0   ? 0
                        : narrow ? static_cast<uint32_t>(rest) / static_cast<uint32_t>(length)
                                 : rest / length;
      const int64_t at = rest - q * length;
      rest = q;
#pragma unroll
      for (int k = 0; k < kMaxRank; ++k) {
        if (k < work.lists) sums[k] += at * work.weights[k][d];
      }
    }
#pragma unroll
    for (int k = 0; k < kMaxRank; ++k) {
      if (k < work.lists) work.out[k][to] = sums[k];
    }
  }
}

size_t aligned(int64_t bytes) { return static_cast<size_t>((bytes + 255) / 256 * 256); }

// A mask in one piece, and the counts of its tiles.
struct Tiles {
  const char* mask;
  int64_t n, tiles;
  int64_t *counts, *total;
  void* scan;
};

Status count_tiles(Stream* stream, const Tensor& mask, void* scratch, Tiles* tiles) {
  char* memory = static_cast<char*>(scratch);
  const int64_t n = size_of(mask);
  *tiles = {mask.data, n, ceil_div(n, kMaskTile), nullptr, nullptr, nullptr};
  if (!contiguous(mask) || reinterpret_cast<uintptr_t>(mask.data) % 16) {
    Tensor whole{memory, DType::b8, 1, {n}, {1}};
    PHINTYS_TRY(copy(stream, whole, mask, nullptr));
    tiles->mask = memory;
  }
  memory += aligned(n);
  tiles->total = reinterpret_cast<int64_t*>(memory);
  tiles->counts = reinterpret_cast<int64_t*>(memory + 256);
  tiles->scan = memory + 256 + aligned(tiles->tiles * 8);
  return gpu::launch(stream, count_kernel, static_cast<unsigned>(tiles->tiles), kThreads, 0,
                     tiles->mask, n, tiles->counts);
}

}  // namespace

size_t mask_scratch(int64_t elements) {
  const int64_t tiles = ceil_div(elements, kMaskTile);
  return aligned(elements) + 256 + aligned(tiles * 8) + scan_scratch(tiles);
}

namespace {

__global__ void set_kernel(int64_t* to, int64_t value, int* failed) {
  if (to) *to = value;
  if (failed) *failed = 1;
}

}  // namespace

Status count_true(Stream* stream, const Tensor& mask, int64_t* total, void* scratch) {
  int* const no_flag = nullptr;
  if (size_of(mask) == 0) {
    return gpu::launch(stream, set_kernel, 1, 1, 0, total, int64_t{0}, no_flag);
  }
  Tiles tiles;
  PHINTYS_TRY(count_tiles(stream, mask, scratch, &tiles));
  return exclusive_scan(stream, tiles.counts, tiles.tiles, total, tiles.scan);
}

Status list_true(Stream* stream, const device::TrueList& list, void* scratch, int* failed) {
  if (size_of(list.mask) == 0) {
    int64_t* const nowhere = nullptr;
    if (list.count == 0) return kOk;
    return gpu::launch(stream, set_kernel, 1, 1, 0, nowhere, int64_t{0}, failed);
  }
  Tiles tiles;
  PHINTYS_TRY(count_tiles(stream, list.mask, scratch, &tiles));
  PHINTYS_TRY(exclusive_scan(stream, tiles.counts, tiles.tiles, tiles.total, tiles.scan));
  ListWork work{};
  work.mask = tiles.mask;
  work.n = tiles.n;
  work.count = list.count;
  work.starts = tiles.counts;
  work.total = tiles.total;
  work.ndim = list.mask.ndim;
  work.lists = list.lists;
  work.failed = failed;
  for (int d = 0; d < work.ndim; ++d) work.shape[d] = list.mask.shape[d];
  for (int k = 0; k < list.lists; ++k) {
    work.out[k] = list.out[k];
    for (int d = 0; d < work.ndim; ++d) work.weights[k][d] = list.weights[k][d];
  }
  return gpu::launch(stream, list_kernel, static_cast<unsigned>(tiles.tiles), kThreads, 0, work);
}

// --- Repeated indices ----------------------------------------------------------------------------

namespace {

__global__ void __launch_bounds__(kThreads)
    widen_kernel(const char* counts, DType dtype, int64_t step, int64_t n, int64_t* to,
                 int* failed) {
  const int64_t i = blockIdx.x * static_cast<int64_t>(kThreads) + threadIdx.x;
  if (i >= n) return;
  const int64_t count = load_integer(counts + i * step, dtype);
  if (count < 0) *failed = 1;
  to[i] = count < 0 ? 0 : count;
}

// to[i] = the last index whose start is not beyond i.
__global__ void __launch_bounds__(kThreads)
    repeat_kernel(const int64_t* starts, int64_t n, const int64_t* total, int64_t* to, int64_t size,
                  int* failed) {
  if (*total != size) {
    if (blockIdx.x == 0 && threadIdx.x == 0) *failed = 1;
    return;
  }
  const int64_t i = blockIdx.x * static_cast<int64_t>(kThreads) + threadIdx.x;
  if (i >= size) return;
  int64_t low = 0, high = n - 1;
  while (low < high) {
    const int64_t middle = (low + high + 1) / 2;
    if (starts[middle] <= i) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  to[i] = low;
}

}  // namespace

size_t repeat_scratch(int64_t counts) { return 256 + aligned(counts * 8) + scan_scratch(counts); }

Status repeat(Stream* stream, const Tensor& to, const Tensor& counts, void* scratch, int* failed) {
  const int64_t n = size_of(counts), size = size_of(to);
  if (n == 0) {
    int64_t* const nowhere = nullptr;
    if (size == 0) return kOk;
    return gpu::launch(stream, set_kernel, 1, 1, 0, nowhere, int64_t{0}, failed);
  }
  char* memory = static_cast<char*>(scratch);
  int64_t* const total = reinterpret_cast<int64_t*>(memory);
  int64_t* const starts = reinterpret_cast<int64_t*>(memory + 256);
  const int64_t step = counts.ndim ? counts.strides[0] : 0;
  PHINTYS_TRY(gpu::launch(stream, widen_kernel, blocks_for(n, kThreads), kThreads, 0, counts.data,
                          counts.dtype, step, n, starts, failed));
  PHINTYS_TRY(exclusive_scan(stream, starts, n, total, memory + 256 + aligned(n * 8)));
  const int64_t threads = size > 0 ? size : 1;
  return gpu::launch(stream, repeat_kernel, blocks_for(threads, kThreads), kThreads, 0, starts, n,
                     total, reinterpret_cast<int64_t*>(to.data), size, failed);
}

}  // namespace phintys::cuda::indexing
