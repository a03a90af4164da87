// Sorting of many short rows: a block sorts some of them in its shared memory.
#include "order/network.h"
#include "order/order.h"
#include "order/results.h"

namespace phintys::cuda::order {
namespace {

constexpr int kFewestSlots = 512;

template <class Key>
__global__ void __launch_bounds__(static_cast<int>(kShortRow) / 2)
    short_rows_kernel(device::SortWork w, RowsAlong x, int length) {
  __shared__ Key keys[kShortRow];
  __shared__ uint32_t index[kShortRow];
  const int slots = 2 * static_cast<int>(blockDim.x);
  const int64_t first = static_cast<int64_t>(blockIdx.x) * (slots / length);
  const bool flip = greatest_first(w);
  for (int s = static_cast<int>(threadIdx.x); s < slots; s += static_cast<int>(blockDim.x)) {
    const int64_t row = first + s / length;
    const int i = s & (length - 1);
    // Slots without elements come last.
    Key key = kGreatestKey<Key>;
    uint32_t place = 0x80000000u | static_cast<uint32_t>(i);
    if (row < x.rows && i < x.length) {
      key = load_key<Key>(x.row(row) + i * x.stride, w.x.dtype, w.by_value);
      if (flip) key = static_cast<Key>(~key);
      place = static_cast<uint32_t>(i);
    }
    keys[s] = key;
    index[s] = place;
  }
  sort_stretches(keys, index, length, slots);
  if (!w.sorted) {
    for (int s = static_cast<int>(threadIdx.x); s < slots; s += static_cast<int>(blockDim.x)) {
      keys[s] = (s & (length - 1)) < w.count ? Key{0} : Key{1};
    }
    sort_stretches(keys, index, length, slots);
  }
  for (int s = static_cast<int>(threadIdx.x); s < slots; s += static_cast<int>(blockDim.x)) {
    const int64_t row = first + s / length;
    const int j = s & (length - 1);
    if (row < x.rows && j < w.count) store_result(w, x, row, j, index[s]);
  }
}

}  // namespace

Status sort_short_rows(Stream* stream, const device::SortWork& work) {
  const RowsAlong x(work.x, work.axis);
  int length = 1;
  while (length < x.length) length *= 2;
  const int slots = length < kFewestSlots ? kFewestSlots : length;
  const int64_t per_block = slots / length, blocks = (x.rows + per_block - 1) / per_block;
  if (blocks > gpu::kMaxGridX) return kUnsupported;
  const dim3 grid(static_cast<unsigned>(blocks)), block(static_cast<unsigned>(slots / 2));
  if (item_size_of(work.x.dtype) <= 4) {
    return gpu::launch(stream, short_rows_kernel<uint32_t>, grid, block, 0, work, x, length);
  }
  return gpu::launch(stream, short_rows_kernel<uint64_t>, grid, block, 0, work, x, length);
}

}  // namespace phintys::cuda::order
