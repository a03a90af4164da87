// The first few of long rows in order: a block for each row finds the key of the last one digit by
// digit, collects what is before it, and sorts that in shared memory.
#include "order/network.h"
#include "order/order.h"
#include "order/results.h"

namespace phintys::cuda::order {
namespace {

constexpr int kThreads = 512;
constexpr int kWarps = kThreads / gpu::kWarp;
constexpr int kDigits = 256;

// The key of element i.
template <class Key>
struct KeysOfRow {
  const char* row;
  int64_t stride;
  DType dtype;
  bool flip, split_zeros;
  __device__ __forceinline__ Key at(int64_t i) const {
    const Key key = load_key<Key>(row + i * stride, dtype, split_zeros);
    return flip ? static_cast<Key>(~key) : key;
  }
};

// The last key that is taken, and how many of those equal to it are.
template <class Key>
struct Bound {
  Key key;
  uint32_t ties;
};

// Of `counts` the first digit at which the sum of counts reaches `wanted`, and what is wanted of
// it. By one warp; every lane gets the answer.
__device__ __forceinline__ Bound<uint32_t> find_digit(const unsigned* counts, uint32_t wanted) {
  constexpr int kEach = kDigits / gpu::kWarp;
  const int lane = static_cast<int>(threadIdx.x) % gpu::kWarp;
  unsigned mine = 0;
  for (int k = 0; k < kEach; ++k) mine += counts[lane * kEach + k];
  unsigned upto = mine;
  for (int by = 1; by < gpu::kWarp; by *= 2) {
    const unsigned before = __shfl_up_sync(gpu::kAllLanes, upto, static_cast<unsigned>(by));
    if (lane >= by) upto += before;
  }
  // The first lane whose digits reach it.
  const int which = __ffs(static_cast<int>(__ballot_sync(gpu::kAllLanes, upto >= wanted))) - 1;
  uint32_t left = wanted - (upto - mine), digit = static_cast<uint32_t>(lane * kEach);
  if (lane == which) {
    for (; counts[digit] < left; ++digit) left -= counts[digit];
  }
  return {__shfl_sync(gpu::kAllLanes, digit, which), __shfl_sync(gpu::kAllLanes, left, which)};
}

template <class Key>
__device__ __forceinline__ Bound<Key> find_bound(const KeysOfRow<Key>& row, int64_t n,
                                                 uint32_t count) {
  __shared__ unsigned counts[kDigits];
  __shared__ Bound<uint32_t> found;
  constexpr int kBits = 8 * static_cast<int>(sizeof(Key));
  Bound<Key> bound = {0, count};
  for (int shift = kBits - 8; shift >= 0; shift -= 8) {
    if (threadIdx.x < kDigits) counts[threadIdx.x] = 0;
    __syncthreads();
    // The digits before this one are those of the bound.
    const Key mask = shift + 8 < kBits ? static_cast<Key>(~Key{0} << (shift + 8)) : Key{0};
#pragma unroll 4
    for (int64_t i = threadIdx.x; i < n; i += kThreads) {
      const Key key = row.at(i);
      if (((key ^ bound.key) & mask) == 0) {
        atomicAdd(&counts[static_cast<unsigned>(key >> shift) & (kDigits - 1)], 1u);
      }
    }
    __syncthreads();
    if (threadIdx.x < gpu::kWarp) {
      const Bound<uint32_t> here = find_digit(counts, bound.ties);
      if (threadIdx.x == 0) found = here;
    }
    __syncthreads();
    bound.key |= static_cast<Key>(found.key) << shift;
    bound.ties = found.ties;
  }
  return bound;
}

// Keys and indices of what is taken, in the order of the row.
template <class Key>
__device__ __forceinline__ void collect(const KeysOfRow<Key>& row, int64_t n, uint32_t count,
                                        Bound<Key> bound, Key* keys, uint32_t* index) {
  __shared__ unsigned in_warp[2][kWarps];
  const unsigned lane = threadIdx.x % gpu::kWarp, warp = threadIdx.x / gpu::kWarp;
  const unsigned lower = (1u << lane) - 1;
  unsigned below = 0, equal = 0;  // before this stretch
  for (int64_t first = 0; first < n && below + min(equal, bound.ties) < count; first += kThreads) {
    const int64_t i = first + threadIdx.x;
    const Key key = i < n ? row.at(i) : Key{0};
    const bool is_below = i < n && key < bound.key, is_equal = i < n && key == bound.key;
    const unsigned all_below = __ballot_sync(gpu::kAllLanes, is_below);
    const unsigned all_equal = __ballot_sync(gpu::kAllLanes, is_equal);
    if (lane == 0) {
      in_warp[0][warp] = static_cast<unsigned>(__popc(all_below));
      in_warp[1][warp] = static_cast<unsigned>(__popc(all_equal));
    }
    __syncthreads();
    unsigned below_here = below + static_cast<unsigned>(__popc(all_below & lower));
    unsigned equal_here = equal + static_cast<unsigned>(__popc(all_equal & lower));
#pragma unroll
    for (unsigned k = 0; k < kWarps; ++k) {
      below += in_warp[0][k];
      equal += in_warp[1][k];
      if (k < warp) {
        below_here += in_warp[0][k];
        equal_here += in_warp[1][k];
      }
    }
    if (is_below || (is_equal && equal_here < bound.ties)) {
      const unsigned place = below_here + min(equal_here, bound.ties);
      keys[place] = key;
      index[place] = static_cast<uint32_t>(i);
    }
    __syncthreads();
  }
}

template <class Key>
__global__ void __launch_bounds__(kThreads) select_kernel(device::SortWork w, RowsAlong x) {
  __shared__ Key keys[kMostSelected];
  __shared__ uint32_t index[kMostSelected];
  const int64_t r = blockIdx.x;
  const KeysOfRow<Key> row{x.row(r), x.stride, w.x.dtype, greatest_first(w), w.by_value};
  const uint32_t count = static_cast<uint32_t>(w.count);
  const Bound<Key> bound = find_bound(row, x.length, count);
  collect(row, x.length, count, bound, keys, index);
  if (w.sorted) {
    unsigned length = 1;
    while (length < count) length *= 2;
    for (unsigned s = count + threadIdx.x; s < length; s += kThreads) {
      keys[s] = kGreatestKey<Key>;
      index[s] = 0x80000000u | s;
    }
    sort_stretches(keys, index, static_cast<int>(length), static_cast<int>(length));
  }
  for (unsigned j = threadIdx.x; j < count; j += kThreads) store_result(w, x, r, j, index[j]);
}

}  // namespace

Status select(Stream* stream, const device::SortWork& work) {
  const RowsAlong x(work.x, work.axis);
  if (x.rows > gpu::kMaxGridX) return kUnsupported;
  const dim3 grid(static_cast<unsigned>(x.rows));
  if (item_size_of(work.x.dtype) <= 4) {
    return gpu::launch(stream, select_kernel<uint32_t>, grid, dim3(kThreads), 0, work, x);
  }
  return gpu::launch(stream, select_kernel<uint64_t>, grid, dim3(kThreads), 0, work, x);
}

}  // namespace phintys::cuda::order
