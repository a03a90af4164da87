#include "ops/sort/search_isa.h"

#ifndef PHINTYS_ISA
#define PHINTYS_ISA baseline
#endif

namespace phintys::PHINTYS_ISA {
namespace {

constexpr int kBatch = 16;

// 1 if a is before v, with NaN, if there may be any, behind all others.
template <bool kRight, bool kNaN, class T>
inline int64_t before(T a, T v) {
  const auto less = static_cast<int64_t>(kRight ? a <= v : a < v);
  if constexpr (!kNaN) return less;
  const auto last = static_cast<int64_t>(v != v);
  return less | (kRight ? last : last & static_cast<int64_t>(a == a));
}

// All searches of a batch take the same steps, so that their loads wait for memory together. Which
// way each goes cannot be predicted: by arithmetic.
template <bool kRight, bool kNaN, class T>
void search_batch(const T* a, int64_t n, const T* value, int64_t* base) {
  for (int k = 0; k < kBatch; ++k) base[k] = 0;
  int64_t length = n;
  while (length > 1) {
    const int64_t half = length / 2;
    const T* const middle = a + half - 1;
    for (int k = 0; k < kBatch; ++k) {
      base[k] += half & -before<kRight, kNaN>(middle[base[k]], value[k]);
    }
    length -= half;
  }
  if (n > 0) {
    for (int k = 0; k < kBatch; ++k) base[k] += before<kRight, kNaN>(a[base[k]], value[k]);
  }
}

template <bool kRight, class T>
void search(const T* a, int64_t n, const T* v, int64_t stride, int64_t count, int64_t* places) {
  T value[kBatch];
  int64_t base[kBatch];
  for (int64_t i = 0; i < count; i += kBatch) {
    const int m = count - i < kBatch ? static_cast<int>(count - i) : kBatch;
    bool nan = false;
    for (int k = 0; k < kBatch; ++k) {
      value[k] = v[(i + (k < m ? k : 0)) * stride];
      nan |= value[k] != value[k];
    }
    nan ? search_batch<kRight, true>(a, n, value, base)
        : search_batch<kRight, false>(a, n, value, base);
    for (int k = 0; k < m; ++k) places[i + k] = base[k];
  }
}

template <class T>
void search_in(bool right, const void* a, int64_t n, const void* v, int64_t stride, int64_t count,
               int64_t* places) {
  const T* const from = static_cast<const T*>(a);
  const T* const values = static_cast<const T*>(v);
  if (right) {
    search<true>(from, n, values, stride, count, places);
  } else {
    search<false>(from, n, values, stride, count, places);
  }
}

}  // namespace

void search_sorted(DType dtype, bool right, const void* a, int64_t n, const void* v, int64_t stride,
                   int64_t count, int64_t* places) {
  switch (dtype) {
    case DType::i8:
      return search_in<int8_t>(right, a, n, v, stride, count, places);
    case DType::i16:
      return search_in<int16_t>(right, a, n, v, stride, count, places);
    case DType::i32:
      return search_in<int32_t>(right, a, n, v, stride, count, places);
    case DType::i64:
      return search_in<int64_t>(right, a, n, v, stride, count, places);
    case DType::u8:
      return search_in<uint8_t>(right, a, n, v, stride, count, places);
    case DType::u16:
      return search_in<uint16_t>(right, a, n, v, stride, count, places);
    case DType::u32:
      return search_in<uint32_t>(right, a, n, v, stride, count, places);
    case DType::u64:
      return search_in<uint64_t>(right, a, n, v, stride, count, places);
    case DType::f32:
      return search_in<float>(right, a, n, v, stride, count, places);
    case DType::f64:
      return search_in<double>(right, a, n, v, stride, count, places);
    default:
      return;
  }
}

}  // namespace phintys::PHINTYS_ISA
