// What kernels and those who launch them ask about dtypes.
#pragma once

#include "gpu.h"

namespace phintys::cuda {

// Bytes of one element.
__host__ __device__ constexpr int item_size_of(DType dtype) {
  switch (dtype) {
    case DType::b8:
    case DType::i8:
    case DType::u8:
      return 1;
    case DType::i16:
    case DType::u16:
    case DType::f16:
      return 2;
    case DType::i32:
    case DType::u32:
    case DType::f32:
      return 4;
    case DType::c128:
      return 16;
    default:
      return 8;
  }
}

}  // namespace phintys::cuda
