// Positions of extrema, and copies of views.
#include "order/keys.h"
#include "rows/lanes.h"
#include "rows/rows.h"
#include "rows/values.h"

namespace phintys::cuda::rows {
namespace {

constexpr int kThreads = 256;

// ---- Where elements lie -------------------------------------------------------------------------

// Some dimensions of a view.
struct Walk {
  int32_t ndim = 0;
  int64_t size = 1;
  int64_t shape[device::kMaxRank], strides[device::kMaxRank];
  Walk(const device::Tensor& x, int begin, int end) {
    for (int d = begin; d < end; ++d) {
      size *= x.shape[d];
      if (x.shape[d] == 1) continue;
      if (ndim > 0 && strides[ndim - 1] == x.strides[d] * x.shape[d]) {
        shape[ndim - 1] *= x.shape[d];
        strides[ndim - 1] = x.strides[d];
        continue;
      }
      shape[ndim] = x.shape[d];
      strides[ndim++] = x.strides[d];
    }
  }
  // Bytes from the first element to element i in C order.
  template <class Index>
  __device__ __forceinline__ int64_t offset(Index i) const {
    int64_t at = 0;
    for (int d = ndim - 1; d > 0; --d) {
      const Index n = static_cast<Index>(shape[d]), up = i / n;
      at += static_cast<int64_t>(i - up * n) * strides[d];
      i = up;
    }
    return ndim > 0 ? at + static_cast<int64_t>(i) * strides[0] : 0;
  }
  // Bytes between the first two elements along the last dimension.
  int64_t step() const { return ndim > 0 ? strides[ndim - 1] : 0; }
};

struct Bits128 {
  uint64_t low, high;
};

template <class T, class Index>
__global__ void __launch_bounds__(kThreads) pack_kernel(const char* from, Walk walk, T* to) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= walk.size) return;
  to[i] = *reinterpret_cast<const T*>(from + walk.offset(static_cast<Index>(i)));
}

template <class T>
Status pack_of(Stream* stream, const char* from, const Walk& walk, void* to) {
  const int64_t blocks = (walk.size + kThreads - 1) / kThreads;
  if (blocks > gpu::kMaxGridX) return kUnsupported;
  return gpu::launch(
      stream, walk.size <= INT32_MAX ? pack_kernel<T, uint32_t> : pack_kernel<T, uint64_t>,
      dim3(static_cast<unsigned>(blocks)), dim3(kThreads), 0, from, walk, static_cast<T*>(to));
}

// ---- Extrema ------------------------------------------------------------------------------------

// The best key so far and the place of its element. No place: nothing yet.
template <class Key>
struct Best {
  Key key;
  int64_t at;
};
constexpr int64_t kNowhere = INT64_MAX;

template <class Key>
__device__ __forceinline__ Best<Key> better(Best<Key> a, Best<Key> b) {
  if (a.at == kNowhere) return b;
  if (b.at == kNowhere) return a;
  const bool second = b.key > a.key || (b.key == a.key && b.at < a.at);
  return second ? b : a;
}

// NaN has the greatest key either way.
template <class Key>
__device__ __forceinline__ Key key_of(const char* p, DType dtype, bool is_max) {
  const Key key = load_key<Key>(p, dtype, false);
  const bool is_float = dtype == DType::f16 || dtype == DType::f32 || dtype == DType::f64;
  if (is_max || (is_float && key == kGreatestKey<Key>)) return key;
  return static_cast<Key>(~key);
}

struct ArgWork {
  const char* x;
  DType dtype;
  bool is_max;
  Walk kept, searched;
  int64_t part;   // searched elements that a part has
  int64_t parts;  // for each result
  int64_t* out;
  char* scratch;  // if there are several parts: the parts' best, part after part
};

template <class Key>
__device__ __forceinline__ void keep_best(const ArgWork& w, int64_t result, int64_t part,
                                          Best<Key> best) {
  if (w.parts == 1) {
    w.out[result] = best.at;
  } else {
    reinterpret_cast<Best<Key>*>(w.scratch)[part * w.kept.size + result] = best;
  }
}

