// What a sort gives: elements and indices, stored where they belong.
#pragma once

#include "device/order.h"
#include "order/keys.h"
#include "rows/values.h"

namespace phintys::cuda::order {

// True iff the greatest elements come first.
__device__ __forceinline__ bool greatest_first(const device::SortWork& w) {
  return w.sign && load_integer(static_cast<const char*>(w.sign), w.sign_dtype) > 0;
}

// Copies an element; every NaN becomes the same if `one_nan`.
__device__ __forceinline__ void copy_element(const char* from, char* to, DType dtype,
                                             bool one_nan) {
  switch (item_size_of(dtype)) {
    case 1:
      *to = *from;
      return;
    case 2: {
      const uint16_t v = *reinterpret_cast<const uint16_t*>(from);
      const bool nan = one_nan && dtype == DType::f16 && (v & 0x7fff) > 0x7c00;
      *reinterpret_cast<uint16_t*>(to) = nan ? uint16_t{0x7e00} : v;
      return;
    }
    case 4: {
      const uint32_t v = *reinterpret_cast<const uint32_t*>(from);
      const bool nan = one_nan && dtype == DType::f32 && (v & 0x7fffffffu) > 0x7f800000u;
      *reinterpret_cast<uint32_t*>(to) = nan ? 0x7fc00000u : v;
      return;
    }
    case 8: {
      const uint64_t v = *reinterpret_cast<const uint64_t*>(from);
      const bool nan = one_nan && dtype == DType::f64 &&
                       (v & ~(uint64_t{1} << 63)) > uint64_t{0x7ff0000000000000};
      *reinterpret_cast<uint64_t*>(to) = nan ? uint64_t{0x7ff8000000000000} : v;
      return;
    }
    default: {
      const uint64_t* const v = reinterpret_cast<const uint64_t*>(from);
      reinterpret_cast<uint64_t*>(to)[0] = v[0];
      reinterpret_cast<uint64_t*>(to)[1] = v[1];
    }
  }
}

__device__ __forceinline__ void store_index(void* to, DType dtype, int64_t place, int64_t index) {
  switch (item_size_of(dtype)) {
    case 1:
      static_cast<uint8_t*>(to)[place] = static_cast<uint8_t>(index);
      return;
    case 2:
      static_cast<uint16_t*>(to)[place] = static_cast<uint16_t>(index);
      return;
    case 4:
      static_cast<uint32_t*>(to)[place] = static_cast<uint32_t>(index);
      return;
    default:
      static_cast<int64_t*>(to)[place] = index;
  }
}

// Result j of row r is element `index` of the row.
__device__ __forceinline__ void store_result(const device::SortWork& w, const RowsAlong& x,
                                             int64_t r, int64_t j, int64_t index) {
  const int64_t place = place_of(x, w.count, r, j);
  if (w.values) {
    copy_element(x.row(r) + index * x.stride,
                 static_cast<char*>(w.values) + place * item_size_of(w.x.dtype), w.x.dtype,
                 w.by_value);
  }
  if (w.indices) store_index(w.indices, w.index_dtype, place, index);
}

}  // namespace phintys::cuda::order
