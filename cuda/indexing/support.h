// What the kernels of this area share: types of elements, fast divisions, scalars of any dtype.
#pragma once

#include "device/indexing.h"
#include "dtypes.h"
#include "gpu.h"

namespace phintys::cuda::indexing {

using device::Index;
using device::IndexKind;
using device::kMaxRank;
using device::Region;
using device::Tensor;

inline constexpr int kThreads = 256;

// Elements that one launch may have: kernels count in 32 bits, what is larger is cut. Tests of the
// cutting lower it.
int64_t launch_limit();

inline bool is_complex(DType dtype) { return dtype == DType::c64 || dtype == DType::c128; }

inline int64_t size_of(const Tensor& t) {
  int64_t n = 1;
  for (int d = 0; d < t.ndim; ++d) n *= t.shape[d];
  return n;
}
inline bool contiguous(const Tensor& t) {
  int64_t step = item_size_of(t.dtype);
  for (int d = t.ndim - 1; d >= 0; --d) {
    if (t.shape[d] != 1 && t.strides[d] != step) return false;
    step *= t.shape[d];
  }
  return true;
}
inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
inline unsigned blocks_for(int64_t n, int64_t per_block) {
  return static_cast<unsigned>(ceil_div(n, per_block));
}

// Division of numbers below 2^31 by one that the host knows.
struct Divisor {
  uint32_t value = 1, magic = 1, shift = 0;
  Divisor() = default;
  explicit Divisor(int64_t by) : value(by > 0 ? static_cast<uint32_t>(by) : 1) {
    while ((uint64_t{1} << shift) < value) ++shift;
    magic =
        static_cast<uint32_t>(((uint64_t{1} << 32) * ((uint64_t{1} << shift) - value)) / value + 1);
  }
  __device__ __forceinline__ uint32_t divide(uint32_t n) const {
    return (__umulhi(n, magic) + n) >> shift;
  }
};

// The coordinates of a position in C order.
struct Shape {
  int32_t ndim = 0;
  Divisor lengths[kMaxRank];
  Shape() = default;
  Shape(int n, const int64_t* shape) : ndim(n) {
    for (int d = 0; d < n; ++d) lengths[d] = Divisor(shape[d]);
  }
  __device__ __forceinline__ void split(uint32_t i, uint32_t (&at)[kMaxRank]) const {
#pragma unroll
    for (int d = kMaxRank - 1; d > 0; --d) {
      if (d >= ndim) {
        at[d] = 0;
        continue;
      }
      const uint32_t q = lengths[d].divide(i);
      at[d] = i - q * lengths[d].value;
      i = q;
    }
    at[0] = i;
  }
  __device__ __forceinline__ int64_t dot(const uint32_t (&at)[kMaxRank],
                                         const int64_t* strides) const {
    int64_t sum = 0;
#pragma unroll
    for (int d = 0; d < kMaxRank; ++d) {
      if (d < ndim) sum += static_cast<int64_t>(at[d]) * strides[d];
    }
    return sum;
  }
};
struct Strided {
  Shape shape;
  int64_t strides[kMaxRank] = {};
  Strided() = default;
  explicit Strided(const Tensor& t) : shape(t.ndim, t.shape) {
    for (int d = 0; d < t.ndim; ++d) strides[d] = t.strides[d];
  }
  __device__ __forceinline__ int64_t offset(uint32_t i) const {
    uint32_t at[kMaxRank];
    shape.split(i, at);
    return shape.dot(at, strides);
  }
};

// The dtypes of numbers, as the library converts them.
__device__ __forceinline__ int64_t load_integer(const char* p, DType dtype) {
  switch (dtype) {
    case DType::i64:
    case DType::u64:
      return *reinterpret_cast<const int64_t*>(p);
    case DType::i32:
      return *reinterpret_cast<const int32_t*>(p);
    case DType::u32:
      return *reinterpret_cast<const uint32_t*>(p);
    case DType::i16:
      return *reinterpret_cast<const int16_t*>(p);
    case DType::u16:
      return *reinterpret_cast<const uint16_t*>(p);
    case DType::i8:
      return *reinterpret_cast<const int8_t*>(p);
    case DType::b8:
      return *reinterpret_cast<const uint8_t*>(p) != 0;
    default:
      return *reinterpret_cast<const uint8_t*>(p);
  }
}
__device__ __forceinline__ bool is_float(DType dtype) {
  return dtype == DType::f16 || dtype == DType::f32 || dtype == DType::f64;
}
__device__ __forceinline__ double load_real(const char* p, DType dtype) {
  switch (dtype) {
    case DType::f64:
      return *reinterpret_cast<const double*>(p);
    case DType::f32:
      return *reinterpret_cast<const float*>(p);
    case DType::f16:
      return gpu::half_to_float(*reinterpret_cast<const uint16_t*>(p));
    case DType::u64:
      return static_cast<double>(*reinterpret_cast<const uint64_t*>(p));
    default:
      return static_cast<double>(load_integer(p, dtype));
  }
}
__device__ __forceinline__ void store_integer(char* p, DType dtype, int64_t value) {
  switch (dtype) {
    case DType::i64:
    case DType::u64:
      *reinterpret_cast<int64_t*>(p) = value;
      return;
    case DType::i32:
    case DType::u32:
      *reinterpret_cast<int32_t*>(p) = static_cast<int32_t>(value);
      return;
    case DType::i16:
    case DType::u16:
      *reinterpret_cast<int16_t*>(p) = static_cast<int16_t>(value);
      return;
    case DType::b8:
      *reinterpret_cast<uint8_t*>(p) = value != 0;
      return;
    default:
      *reinterpret_cast<int8_t*>(p) = static_cast<int8_t>(value);
  }
}
__device__ __forceinline__ void store_real(char* p, DType dtype, double value) {
  switch (dtype) {
    case DType::f64:
      *reinterpret_cast<double*>(p) = value;
      return;
    case DType::f32:
      *reinterpret_cast<float*>(p) = static_cast<float>(value);
      return;
    default:
      *reinterpret_cast<uint16_t*>(p) = gpu::float_to_half(static_cast<float>(value));
  }
}
// An element of any dtype with another value than 0.
__device__ __forceinline__ bool is_true(const char* p, DType dtype) {
  switch (dtype) {
    case DType::f16:
      return (*reinterpret_cast<const uint16_t*>(p) & 0x7fff) != 0;
    case DType::f32:
    case DType::f64:
      return load_real(p, dtype) != 0;
    case DType::c64:
      return load_real(p, DType::f32) != 0 || load_real(p + 4, DType::f32) != 0;
    case DType::c128:
      return load_real(p, DType::f64) != 0 || load_real(p + 8, DType::f64) != 0;
    default:
      return load_integer(p, dtype) != 0;
  }
}
// Bytes from one place to another, as one element.
__device__ __forceinline__ void move_item(char* to, const char* from, int item) {
  switch (item) {
    case 1:
      *to = *from;
      return;
    case 2:
      *reinterpret_cast<uint16_t*>(to) = *reinterpret_cast<const uint16_t*>(from);
      return;
    case 4:
      *reinterpret_cast<uint32_t*>(to) = *reinterpret_cast<const uint32_t*>(from);
      return;
    case 8:
      *reinterpret_cast<uint64_t*>(to) = *reinterpret_cast<const uint64_t*>(from);
      return;
    default:
      *reinterpret_cast<uint4*>(to) = *reinterpret_cast<const uint4*>(from);
  }
}

// An index of a slice's or an array's own, as bytes along its axis. False: there is no such
// element; where that is an error, *failed is 1.
__device__ __forceinline__ bool resolve_index(const Index& index, int64_t at, int* failed,
                                              int64_t* offset) {
  if (index.kind == IndexKind::slice) {
    const int64_t* range = reinterpret_cast<const int64_t*>(index.data);
    *offset = (range[0] + at * range[1]) * index.step;
    return at < range[2];
  }
  if (index.kind == IndexKind::where) {
    *offset = 0;
    return index.data[at] != 0;
  }
  const int64_t i = load_integer(index.data + at, index.dtype);
  if (index.kind == IndexKind::offsets) {
    *offset = i;
    return true;
  }
  const bool good = i >= -index.length && i < index.length;
  if (!good) *failed = 1;
  *offset = (i < 0 ? i + index.length : i) * index.step;
  return good;
}

// f(a piece) for pieces of a region that together are all of it, in C order, of at most
// launch_limit() positions.
void advance(Region* region, int d, int64_t start);
int64_t positions_of(const Region& region);
template <class F>
Status each_piece(const Region& region, F&& f) {
  const int64_t total = positions_of(region), limit = launch_limit();
  if (total <= limit) return f(region);
  int d = 0;
  while (region.shape[d] == 1) ++d;
  const int64_t rest = total / region.shape[d], chunk = rest >= limit ? 1 : limit / rest;
  for (int64_t start = 0; start < region.shape[d]; start += chunk) {
    Region piece = region;
    advance(&piece, d, start);
    piece.shape[d] = region.shape[d] - start < chunk ? region.shape[d] - start : chunk;
    const Status status = each_piece(piece, f);
    if (status != kOk) return status;
  }
  return kOk;
}

// Without dimensions of length 1, and with neighbours merged where all strides allow it.
Region simplify(const Region& region);
// With elements of 2 to 16 bytes that are several neighbours, where that is possible; returns their
// size.
int widen(Region* region);

// --- Parts of several kernels' work --------------------------------------------------------------

// values = the named elements, or (`store`) the opposite, all at once: where elements are named
// twice, any of their values stays. `item`: bytes that are moved as one, 1, 2, 4, 8 or 16.
Status move_region(Stream* stream, const Region& region, int item, bool store, const int* unless,
                   int* failed);
Status copy(Stream* stream, const Tensor& to, const Tensor& from, const int* unless);
// A contiguous tensor, to zero.
Status zero(Stream* stream, const Tensor& to);

// In place: data[i] = the sum of those before it; *total, if not null, that of all. Scratch:
// scan_scratch(n) bytes.
Status exclusive_scan(Stream* stream, int64_t* data, int64_t n, int64_t* total, void* scratch);
size_t scan_scratch(int64_t n);

// keys and positions (0, 1, ...) sorted by keys below `limit` and UINT32_MAX, which come last;
// equal ones stay in their order. The results are in `keys` and `positions`.
struct SortedKeys {
  uint32_t *keys, *positions;
  int64_t n;
};
size_t sort_scratch(int64_t n);
// The place for keys in the scratch of sort_keys: to be filled before.
inline uint32_t* unsorted_keys(void* scratch) { return static_cast<uint32_t*>(scratch); }
Status sort_keys(Stream* stream, int64_t n, int64_t limit, void* scratch, SortedKeys* sorted);

#define PHINTYS_TRY(call)                             \
  do {                                                \
    const Status phintys_status = (call);             \
    if (phintys_status != kOk) return phintys_status; \
  } while (false)

}  // namespace phintys::cuda::indexing
