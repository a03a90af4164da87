// Sorting of numbers with their places, stably. CUB does it on a GPU; the emulation has the
// standard library's.
#pragma once

#include "gpu.h"

#ifdef PHINTYS_EMULATED
#define PHINTYS_HAS_CUB 1
#include <algorithm>
#include <vector>
#elif __has_include(<cub/device/device_radix_sort.cuh>)
#define PHINTYS_HAS_CUB 1
#include <cub/device/device_radix_sort.cuh>
#else
#define PHINTYS_HAS_CUB 0
#endif

namespace phintys::cuda {

inline constexpr bool kHasSort = PHINTYS_HAS_CUB != 0;

// What is sorted, in either of two places.
template <class Key>
struct SortBuffers {
  Key* keys[2];
  uint32_t* places[2];
  int now = 0;
};

#ifdef PHINTYS_EMULATED

template <class Key>
__global__ void stable_sort_kernel(SortBuffers<Key> from, Key mask, int64_t n) {
  struct Pair {
    Key key;
    uint32_t place;
  };
  std::vector<Pair> pairs(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i)
    pairs[static_cast<size_t>(i)] = {from.keys[0][i], from.places[0][i]};
  std::stable_sort(pairs.begin(), pairs.end(), [mask](const Pair& a, const Pair& b) {
    return (a.key & mask) < (b.key & mask);
  });
  for (int64_t i = 0; i < n; ++i) {
    from.keys[1][i] = pairs[static_cast<size_t>(i)].key;
    from.places[1][i] = pairs[static_cast<size_t>(i)].place;
  }
}

template <class Key>
__global__ void sort_keys_kernel(const Key* from, Key* to, int64_t n) {
  for (int64_t i = 0; i < n; ++i) to[i] = from[i];
  std::sort(to, to + n);
}

template <class Key>
size_t sort_bytes(Stream*, int64_t) {
  return 1;
}
template <class Key>
Status sort_keys(Stream* stream, void*, size_t, SortBuffers<Key>* buffers, int64_t n, int) {
  const SortBuffers<Key>& b = *buffers;
  const Status status = gpu::launch(stream, sort_keys_kernel<Key>, dim3(1), dim3(1), 0,
                                    b.keys[b.now], b.keys[1 - b.now], n);
  buffers->now = 1 - b.now;
  return status;
}
template <class Key>
Status sort_places(Stream* stream, void*, size_t, SortBuffers<Key>* buffers, int64_t n, int bits) {
  const SortBuffers<Key>& b = *buffers;
  const SortBuffers<Key> from{{b.keys[b.now], b.keys[1 - b.now]},
                              {b.places[b.now], b.places[1 - b.now]}};
  const Key mask = static_cast<Key>(~Key{0} >> (static_cast<int>(8 * sizeof(Key)) - bits));
  buffers->now = 1 - b.now;
  return gpu::launch(stream, stable_sort_kernel<Key>, dim3(1), dim3(1), 0, from, mask, n);
}

#elif PHINTYS_HAS_CUB

// Bytes of memory that sort_places() and sort_keys() need for n pairs or keys.
template <class Key>
size_t sort_bytes(Stream* stream, int64_t n) {
  const gpu::Current current(stream->device);
  cub::DoubleBuffer<Key> keys(nullptr, nullptr);
  cub::DoubleBuffer<uint32_t> places(nullptr, nullptr);
  size_t bytes = 0;
  cub::DeviceRadixSort::SortPairs(nullptr, bytes, keys, places, static_cast<int>(n), 0,
                                  static_cast<int>(8 * sizeof(Key)), stream->handle);
  size_t alone = 0;
  cub::DeviceRadixSort::SortKeys(nullptr, alone, keys, static_cast<int>(n), 0,
                                 static_cast<int>(8 * sizeof(Key)), stream->handle);
  return alone > bytes ? alone : bytes;
}
// Sorts keys, of which only the lower `bits` bits are not 0.
template <class Key>
Status sort_keys(Stream* stream, void* memory, size_t bytes, SortBuffers<Key>* buffers, int64_t n,
                 int bits) {
  const gpu::Current current(stream->device);
  SortBuffers<Key>& b = *buffers;
  cub::DoubleBuffer<Key> keys(b.keys[b.now], b.keys[1 - b.now]);
  const cudaError_t error = cub::DeviceRadixSort::SortKeys(memory, bytes, keys, static_cast<int>(n),
                                                           0, bits, stream->handle);
  if (keys.selector) b.now = 1 - b.now;
  return gpu::status(error);
}
// Sorts by the lower `bits` bits of the keys.
template <class Key>
Status sort_places(Stream* stream, void* memory, size_t bytes, SortBuffers<Key>* buffers, int64_t n,
                   int bits) {
  const gpu::Current current(stream->device);
  SortBuffers<Key>& b = *buffers;
  cub::DoubleBuffer<Key> keys(b.keys[b.now], b.keys[1 - b.now]);
  cub::DoubleBuffer<uint32_t> places(b.places[b.now], b.places[1 - b.now]);
  const cudaError_t error = cub::DeviceRadixSort::SortPairs(
      memory, bytes, keys, places, static_cast<int>(n), 0, bits, stream->handle);
  // Both come out on the same side: a pass moves keys and places together.
  if (keys.selector) b.now = 1 - b.now;
  return gpu::status(error);
}

#else

template <class Key>
size_t sort_bytes(Stream*, int64_t) {
  return 0;
}
template <class Key>
Status sort_keys(Stream*, void*, size_t, SortBuffers<Key>*, int64_t, int) {
  return kUnsupported;
}
template <class Key>
Status sort_places(Stream*, void*, size_t, SortBuffers<Key>*, int64_t, int) {
  return kUnsupported;
}

#endif

}  // namespace phintys::cuda
