// A region as kernels are given it.
#pragma once

#include "indexing/support.h"

namespace phintys::cuda::indexing {

struct Place {
  char *base, *value;
};

struct RegionWork {
  uint32_t size;
  Shape shape;
  int64_t base_strides[kMaxRank], value_strides[kMaxRank];
  char *base, *values;
  int32_t count;
  Index indices[device::kMaxIndices];
  const int* unless;
  int* failed;

  RegionWork(const Region& r, const int* unless, int* failed)
      : size(static_cast<uint32_t>(positions_of(r))),
        shape(r.ndim, r.shape),
        base(r.base),
        values(r.values),
        count(r.count),
        unless(unless),
        failed(failed) {
    for (int d = 0; d < kMaxRank; ++d) {
      base_strides[d] = d < r.ndim ? r.base_strides[d] : 0;
      value_strides[d] = d < r.ndim ? r.value_strides[d] : 0;
    }
    for (int k = 0; k < r.count; ++k) indices[k] = r.indices[k];
  }

  // False if there is no element at position i.
  __device__ __forceinline__ bool find(uint32_t i, Place* place) const {
    uint32_t at[kMaxRank];
    shape.split(i, at);
    place->value = values + shape.dot(at, value_strides);
    char* p = base + shape.dot(at, base_strides);
    bool good = true;
    for (int k = 0; k < count; ++k) {
      int64_t offset;
      good = resolve_index(indices[k], shape.dot(at, indices[k].strides), failed, &offset) && good;
      p += offset;
    }
    place->base = p;
    return good;
  }
};

}  // namespace phintys::cuda::indexing
