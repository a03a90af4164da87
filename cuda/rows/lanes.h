// A row in the registers of some lanes of a block: loading, storing, joining.
//
// `lanes` is a power of two. Up to 32 of them are neighbours in a warp, and a block has several
// rows; more are all threads of a block. Lane l holds elements (j * lanes + l) * kWide + k of its
// row as value j * kWide + k, whether they are loaded 16 bytes at a time or one by one: sums do not
// depend on where memory is aligned.
#pragma once

#include "gpu.h"

namespace phintys::cuda {

inline constexpr int kMostLanes = 512;  // of a row: there are registers for what it holds

// Blocks of kMostLanes that a multiprocessor should hold, which limits registers.
template <class T, bool kAligned>
inline constexpr int kBlocks = sizeof(T) < 8 && kAligned ? 2 : 1;

// Elements of an array and what is computed with them.
template <class T>
struct Element {
  using Value = T;
  static __device__ __forceinline__ T load(T x) { return x; }
  static __device__ __forceinline__ T store(T x) { return x; }
};
struct HalfBits {
  uint16_t bits;
};
template <>
struct Element<HalfBits> {
  using Value = float;
  static __device__ __forceinline__ float load(HalfBits x) { return gpu::half_to_float(x.bits); }
  static __device__ __forceinline__ HalfBits store(float x) { return {gpu::float_to_half(x)}; }
};
template <class T>
using value_of = typename Element<T>::Value;

template <class T>
inline constexpr int kWide = 16 / static_cast<int>(sizeof(T));

template <class T>
struct alignas(16) Wide {
  T at[kWide<T>];
};

// True iff rows of `cols` elements can be read 16 bytes at a time.
template <class T>
inline bool wide_rows(int64_t cols) {
  return cols % kWide<T> == 0;
}
template <class T, class... P>
inline bool wide_rows(int64_t cols, const void* p, P... more) {
  return reinterpret_cast<uintptr_t>(p) % 16 == 0 && wide_rows<T>(cols, more...);
}

// f(i, there) for the values that lanes of the row hold, and whether this lane has it. With
// kAligned rows are whole 16 bytes.
template <class T, int kVectors, bool kAligned, class F>
__device__ __forceinline__ void for_held(int cols, int lanes, int lane, F f) {
#pragma unroll
  for (int j = 0; j < kVectors; ++j) {
    if (j * lanes * kWide<T> >= cols) break;  // all lanes
    const int at = (j * lanes + lane) * kWide<T>;
#pragma unroll
    for (int k = 0; k < kWide<T>; ++k) f(j * kWide<T> + k, kAligned ? at < cols : at + k < cols);
  }
}

// The elements of `row` that the lane holds; `fill` where there are none. All loads are under way
// before the first is looked at.
template <class T, int kVectors, bool kAligned>
__device__ __forceinline__ void load_held(const T* row, int cols, int lanes, int lane,
                                          value_of<T> fill,
                                          value_of<T> (&value)[kVectors * kWide<T>]) {
  Wide<T> some[kVectors];
  const T none = Element<T>::store(fill);
#pragma unroll
  for (int j = 0; j < kVectors; ++j) {
    const int at = (j * lanes + lane) * kWide<T>;
#pragma unroll
    for (int k = 0; k < kWide<T>; ++k) some[j].at[k] = none;
    if constexpr (kAligned) {
      if (at < cols) some[j] = *reinterpret_cast<const Wide<T>*>(row + at);
    } else {
#pragma unroll
      for (int k = 0; k < kWide<T>; ++k) {
        if (at + k < cols) some[j].at[k] = row[at + k];
      }
    }
  }
#pragma unroll
  for (int j = 0; j < kVectors; ++j) {
#pragma unroll
    for (int k = 0; k < kWide<T>; ++k) {
      value[j * kWide<T> + k] = Element<T>::load(some[j].at[k]);
    }
  }
}

template <class T, int kVectors, bool kAligned>
__device__ __forceinline__ void store_held(T* row, int cols, int lanes, int lane,
                                           const value_of<T> (&value)[kVectors * kWide<T>]) {
#pragma unroll
  for (int j = 0; j < kVectors; ++j) {
    const int at = (j * lanes + lane) * kWide<T>;
    if constexpr (kAligned) {
      Wide<T> some;
#pragma unroll
      for (int k = 0; k < kWide<T>; ++k) some.at[k] = Element<T>::store(value[j * kWide<T> + k]);
      if (at < cols) *reinterpret_cast<Wide<T>*>(row + at) = some;
    } else {
#pragma unroll
      for (int k = 0; k < kWide<T>; ++k) {
        if (at + k < cols) row[at + k] = Element<T>::store(value[j * kWide<T> + k]);
      }
    }
  }
}

// The next elements of a long row, `left` of them at the most.
template <class T>
__device__ __forceinline__ void load_some(const T* at, int64_t left, bool wide, value_of<T> fill,
                                          value_of<T> (&value)[kWide<T>]) {
  const int n = left < kWide<T> ? static_cast<int>(left) : kWide<T>;
  if (wide) {
    load_held<T, 1, true>(at, n, 1, 0, fill, value);
  } else {
    load_held<T, 1, false>(at, n, 1, 0, fill, value);
  }
}
template <class T>
__device__ __forceinline__ void store_some(T* at, int64_t left, bool wide,
                                           const value_of<T> (&value)[kWide<T>]) {
  const int n = left < kWide<T> ? static_cast<int>(left) : kWide<T>;
  if (wide) {
    store_held<T, 1, true>(at, n, 1, 0, value);
  } else {
    store_held<T, 1, false>(at, n, 1, 0, value);
  }
}

// The values of all lanes joined in a tree, for every lane. `shared`: room for 32, not used again
// without a barrier between.
template <class V, class F>
__device__ __forceinline__ V join_lanes(V v, int lanes, V* shared, F join) {
  const int width = lanes < gpu::kWarp ? lanes : gpu::kWarp;
  for (int by = width / 2; by > 0; by /= 2) v = join(v, __shfl_xor_sync(gpu::kAllLanes, v, by));
  if (lanes <= gpu::kWarp) return v;
  const int warps = lanes / gpu::kWarp;
  const int lane = static_cast<int>(threadIdx.x) % gpu::kWarp;
  if (lane == 0) shared[threadIdx.x / gpu::kWarp] = v;
  __syncthreads();
  v = shared[lane & (warps - 1)];
  for (int by = warps / 2; by > 0; by /= 2) v = join(v, __shfl_xor_sync(gpu::kAllLanes, v, by));
  return v;
}
template <class V>
__device__ __forceinline__ V sum_lanes(V v, int lanes, V* shared) {
  return join_lanes(v, lanes, shared, [](V a, V b) { return a + b; });
}

// Which lane of which row a thread is. Threads beyond the last row go along with it.
struct RowOfLane {
  int64_t row;
  int lane;
  bool there;
  __device__ __forceinline__ RowOfLane(int lanes, int64_t rows) {
    const int per_block = static_cast<int>(blockDim.x) / lanes;
    row = static_cast<int64_t>(blockIdx.x) * per_block + static_cast<int>(threadIdx.x) / lanes;
    lane = static_cast<int>(threadIdx.x) & (lanes - 1);
    there = row < rows;
    if (!there) row = rows - 1;
  }
};

// How rows are given to lanes: `values` of a row to each, as far as lanes go.
struct RowLaunch {
  int lanes = 1;
  dim3 grid, block;
  bool fits = true;  // the grid
  RowLaunch(int64_t rows, int64_t cols, int values) {
    constexpr int kThreads = 128;
    while (lanes < kMostLanes && static_cast<int64_t>(lanes) * values < cols) lanes *= 2;
    const int threads = lanes > gpu::kWarp ? lanes : kThreads;
    const int64_t per_block = threads / lanes;
    const int64_t blocks = (rows + per_block - 1) / per_block;
    fits = blocks <= gpu::kMaxGridX;
    grid = dim3(static_cast<unsigned>(blocks));
    block = dim3(static_cast<unsigned>(threads));
  }
};

// The kernels for rows that few or many vectors of some lanes hold, each for rows of any length
// [0] and for whole 16 bytes [1], and the one for longer rows, which takes a block for each.
template <class W>
struct RowKernelSet {
  void (*few[2])(W, int);
  void (*many[2])(W, int);
  void (*longer)(W, bool);
  int most_of_few, values_of_few, values_of_many;  // columns; elements of a lane
};

template <class W>
Status launch_rows(Stream* stream, const RowKernelSet<W>& kernels, const W& work, bool aligned) {
  const bool few = work.cols <= kernels.most_of_few;
  const int values = few ? kernels.values_of_few : kernels.values_of_many;
  const RowLaunch l(work.rows, work.cols, values);
  if (!l.fits) return kUnsupported;
  if (work.cols > int64_t{l.lanes} * values) {
    return gpu::launch(stream, kernels.longer, l.grid, l.block, 0, work, aligned);
  }
  return gpu::launch(stream, (few ? kernels.few : kernels.many)[aligned], l.grid, l.block, 0, work,
                     l.lanes);
}

}  // namespace phintys::cuda
