// Unsigned integers in the order of the elements: what is sorted and compared.
//
// Every NaN has the greatest key. -0 and +0 have one key unless `split_zeros`. Elements of up to 32
// bits have keys of 32 bits, others (complex64, too) of 64; complex128 has two, of which the
// second decides where the first are equal.
#pragma once

#include "dtypes.h"
#include "gpu.h"

namespace phintys::cuda {

// The integers that elements of a size are loaded as, and their keys.
template <class Key>
inline constexpr Key kGreatestKey = static_cast<Key>(~Key{0});

// The bits of floating-point numbers, as integers of their order. kInfinity: the bits of infinity.
template <class U>
__device__ __forceinline__ U float_key(U bits, U infinity, bool split_zeros) {
  constexpr U kSign = static_cast<U>(U{1} << (8 * sizeof(U) - 1));
  const U rest = static_cast<U>(bits & static_cast<U>(~kSign));
  if (rest > infinity) return kGreatestKey<U>;
  if (rest == 0 && !split_zeros) return kSign;
  return static_cast<U>(bits & kSign ? ~bits : bits | kSign);
}

// NumPy's order: numbers without NaN by real, then imaginary part; then those with a NaN as
// imaginary part only, by the real one; then those with a NaN as real part, by the imaginary one.
__device__ __forceinline__ uint64_t complex_key(uint64_t bits) {
  const uint32_t re = float_key(static_cast<uint32_t>(bits), 0x7f800000u, false);
  const uint32_t im = float_key(static_cast<uint32_t>(bits >> 32), 0x7f800000u, false);
  // Ranks of what is not NaN: 0 to kValues - 1.
  constexpr uint32_t kLowest = 0x007fffffu;  // the key of -inf
  constexpr uint64_t kValues = 0xff800000u - kLowest + 1;
  const bool odd_re = re == kGreatestKey<uint32_t>, odd_im = im == kGreatestKey<uint32_t>;
  const uint64_t rank_re = re - kLowest, rank_im = im - kLowest;
  if (!odd_re && !odd_im) return rank_re * kValues + rank_im;
  if (!odd_re) return kValues * kValues + rank_re;
  return kValues * kValues + kValues + (odd_im ? kValues : rank_im);
}

// The key of an element of a real type of up to 32 bits.
__device__ __forceinline__ uint32_t load_key32(const char* p, DType dtype, bool split_zeros) {
  switch (dtype) {
    case DType::i8:
      return static_cast<uint32_t>(*reinterpret_cast<const int8_t*>(p)) ^ 0x80000000u;
    case DType::i16:
      return static_cast<uint32_t>(*reinterpret_cast<const int16_t*>(p)) ^ 0x80000000u;
    case DType::u16:
      return *reinterpret_cast<const uint16_t*>(p);
    case DType::f16: {
      const uint16_t key =
          float_key(*reinterpret_cast<const uint16_t*>(p), uint16_t{0x7c00}, split_zeros);
      return key == kGreatestKey<uint16_t> ? kGreatestKey<uint32_t> : key;
    }
    case DType::i32:
      return *reinterpret_cast<const uint32_t*>(p) ^ 0x80000000u;
    case DType::u32:
      return *reinterpret_cast<const uint32_t*>(p);
    case DType::f32:
      return float_key(*reinterpret_cast<const uint32_t*>(p), 0x7f800000u, split_zeros);
    default:
      return *reinterpret_cast<const uint8_t*>(p);
  }
}

// The key of an element of another type. `word`: of complex128, which of its keys, the second (0)
// or the first (1).
__device__ __forceinline__ uint64_t load_key64(const char* p, DType dtype, bool split_zeros,
                                               int word) {
  constexpr uint64_t kInfinity = 0x7ff0000000000000u;
  const uint64_t bits = *reinterpret_cast<const uint64_t*>(p);
  switch (dtype) {
    case DType::i64:
      return bits ^ (uint64_t{1} << 63);
    case DType::f64:
      return float_key(bits, kInfinity, split_zeros);
    case DType::c64:
      return complex_key(bits);
    case DType::c128: {
      const uint64_t re = float_key(bits, kInfinity, false);
      const uint64_t im = float_key(reinterpret_cast<const uint64_t*>(p)[1], kInfinity, false);
      const bool only_im = im == kGreatestKey<uint64_t> && re != kGreatestKey<uint64_t>;
      if (word == 0) return only_im ? re : im;
      return only_im ? kGreatestKey<uint64_t> - 1 : re;
    }
    default:
      return bits;
  }
}

// The element with a key (of split zeros), back in memory; every NaN is the same.
template <class U>
__device__ __forceinline__ U float_of_key(U key, U nan) {
  constexpr U kSign = static_cast<U>(U{1} << (8 * sizeof(U) - 1));
  if (key == kGreatestKey<U>) return nan;
  return static_cast<U>(key & kSign ? key ^ kSign : ~key);
}
__device__ __forceinline__ void store_key(char* p, DType dtype, uint32_t key) {
  switch (dtype) {
    case DType::i16:
    case DType::u16:
      *reinterpret_cast<uint16_t*>(p) = static_cast<uint16_t>(key);
      return;
    case DType::f16:
      *reinterpret_cast<uint16_t*>(p) = float_of_key(static_cast<uint16_t>(key), uint16_t{0x7e00});
      return;
    case DType::i32:
      *reinterpret_cast<uint32_t*>(p) = key ^ 0x80000000u;
      return;
    case DType::u32:
      *reinterpret_cast<uint32_t*>(p) = key;
      return;
    case DType::f32:
      *reinterpret_cast<uint32_t*>(p) = float_of_key(key, 0x7fc00000u);
      return;
    default:
      *reinterpret_cast<uint8_t*>(p) = static_cast<uint8_t>(key);
  }
}
__device__ __forceinline__ void store_key(char* p, DType dtype, uint64_t key) {
  uint64_t bits = key;
  if (dtype == DType::i64) bits = key ^ (uint64_t{1} << 63);
  if (dtype == DType::f64) bits = float_of_key(key, uint64_t{0x7ff8000000000000});
  *reinterpret_cast<uint64_t*>(p) = bits;
}

template <class Key>
__device__ __forceinline__ Key load_key(const char* p, DType dtype, bool split_zeros) {
  if constexpr (sizeof(Key) == 4) {
    return load_key32(p, dtype, split_zeros);
  } else {
    return load_key64(p, dtype, split_zeros, 1);
  }
}

// The rows of an array along one axis, in C order of the other dimensions.
struct RowsAlong {
  const char* data;
  int64_t length, stride;  // of the axis, in elements and bytes
  int64_t inner;           // product of the dimensions behind the axis
  int32_t ndim;            // of the others
  int64_t shape[device::kMaxRank], strides[device::kMaxRank];
  int64_t rows;

  __host__ __device__ RowsAlong(const device::Tensor& x, int axis)
      : data(x.data), length(1), stride(0), inner(1), ndim(0), rows(1) {
    for (int d = 0; d < x.ndim; ++d) {
      if (d == axis) {
        length = x.shape[d];
        stride = x.strides[d];
        continue;
      }
      if (d > axis) inner *= x.shape[d];
      rows *= x.shape[d];
      shape[ndim] = x.shape[d];
      strides[ndim++] = x.strides[d];
    }
  }
  // Where row r begins.
  __device__ __forceinline__ const char* row(int64_t r) const {
    const char* p = data;
    for (int d = ndim - 1; d > 0; --d) {
      const int64_t up = r / shape[d];
      p += (r - up * shape[d]) * strides[d];
      r = up;
    }
    return ndim > 0 ? p + r * strides[0] : p;
  }
};

// Where element j of row r of results of length `count` along the axis lies in C order.
__device__ __forceinline__ int64_t place_of(const RowsAlong& x, int64_t count, int64_t r,
                                            int64_t j) {
  if (x.inner == 1) return r * count + j;
  const int64_t outer = r / x.inner;
  return (outer * count + j) * x.inner + (r - outer * x.inner);
}

}  // namespace phintys::cuda
