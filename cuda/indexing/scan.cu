// Sums of all that comes before, and sorting by small keys: both stable and without floats.
#include "indexing/block.h"
#include "indexing/support.h"

namespace phintys::cuda::indexing {

namespace {

constexpr int kScanItems = 8;
constexpr int64_t kScanTile = kThreads * kScanItems;
constexpr int64_t kAlone = 8 * kScanTile;  // that one block scans

__global__ void __launch_bounds__(kThreads)
    tile_sum_kernel(const int64_t* data, int64_t n, int64_t* sums) {
  const int64_t first = blockIdx.x * kScanTile + threadIdx.x;
  int64_t sum = 0;
#pragma unroll
  for (int u = 0; u < kScanItems; ++u) {
    if (first + u * kThreads < n) sum += data[first + u * kThreads];
  }
  int64_t total;
  block_before(sum, &total);
  if (threadIdx.x == 0) sums[blockIdx.x] = total;
}

// Each block scans `span` elements, on top of its element of `before`.
__global__ void __launch_bounds__(kThreads)
    scan_kernel(int64_t* data, int64_t n, int64_t span, const int64_t* before, int64_t* total) {
  const int64_t begin = blockIdx.x * span, end = begin + span < n ? begin + span : n;
  int64_t carry = before ? before[blockIdx.x] : 0;
  for (int64_t tile = begin; tile < end; tile += kScanTile) {
    const int64_t first = tile + static_cast<int64_t>(threadIdx.x) * kScanItems;
    int64_t items[kScanItems], sum = 0;
#pragma unroll
    for (int u = 0; u < kScanItems; ++u) {
      items[u] = first + u < end ? data[first + u] : 0;
      sum += items[u];
    }
    int64_t all;
    int64_t at = carry + block_before(sum, &all);
#pragma unroll
    for (int u = 0; u < kScanItems; ++u) {
      if (first + u < end) data[first + u] = at;
      at += items[u];
    }
    carry += all;
  }
  if (total && end == n && threadIdx.x == 0) *total = carry;
}

}  // namespace

size_t scan_scratch(int64_t n) {
  return n <= kAlone ? 0 : static_cast<size_t>(ceil_div(n, kScanTile)) * sizeof(int64_t);
}

Status exclusive_scan(Stream* stream, int64_t* data, int64_t n, int64_t* total, void* scratch) {
  const int64_t* none = nullptr;
  int64_t* no_total = nullptr;
  if (n <= kAlone) {
    return gpu::launch(stream, scan_kernel, 1, kThreads, 0, data, n, n, none, total);
  }
  int64_t* sums = static_cast<int64_t*>(scratch);
  const int64_t tiles = ceil_div(n, kScanTile);
  const unsigned blocks = static_cast<unsigned>(tiles);
  PHINTYS_TRY(gpu::launch(stream, tile_sum_kernel, blocks, kThreads, 0, data, n, sums));
  PHINTYS_TRY(gpu::launch(stream, scan_kernel, 1, kThreads, 0, sums, tiles, tiles, none, no_total));
  return gpu::launch(stream, scan_kernel, blocks, kThreads, 0, data, n, kScanTile, sums, total);
}

// --- Sorting -------------------------------------------------------------------------------------

namespace {

constexpr int kDigits = 256;
constexpr int kWarps = kThreads / 32;
constexpr int kSortItems = 8;  // of a thread
constexpr int64_t kSortTile = kThreads * kSortItems;
constexpr int kFew = 8192;    // that are sorted by counting
constexpr int kRanked = 128;  // of those, by a block

// The rank of a key is the number of keys that come before it. Each block looks at all keys, and
// ranks some.
__global__ void __launch_bounds__(kRanked)
    rank_kernel(const uint32_t* from, uint32_t* keys, uint32_t* positions, int n) {
  __shared__ uint4 words[kFew / 4];
  uint32_t* const all = reinterpret_cast<uint32_t*>(words);
  const int padded = (n + 3) / 4 * 4;
  for (int i = static_cast<int>(threadIdx.x); i < padded; i += kRanked) {
    all[i] = i < n ? from[i] : 0xffffffffu;
  }
  __syncthreads();
  const int first = static_cast<int>(blockIdx.x) * kRanked;
  const int i = first + static_cast<int>(threadIdx.x), last = min(n, first + kRanked);
  if (i >= n) return;
  const uint32_t key = all[i];
  int rank = 0;
  for (int w = 0; w < first / 4; ++w) {
    const uint4 v = words[w];
    rank += (v.x <= key) + (v.y <= key) + (v.z <= key) + (v.w <= key);
  }
  for (int j = first; j < last; ++j) rank += all[j] < key || (all[j] == key && j < i);
  for (int w = (first + kRanked) / 4; w < padded / 4; ++w) {
    const uint4 v = words[w];
    rank += (v.x < key) + (v.y < key) + (v.z < key) + (v.w < key);
  }
  keys[rank] = key;
  positions[rank] = static_cast<uint32_t>(i);
}

// Element u of a lane's share of a block's tile: a warp's elements are neighbours, in order.
__device__ __forceinline__ int64_t sort_index(int u) {
  const int64_t warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  return blockIdx.x * kSortTile + (warp * kSortItems + u) * 32 + lane;
}

// How often each digit comes in each tile: counts[digit * blocks + block].
__global__ void __launch_bounds__(kThreads)
    digit_kernel(const uint32_t* keys, int64_t n, int shift, int64_t* counts) {
  __shared__ int histogram[kDigits];
  histogram[threadIdx.x] = 0;
  __syncthreads();
  for (int u = 0; u < kSortItems; ++u) {
    const int64_t i = sort_index(u);
    if (i < n) atomicAdd(&histogram[keys[i] >> shift & (kDigits - 1)], 1);
  }
  __syncthreads();
  counts[static_cast<int64_t>(threadIdx.x) * gridDim.x + blockIdx.x] = histogram[threadIdx.x];
}

// Lanes of the warp with the same digit; those that are not `valid` share none with the others.
__device__ __forceinline__ unsigned same_digit(uint32_t digit, bool valid) {
  unsigned same = __ballot_sync(gpu::kAllLanes, valid);
  if (!valid) same = ~same;
#pragma unroll
  for (int b = 0; b < 8; ++b) {
    const bool bit = digit >> b & 1;
    const unsigned ones = __ballot_sync(gpu::kAllLanes, bit);
    same &= bit ? ones : ~ones;
  }
  return same;
}

// Moves keys to where their digit's turn is: `starts` are the counts, scanned. `positions` null:
// the first pass, which numbers them.
__global__ void __launch_bounds__(kThreads)
    pass_kernel(const uint32_t* keys, const uint32_t* positions, int64_t n, int shift,
                const int64_t* starts, uint32_t* keys_out, uint32_t* positions_out) {
  __shared__ int counts[kWarps * kDigits];
  __shared__ int64_t bases[kDigits];
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  for (int i = static_cast<int>(threadIdx.x); i < kWarps * kDigits; i += kThreads) counts[i] = 0;
  bases[threadIdx.x] = starts[static_cast<int64_t>(threadIdx.x) * gridDim.x + blockIdx.x];
  __syncthreads();
  uint32_t key[kSortItems];
  int rank[kSortItems];
  int* mine = counts + warp * kDigits;
#pragma unroll
  for (int u = 0; u < kSortItems; ++u) {
    const int64_t i = sort_index(u);
    const bool valid = i < n;
    key[u] = valid ? keys[i] : 0;
    const uint32_t digit = key[u] >> shift & (kDigits - 1);
    const unsigned same = same_digit(digit, valid);
    const int before = __popc(same & ((1u << lane) - 1));
    const int leader = __ffs(static_cast<int>(same)) - 1;
    int seen = 0;
    if (valid && lane == leader) {
      seen = mine[digit];
      mine[digit] = seen + __popc(same);
    }
    __syncwarp();
    rank[u] = __shfl_sync(gpu::kAllLanes, seen, leader) + before;
  }
  __syncthreads();
  int sum = 0;
  for (int w = 0; w < kWarps; ++w) {
    const int count = counts[w * kDigits + threadIdx.x];
    counts[w * kDigits + threadIdx.x] = sum;
    sum += count;
  }
  __syncthreads();
#pragma unroll
  for (int u = 0; u < kSortItems; ++u) {
    const int64_t i = sort_index(u);
    if (i >= n) continue;
    const uint32_t digit = key[u] >> shift & (kDigits - 1);
    const int64_t to = bases[digit] + mine[digit] + rank[u];
    keys_out[to] = key[u];
    positions_out[to] = positions ? positions[i] : static_cast<uint32_t>(i);
  }
}

size_t aligned(size_t bytes) { return (bytes + 255) / 256 * 256; }

}  // namespace

size_t sort_scratch(int64_t n) {
  const size_t list = aligned(static_cast<size_t>(n) * sizeof(uint32_t));
  if (n <= kFew) return 3 * list;
  const int64_t counts = ceil_div(n, kSortTile) * kDigits;
  return 4 * list + aligned(static_cast<size_t>(counts) * sizeof(int64_t)) + scan_scratch(counts);
}

Status sort_keys(Stream* stream, int64_t n, int64_t limit, void* scratch, SortedKeys* sorted) {
  const size_t list = aligned(static_cast<size_t>(n) * sizeof(uint32_t));
  char* memory = static_cast<char*>(scratch);
  auto part = [&](int i) {
    return reinterpret_cast<uint32_t*>(memory + static_cast<size_t>(i) * list);
  };
  uint32_t *keys = part(0), *other_keys = part(1), *positions = nullptr, *other_positions = part(2);
  sorted->n = n;
  if (n <= kFew) {
    *sorted = {other_keys, other_positions, n};
    return gpu::launch(stream, rank_kernel, blocks_for(n, kRanked), kRanked, 0, keys, other_keys,
                       other_positions, static_cast<int>(n));
  }
  // UINT32_MAX has the greatest digits: it stays last in as many bits as `limit` needs.
  int bits = 1;
  while (bits < 32 && (limit >> bits) != 0) ++bits;
  const int64_t blocks = ceil_div(n, kSortTile), cells = blocks * kDigits;
  int64_t* counts = reinterpret_cast<int64_t*>(memory + 4 * list);
  void* scan = memory + 4 * list + aligned(static_cast<size_t>(cells) * sizeof(int64_t));
  int64_t* no_total = nullptr;
  for (int shift = 0; shift < bits; shift += 8) {
    const unsigned grid = static_cast<unsigned>(blocks);
    PHINTYS_TRY(gpu::launch(stream, digit_kernel, grid, kThreads, 0, keys, n, shift, counts));
    PHINTYS_TRY(exclusive_scan(stream, counts, cells, no_total, scan));
    PHINTYS_TRY(gpu::launch(stream, pass_kernel, grid, kThreads, 0, keys, positions, n, shift,
                            counts, other_keys, other_positions));
    uint32_t* const next_positions = positions ? positions : part(3);
    uint32_t* const next_keys = keys;
    keys = other_keys;
    positions = other_positions;
    other_keys = next_keys;
    other_positions = next_positions;
  }
  *sorted = {keys, positions, n};
  return kOk;
}

}  // namespace phintys::cuda::indexing