// The best of elements [begin, end) that step `by` apart.
template <class Key>
__device__ __forceinline__ Best<Key> look(const ArgWork& w, const char* base, int64_t begin,
                                          int64_t end, int by) {
  Best<Key> best = {0, kNowhere};
  if (w.searched.ndim <= 1) {
    const char* p = base + (w.searched.ndim ? begin * w.searched.strides[0] : 0);
    const int64_t step = w.searched.ndim ? by * w.searched.strides[0] : 0;
#pragma unroll 4
    for (int64_t i = begin; i < end; i += by, p += step) {
      const Key key = key_of<Key>(p, w.dtype, w.is_max);
      if (best.at == kNowhere || key > best.key) best = {key, i};
    }
    return best;
  }
  for (int64_t i = begin; i < end; i += by) {
    const Key key = key_of<Key>(base + w.searched.offset(i), w.dtype, w.is_max);
    if (best.at == kNowhere || key > best.key) best = {key, i};
  }
  return best;
}

template <class Key>
__device__ __forceinline__ Best<Key> shuffle_best(Best<Key> best, int by) {
  return {
      static_cast<Key>(
          __shfl_xor_sync(gpu::kAllLanes, static_cast<unsigned long long>(best.key), by)),
      static_cast<int64_t>(__shfl_xor_sync(gpu::kAllLanes, static_cast<long long>(best.at), by))};
}

// Some lanes of a block for each result (rows.row), which lies on blockIdx.x; parts on blockIdx.y.
template <class Key>
__global__ void __launch_bounds__(kThreads) arg_rows_kernel(ArgWork w, int lanes) {
  __shared__ Best<Key> shared[gpu::kWarp];
  const RowOfLane at(lanes, w.kept.size);
  const int64_t first = blockIdx.y * w.part;
  const int64_t end = first + w.part < w.searched.size ? first + w.part : w.searched.size;
  Best<Key> best = look<Key>(w, w.x + w.kept.offset(at.row), first + at.lane, end, lanes);
  const int width = lanes < gpu::kWarp ? lanes : gpu::kWarp;
  for (int by = width / 2; by > 0; by /= 2) best = better(best, shuffle_best(best, by));
  if (lanes > gpu::kWarp) {
    const int warps = lanes / gpu::kWarp;
    if (threadIdx.x % gpu::kWarp == 0) shared[threadIdx.x / gpu::kWarp] = best;
    __syncthreads();
    if (threadIdx.x == 0) {
      for (int k = 1; k < warps; ++k) best = better(best, shared[k]);
    }
  }
  if (at.there && at.lane == 0) keep_best(w, at.row, blockIdx.y, best);
}

// A thread for each result: memory runs across them.
template <class Key>
__global__ void __launch_bounds__(kThreads) arg_columns_kernel(ArgWork w) {
  const int64_t result = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (result >= w.kept.size) return;
  const int64_t first = blockIdx.y * w.part;
  const int64_t end = first + w.part < w.searched.size ? first + w.part : w.searched.size;
  keep_best(w, result, blockIdx.y, look<Key>(w, w.x + w.kept.offset(result), first, end, 1));
}

// A warp for each result.
template <class Key>
__global__ void __launch_bounds__(kThreads) arg_join_kernel(ArgWork w) {
  const RowOfLane at(gpu::kWarp, w.kept.size);
  const Best<Key>* const all = reinterpret_cast<const Best<Key>*>(w.scratch);
  Best<Key> best = {0, kNowhere};
#pragma unroll 4
  for (int64_t k = at.lane; k < w.parts; k += gpu::kWarp) {
    best = better(best, all[k * w.kept.size + at.row]);
  }
  for (int by = gpu::kWarp / 2; by > 0; by /= 2) best = better(best, shuffle_best(best, by));
  if (at.there && at.lane == 0) w.out[at.row] = best.at;
}

bool runs_across(const ArgWork& w) {
  const int64_t kept = w.kept.step(), searched = w.searched.step();
  return w.kept.size >= 32 && w.searched.ndim > 0 &&
         (kept < 0 ? -kept : kept) < (searched < 0 ? -searched : searched);
}

