#include "base/dims.h"

namespace phintys {

bool checked_product(const Dims& dims, std::int64_t* out) noexcept {
  bool zero = false;
  for (std::int64_t d : dims) {
    if (d < 0) return false;
    zero = zero || d == 0;
  }
  std::int64_t n = zero ? 0 : 1;
  if (!zero) {
    for (std::int64_t d : dims) {
      if (__builtin_mul_overflow(n, d, &n)) return false;
    }
  }
  *out = n;
  return true;
}

std::string to_string(const Dims& dims) {
  std::string text = "(";
  for (std::size_t i = 0; i < dims.size(); ++i) {
    if (i) text += ", ";
    text += std::to_string(dims[i]);
  }
  if (dims.size() == 1) text += ',';
  text += ')';
  return text;
}

}  // namespace phintys
