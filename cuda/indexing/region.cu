// Regions of arrays: what each thread moves, and how the work is cut.
#include "indexing/region.h"

namespace phintys::cuda::indexing {

namespace {

int64_t g_limit = int64_t{1} << 30;

}  // namespace

int64_t launch_limit() { return g_limit; }

void advance(Region* region, int d, int64_t start) {
  region->base += start * region->base_strides[d];
  region->values += start * region->value_strides[d];
  for (int k = 0; k < region->count; ++k)
    region->indices[k].data += start * region->indices[k].strides[d];
}

int64_t positions_of(const Region& region) {
  int64_t n = 1;
  for (int d = 0; d < region.ndim; ++d) n *= region.shape[d];
  return n;
}

namespace {

bool repeats(const Region& r, int d) { return (r.repeats >> d & 1) != 0; }

void move_dimension(Region* r, int to, int from) {
  r->shape[to] = r->shape[from];
  r->base_strides[to] = r->base_strides[from];
  r->value_strides[to] = r->value_strides[from];
  for (int k = 0; k < r->count; ++k) r->indices[k].strides[to] = r->indices[k].strides[from];
  r->repeats = (r->repeats & ~(1u << to)) | (repeats(*r, from) ? 1u << to : 0u);
}

// Dimensions a and a + 1 are one to all operands.
bool merges(const Region& r, int a) {
  const int64_t n = r.shape[a + 1];
  bool good = r.base_strides[a] == r.base_strides[a + 1] * n &&
              r.value_strides[a] == r.value_strides[a + 1] * n &&
              repeats(r, a) == repeats(r, a + 1);
  for (int k = 0; k < r.count; ++k)
    good = good && r.indices[k].strides[a] == r.indices[k].strides[a + 1] * n;
  return good;
}

}  // namespace

Region simplify(const Region& region) {
  Region r = region;
  int n = 0;
  for (int d = 0; d < region.ndim; ++d) {
    if (region.shape[d] == 1) continue;
    move_dimension(&r, n, d);
    if (n > 0 && merges(r, n - 1)) {
      const int64_t length = r.shape[n - 1] * r.shape[n];
      move_dimension(&r, n - 1, n);
      r.shape[n - 1] = length;
    } else {
      ++n;
    }
  }
  r.ndim = n;
  r.repeats &= (1u << n) - 1;
  return r;
}

int widen(Region* region) {
  Region& r = *region;
  const int64_t item = item_size_of(r.dtype);
  const int last = r.ndim - 1;
  if (last < 0 || r.base_strides[last] != item || r.value_strides[last] != item || repeats(r, last))
    return static_cast<int>(item);
  // What all addresses and lengths are multiples of.
  uint64_t bits = reinterpret_cast<uintptr_t>(r.base) | reinterpret_cast<uintptr_t>(r.values) |
                  static_cast<uint64_t>(r.shape[last] * item) | 16;
  for (int d = 0; d < last; ++d)
    bits |= static_cast<uint64_t>(r.base_strides[d]) | static_cast<uint64_t>(r.value_strides[d]);
  for (int k = 0; k < r.count; ++k) {
    if (r.indices[k].strides[last] != 0) return static_cast<int>(item);
    bits |= static_cast<uint64_t>(r.indices[k].step);
  }
  const int64_t wide = static_cast<int64_t>(bits & (~bits + 1));
  if (wide <= item) return static_cast<int>(item);
  r.shape[last] /= wide / item;
  r.base_strides[last] = r.value_strides[last] = wide;
  return static_cast<int>(wide);
}

namespace {

constexpr int kPerThread = 4;

template <class Item>
__global__ void __launch_bounds__(kThreads) move_kernel(const RegionWork work, bool store) {
  if (work.unless && *work.unless) return;
  const uint32_t first = blockIdx.x * (blockDim.x * kPerThread) + threadIdx.x;
  Item items[kPerThread];
  char* to[kPerThread];
#pragma unroll
  for (int u = 0; u < kPerThread; ++u) {
    const uint32_t i = first + u * blockDim.x;
    Place place;
    to[u] = nullptr;
    if (i >= work.size || !work.find(i, &place)) continue;
    const char* from = store ? place.value : place.base;
    to[u] = store ? place.base : place.value;
    items[u] = *reinterpret_cast<const Item*>(from);
  }
#pragma unroll
  for (int u = 0; u < kPerThread; ++u) {
    if (to[u]) *reinterpret_cast<Item*>(to[u]) = items[u];
  }
}

template <class Item>
Status launch_move(Stream* stream, const RegionWork& work, bool store) {
  // Small regions are spread over more blocks.
  const unsigned threads = work.size < 1u << 18 ? 64 : kThreads;
  return gpu::launch(stream, move_kernel<Item>, blocks_for(work.size, threads * kPerThread),
                     threads, 0, work, store);
}

}  // namespace

Status move_region(Stream* stream, const Region& region, int item, bool store, const int* unless,
                   int* failed) {
  if (positions_of(region) == 0) return kOk;
  return each_piece(region, [&](const Region& piece) -> Status {
    const RegionWork work(piece, unless, failed);
    switch (item) {
      case 1:
        return launch_move<uint8_t>(stream, work, store);
      case 2:
        return launch_move<uint16_t>(stream, work, store);
      case 4:
        return launch_move<uint32_t>(stream, work, store);
      case 8:
        return launch_move<uint64_t>(stream, work, store);
      default:
        return launch_move<uint4>(stream, work, store);
    }
  });
}

}  // namespace phintys::cuda::indexing

#ifdef PHINTYS_EMULATED
// For tests.
extern "C" __attribute__((visibility("default"))) void phintys_set_launch_limit(int64_t elements) {
  phintys::cuda::indexing::g_limit = elements;
}
#endif
