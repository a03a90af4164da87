#include "array/dtype.h"

#include <bit>

namespace phintys {

bool parse_dtype(std::string_view name, DType* out) {
  for (int i = 0; i < kNumDTypes; ++i) {
    if (dtype_name(static_cast<DType>(i)) == name) {
      *out = static_cast<DType>(i);
      return true;
    }
  }
  return false;
}

namespace {

DType signed_of_size(size_t size) {
  return size == 1 ? DType::i8 : size == 2 ? DType::i16 : size == 4 ? DType::i32 : DType::i64;
}

// The smallest floating type that NumPy lets a discrete type meet.
DType float_meeting(DType d) {
  if (!is_discrete(d)) return d;
  return item_size(d) == 1 ? DType::f16 : item_size(d) == 2 ? DType::f32 : DType::f64;
}

}  // namespace

DType promote(DType a, DType b) {
  if (a == b) return a;
  if (is_discrete(a) && is_discrete(b)) {
    if (is_bool(a)) return b;
    if (is_bool(b)) return a;
    if (is_signed_int(a) == is_signed_int(b)) return item_size(a) > item_size(b) ? a : b;
    const DType s = is_signed_int(a) ? a : b;
    const DType u = is_signed_int(a) ? b : a;
    if (item_size(s) > item_size(u)) return s;
    // No signed type holds all of uint64: NumPy goes to float64 there.
    return u == DType::u64 ? DType::f64 : signed_of_size(2 * item_size(u));
  }
  if (is_complex(a) || is_complex(b)) {
    const DType real = promote(real_of(a), real_of(b));
    return real == DType::f64 ? DType::c128 : DType::c64;
  }
  const DType fa = float_meeting(a);
  const DType fb = float_meeting(b);
  return fa > fb ? fa : fb;
}

DType upgrade_to_float(DType d) {
  if (!is_discrete(d)) return d;
  return item_size(d) <= 2 ? DType::f32 : DType::f64;
}

float half_to_float(Half h) {
  const uint32_t sign = static_cast<uint32_t>(h.bits & 0x8000u) << 16;
  const uint32_t magnitude = h.bits & 0x7fffu;
  if (magnitude >= 0x7c00u) {
    const uint32_t quiet = magnitude > 0x7c00u ? 0x00400000u : 0;
    return std::bit_cast<float>(sign | 0x7f800000u | (magnitude & 0x3ffu) << 13 | quiet);
  }
  // The bits moved into place are the value times 2^-112, subnormals included.
  const float value = std::bit_cast<float>(magnitude << 13) * 0x1p112f;
  return std::bit_cast<float>(std::bit_cast<uint32_t>(value) | sign);
}

Half float_to_half(float f) {
  const uint32_t bits = std::bit_cast<uint32_t>(f);
  const uint32_t sign = bits >> 16 & 0x8000u;
  const uint32_t magnitude = bits & 0x7fffffffu;
  uint32_t result;
  if (magnitude > 0x7f800000u) {
    result = 0x7e00u | (magnitude >> 13 & 0x3ffu);
  } else if (magnitude >= 0x47800000u) {
    result = 0x7c00u;
  } else if (magnitude < 0x38800000u) {
    // Adding 0.5 lines the half's last subnormal bit up with the float's last bit, so the
    // addition itself rounds to nearest even.
    result = std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) + 0.5f) - 0x3f000000u;
  } else {
    result = (magnitude + 0xfffu + (magnitude >> 13 & 1u) - 0x38000000u) >> 13;
  }
  return Half{static_cast<uint16_t>(result | sign)};
}

}  // namespace phintys