ArgWork arg_work(const device::ArgExtremum& work) {
  ArgWork w{work.x.data,
            work.x.dtype,
            work.is_max,
            Walk(work.x, 0, work.kept),
            Walk(work.x, work.kept, work.x.ndim),
            0,
            1,
            work.out,
            static_cast<char*>(work.scratch)};
  constexpr int64_t kMostParts = 1024, kWanted = 1 << 18;  // threads that keep a device busy
  const int64_t n = w.searched.size, results = w.kept.size < 1 ? 1 : w.kept.size;
  // Elements of a part, at least.
  const int64_t least = runs_across(w) ? 64 : 16384;
  const int64_t wanted = runs_across(w) ? kWanted / results : kWanted / kThreads / results;
  int64_t parts = n / least < wanted ? n / least : wanted;
  parts = parts < 1 ? 1 : parts > kMostParts ? kMostParts : parts;
  w.part = (n + parts - 1) / parts;
  if (w.part < 1) w.part = 1;
  w.parts = (n + w.part - 1) / w.part;
  if (w.parts < 1) w.parts = 1;
  return w;
}

template <class Key>
Status arg_extremum_of(Stream* stream, const ArgWork& w) {
  const int64_t blocks = (w.kept.size + kThreads - 1) / kThreads;
  if (blocks > gpu::kMaxGridX) return kUnsupported;
  const unsigned parts = static_cast<unsigned>(w.parts);
  Status status;
  if (runs_across(w)) {
    const dim3 grid(static_cast<unsigned>(blocks), parts);
    status = gpu::launch(stream, arg_columns_kernel<Key>, grid, dim3(kThreads), 0, w);
  } else {
    int lanes = 1;
    while (lanes < kThreads && int64_t{lanes} * 4 < w.part) lanes *= 2;
    const int64_t per_block = kThreads / lanes;
    const int64_t high = (w.kept.size + per_block - 1) / per_block;
    if (high > gpu::kMaxGridX) return kUnsupported;
    const dim3 grid(static_cast<unsigned>(high), parts);
    status = gpu::launch(stream, arg_rows_kernel<Key>, grid, dim3(kThreads), 0, w, lanes);
  }
  if (status != kOk || w.parts == 1) return status;
  const int64_t joins = (w.kept.size * gpu::kWarp + kThreads - 1) / kThreads;
  if (joins > gpu::kMaxGridX) return kUnsupported;
  return gpu::launch(stream, arg_join_kernel<Key>, dim3(static_cast<unsigned>(joins)),
                     dim3(kThreads), 0, w);
}

}  // namespace

Status pack(Stream* stream, const device::Tensor& from, void* to) {
  const Walk walk(from, 0, from.ndim);
  if (walk.size == 0) return kOk;
  switch (item_size_of(from.dtype)) {
    case 1:
      return pack_of<uint8_t>(stream, from.data, walk, to);
    case 2:
      return pack_of<uint16_t>(stream, from.data, walk, to);
    case 4:
      return pack_of<uint32_t>(stream, from.data, walk, to);
    case 8:
      return pack_of<uint64_t>(stream, from.data, walk, to);
    default:
      return pack_of<Bits128>(stream, from.data, walk, to);
  }
}

size_t arg_extremum_scratch(const device::ArgExtremum& work) {
  const ArgWork w = arg_work(work);
  if (w.parts == 1) return 0;
  return static_cast<size_t>(w.parts * w.kept.size) * sizeof(Best<uint64_t>);
}

Status arg_extremum(Stream* stream, const device::ArgExtremum& work) {
  if (work.x.dtype == DType::c64 || work.x.dtype == DType::c128) return kUnsupported;
  const ArgWork w = arg_work(work);
  if (w.kept.size == 0) return kOk;
  if (item_size_of(work.x.dtype) <= 4) return arg_extremum_of<uint32_t>(stream, w);
  return arg_extremum_of<uint64_t>(stream, w);
}

}  // namespace phintys::cuda::rows
