// Running sums, products and extrema. Sums are formed in an order that depends on the shape alone:
// a row is cut into pieces; the pieces' totals are joined in order, then each piece is run through
// again with what comes before it.
#include "order/order.h"

namespace phintys::cuda::order {
namespace {

using device::CumulateKind;

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / gpu::kWarp;
constexpr int kSteps = 8;                              // of a warp
constexpr int kStretch = kSteps * gpu::kWarp;          // elements of a warp
constexpr int64_t kTile = int64_t{kWarps} * kStretch;  // elements of a block
constexpr int64_t kChunk = 256;                        // elements of a column that a thread has
constexpr int64_t kMostColumns = int64_t{1} << 16;     // that are not cut: enough threads

// Pieces of a row. Tests should reach those of several tiles.
#ifdef PHINTYS_EMULATED
constexpr int64_t kMostPieces = 40;
#else
constexpr int64_t kMostPieces = 2048;
#endif

template <class T>
struct Complex {
  T re, im;
};

// ---- Joining ------------------------------------------------------------------------------------

// Integers are joined as 64-bit ones (unsigned ones with their upper bit inverted where order
// matters), floats as they are.
template <class V>
__device__ __forceinline__ V join(CumulateKind kind, V a, V b) {
  switch (kind) {
    case CumulateKind::sum:
      return a + b;
    case CumulateKind::prod:
      return a * b;
    case CumulateKind::max:  // NaN, once met, stays
      return a >= b || a != a ? a : b;
    default:
      return a <= b || a != a ? a : b;
  }
}
template <>
__device__ __forceinline__ int64_t join(CumulateKind kind, int64_t a, int64_t b) {
  switch (kind) {
    case CumulateKind::sum:
      return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
    case CumulateKind::prod:
      return static_cast<int64_t>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
    case CumulateKind::max:
      return a >= b ? a : b;
    default:
      return a <= b ? a : b;
  }
}
template <class T>
__device__ __forceinline__ Complex<T> join(CumulateKind kind, Complex<T> a, Complex<T> b) {
  if (kind == CumulateKind::sum) return {a.re + b.re, a.im + b.im};
  return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}

template <class V>
__device__ __forceinline__ V shuffle_up(V v, int by) {
  return __shfl_up_sync(gpu::kAllLanes, v, static_cast<unsigned>(by));
}
template <>
__device__ __forceinline__ int64_t shuffle_up(int64_t v, int by) {
  return static_cast<int64_t>(
      __shfl_up_sync(gpu::kAllLanes, static_cast<long long>(v), static_cast<unsigned>(by)));
}
template <class T>
__device__ __forceinline__ Complex<T> shuffle_up(Complex<T> v, int by) {
  return {shuffle_up(v.re, by), shuffle_up(v.im, by)};
}
template <class V>
__device__ __forceinline__ V last_lane(V v) {
  return __shfl_sync(gpu::kAllLanes, v, gpu::kWarp - 1);
}
template <>
__device__ __forceinline__ int64_t last_lane(int64_t v) {
  return static_cast<int64_t>(
      __shfl_sync(gpu::kAllLanes, static_cast<long long>(v), gpu::kWarp - 1));
}
template <class T>
__device__ __forceinline__ Complex<T> last_lane(Complex<T> v) {
  return {last_lane(v.re), last_lane(v.im)};
}

// ---- Elements -----------------------------------------------------------------------------------

struct Work {
  DType dtype;
  CumulateKind kind;
  bool reverse;
  int64_t outer, n, inner;
  const char* x;
  char* y;
  char* totals;    // of pieces: for each row (or column), piece after piece
  int64_t pieces;  // of a row or column
  int64_t piece;   // elements of a piece
};

template <class V>
__device__ __forceinline__ V load(const Work& w, int64_t i) {
  return reinterpret_cast<const V*>(w.x)[i];
}
template <>
__device__ __forceinline__ int64_t load(const Work& w, int64_t i) {
  switch (w.dtype) {
    case DType::i8:
      return reinterpret_cast<const int8_t*>(w.x)[i];
    case DType::i16:
      return reinterpret_cast<const int16_t*>(w.x)[i];
    case DType::i32:
      return reinterpret_cast<const int32_t*>(w.x)[i];
    case DType::u8:
      return reinterpret_cast<const uint8_t*>(w.x)[i];
    case DType::u16:
      return reinterpret_cast<const uint16_t*>(w.x)[i];
    case DType::u32:
      return reinterpret_cast<const uint32_t*>(w.x)[i];
    default: {
      const int64_t v = reinterpret_cast<const int64_t*>(w.x)[i];
      const bool ordered = w.kind == CumulateKind::max || w.kind == CumulateKind::min;
      return w.dtype == DType::u64 && ordered ? v ^ INT64_MIN : v;
    }
  }
}
template <class V>
__device__ __forceinline__ void store(const Work& w, int64_t i, V v) {
  reinterpret_cast<V*>(w.y)[i] = v;
}
template <>
__device__ __forceinline__ void store(const Work& w, int64_t i, int64_t v) {
  switch (w.dtype) {
    case DType::i8:
    case DType::u8:
      reinterpret_cast<uint8_t*>(w.y)[i] = static_cast<uint8_t>(v);
      return;
    case DType::i16:
    case DType::u16:
      reinterpret_cast<uint16_t*>(w.y)[i] = static_cast<uint16_t>(v);
      return;
    case DType::i32:
    case DType::u32:
      reinterpret_cast<uint32_t*>(w.y)[i] = static_cast<uint32_t>(v);
      return;
    default: {
      const bool ordered = w.kind == CumulateKind::max || w.kind == CumulateKind::min;
      reinterpret_cast<int64_t*>(w.y)[i] = w.dtype == DType::u64 && ordered ? v ^ INT64_MIN : v;
    }
  }
}

// ---- Rows ---------------------------------------------------------------------------------------

// All 32 elements of a warp, each joined with those before it. `count`: of lanes that have one.
template <class V>
__device__ __forceinline__ V scan_warp(CumulateKind kind, V v, int lane) {
#pragma unroll
  for (int by = 1; by < gpu::kWarp; by *= 2) {
    const V before = shuffle_up(v, by);
    if (lane >= by) v = join(kind, before, v);
  }
  return v;
}

// Elements `first` on of a row, kSteps from warp to warp: each joined with those of the stretch
// before it. What is behind `n` repeats the last one; nobody looks at it.
template <class V>
__device__ __forceinline__ void scan_stretch(const Work& w, int64_t row, int64_t first, int lane,
                                             V (&value)[kSteps]) {
#pragma unroll
  for (int k = 0; k < kSteps; ++k) {
    int64_t i = first + k * gpu::kWarp + lane;
    i = i < w.n ? i : w.n - 1;
    value[k] = load<V>(w, row * w.n + (w.reverse ? w.n - 1 - i : i));
  }
#pragma unroll
  for (int k = 0; k < kSteps; ++k) {
    value[k] = scan_warp(w.kind, value[k], lane);
    if (k > 0) value[k] = join(w.kind, last_lane(value[k - 1]), value[k]);
  }
}

template <class V>
__device__ __forceinline__ void store_stretch(const Work& w, int64_t row, int64_t first, int lane,
                                              const V (&value)[kSteps]) {
#pragma unroll
  for (int k = 0; k < kSteps; ++k) {
    const int64_t i = first + k * gpu::kWarp + lane;
    if (i < w.n) store<V>(w, row * w.n + (w.reverse ? w.n - 1 - i : i), value[k]);
  }
}

// Rows of up to kStretch elements: a warp for each.
template <class V>
__global__ void __launch_bounds__(kThreads) short_rows_kernel(Work w) {
  const int lane = static_cast<int>(threadIdx.x) % gpu::kWarp;
  const int64_t row =
      static_cast<int64_t>(blockIdx.x) * kWarps + static_cast<int>(threadIdx.x) / gpu::kWarp;
  if (row >= w.outer) return;  // the whole warp
  V value[kSteps];
  scan_stretch<V>(w, row, 0, lane, value);
  store_stretch<V>(w, row, 0, lane, value);
}

// Piece blockIdx.x % pieces of row blockIdx.x / pieces, tile by tile: its total alone (kStore
// false), or its elements joined with what the pieces before it have.
template <class V, bool kStore>
__global__ void __launch_bounds__(kThreads) piece_kernel(Work w) {
  __shared__ V last[kWarps];
  const int lane = static_cast<int>(threadIdx.x) % gpu::kWarp;
  const int warp = static_cast<int>(threadIdx.x) / gpu::kWarp;
  const int64_t row = blockIdx.x / w.pieces, piece = blockIdx.x - row * w.pieces;
  const int64_t begin = piece * w.piece;
  const int64_t end = begin + w.piece < w.n ? begin + w.piece : w.n;
  bool some = kStore && piece > 0;
  V before{};  // the tile, if there is anything
  if (some) before = reinterpret_cast<const V*>(w.totals)[blockIdx.x - 1];
  for (int64_t tile = begin; tile < end; tile += kTile) {
    const int64_t first = tile + warp * kStretch;
    V value[kSteps];
    scan_stretch<V>(w, row, first, lane, value);
    if (lane == gpu::kWarp - 1) last[warp] = value[kSteps - 1];
    __syncthreads();
    V base = before;  // of this warp
    bool some_base = some;
#pragma unroll
    for (int k = 0; k < kWarps; ++k) {
      if (k == warp) {
        base = before;
        some_base = some;
      }
      before = some ? join(w.kind, before, last[k]) : last[k];
      some = true;
    }
    if constexpr (kStore) {
      if (some_base) {
#pragma unroll
        for (int k = 0; k < kSteps; ++k) value[k] = join(w.kind, base, value[k]);
      }
      store_stretch<V>(w, row, first, lane, value);
    }
    __syncthreads();
  }
  // Of the last piece, which may end within a tile, nobody asks.
  if (!kStore && threadIdx.x == 0) reinterpret_cast<V*>(w.totals)[blockIdx.x] = before;
}

// The totals of a row's (or column's) pieces, joined in order: one thread for each row, or a warp.
template <class V>
__global__ void __launch_bounds__(kThreads) join_totals_kernel(Work w, int64_t rows) {
  const int lane = static_cast<int>(threadIdx.x) % gpu::kWarp;
  const int64_t row =
      static_cast<int64_t>(blockIdx.x) * kWarps + static_cast<int>(threadIdx.x) / gpu::kWarp;
  if (row >= rows) return;  // the whole warp
  V* const totals = reinterpret_cast<V*>(w.totals) + row * w.pieces;
  const int64_t m = w.pieces - 1;  // nobody asks for the last
  V base = totals[0];
  for (int64_t i = 0; i < m; i += gpu::kWarp) {
    const int64_t at = i + lane < m ? i + lane : m - 1;
    V v = scan_warp(w.kind, totals[at], lane);
    if (i > 0) v = join(w.kind, base, v);
    base = last_lane(v);
    if (i + lane < m) totals[i + lane] = v;
  }
}

// ---- Columns ------------------------------------------------------------------------------------

// Piece blockIdx.y of a column, by one thread. kStore as above.
template <class V, bool kStore>
__global__ void __launch_bounds__(kThreads) columns_kernel(Work w) {
  const int64_t column = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (column >= w.outer * w.inner) return;
  const int64_t o = column / w.inner;
  const int64_t base = o * w.n * w.inner + (column - o * w.inner);
  const int64_t begin = blockIdx.y * w.piece;
  const int64_t end = begin + w.piece < w.n ? begin + w.piece : w.n;
  V* const total = reinterpret_cast<V*>(w.totals) + column * w.pieces + blockIdx.y;
  V all{};
  bool some = kStore && blockIdx.y > 0;
  if (some) all = total[-1];
#pragma unroll 4
  for (int64_t i = begin; i < end; ++i) {
    const int64_t at = base + (w.reverse ? w.n - 1 - i : i) * w.inner;
    const V v = load<V>(w, at);
    all = some ? join(w.kind, all, v) : v;
    some = true;
    if constexpr (kStore) store<V>(w, at, all);
  }
  if constexpr (!kStore) *total = all;
}

// ---- Launching ----------------------------------------------------------------------------------

Work work_for(const device::CumulateWork& work) {
  Work w{work.dtype,
         work.kind,
         work.reverse,
         work.outer,
         work.n,
         work.inner,
         static_cast<const char*>(work.x),
         static_cast<char*>(work.y),
         static_cast<char*>(work.scratch),
         1,
         work.n};
  if (work.inner == 1) {
    const int64_t tiles = (work.n + kTile - 1) / kTile;
    w.piece = kTile * ((tiles + kMostPieces - 1) / kMostPieces);
    w.pieces = work.n <= kStretch ? 1 : (work.n + w.piece - 1) / w.piece;
  } else if (work.outer * work.inner < kMostColumns && work.n >= 2 * kChunk) {
    const int64_t least = (work.n + kMostPieces - 1) / kMostPieces;
    w.piece = least < kChunk ? kChunk : least;
    w.pieces = (work.n + w.piece - 1) / w.piece;
  }
  return w;
}

template <class V>
Status join_totals(Stream* stream, const Work& w, int64_t rows) {
  const int64_t blocks = (rows + kWarps - 1) / kWarps;
  return gpu::launch(stream, join_totals_kernel<V>, dim3(static_cast<unsigned>(blocks)),
                     dim3(kThreads), 0, w, rows);
}

template <class V>
Status cumulate_rows(Stream* stream, const Work& w) {
  if (w.n <= kStretch) {
    const int64_t blocks = (w.outer + kWarps - 1) / kWarps;
    if (blocks > gpu::kMaxGridX) return kUnsupported;
    return gpu::launch(stream, short_rows_kernel<V>, dim3(static_cast<unsigned>(blocks)),
                       dim3(kThreads), 0, w);
  }
  if (w.outer * w.pieces > gpu::kMaxGridX) return kUnsupported;
  const dim3 grid(static_cast<unsigned>(w.outer * w.pieces));
  if (w.pieces > 1) {
    Status status = gpu::launch(stream, piece_kernel<V, false>, grid, dim3(kThreads), 0, w);
    if (status == kOk) status = join_totals<V>(stream, w, w.outer);
    if (status != kOk) return status;
  }
  return gpu::launch(stream, piece_kernel<V, true>, grid, dim3(kThreads), 0, w);
}

template <class V>
Status cumulate_columns(Stream* stream, const Work& w) {
  const int64_t columns = w.outer * w.inner, blocks = (columns + kThreads - 1) / kThreads;
  if (blocks > gpu::kMaxGridX) return kUnsupported;
  const dim3 grid(static_cast<unsigned>(blocks), static_cast<unsigned>(w.pieces));
  if (w.pieces > 1) {
    Status status = gpu::launch(stream, columns_kernel<V, false>, grid, dim3(kThreads), 0, w);
    if (status == kOk) status = join_totals<V>(stream, w, columns);
    if (status != kOk) return status;
  }
  return gpu::launch(stream, columns_kernel<V, true>, grid, dim3(kThreads), 0, w);
}

template <class V>
Status cumulate_as(Stream* stream, const Work& w) {
  return w.inner == 1 ? cumulate_rows<V>(stream, w) : cumulate_columns<V>(stream, w);
}

}  // namespace

size_t cumulate_scratch(const device::CumulateWork& work) {
  const Work w = work_for(work);
  return w.pieces > 1 ? static_cast<size_t>(work.outer * work.inner * w.pieces) * 16 : 0;
}

Status cumulate(Stream* stream, const device::CumulateWork& work) {
  if (work.outer * work.n * work.inner == 0) return kOk;
  const Work w = work_for(work);
  switch (work.dtype) {
    case DType::b8:
    case DType::f16:
      return kUnsupported;
    case DType::f32:
      return cumulate_as<float>(stream, w);
    case DType::f64:
      return cumulate_as<double>(stream, w);
    case DType::c64:
      return cumulate_as<Complex<float>>(stream, w);
    case DType::c128:
      return cumulate_as<Complex<double>>(stream, w);
    default:
      return cumulate_as<int64_t>(stream, w);
  }
}

}  // namespace phintys::cuda::order
