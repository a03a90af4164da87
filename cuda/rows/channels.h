// Sums over all but the channels of an array [outer, channels, inner], in two stages: parts of each
// channel, then the parts in their order. What is a part depends on the shape alone.
#pragma once

#include "gpu.h"

namespace phintys::cuda::rows {

enum class ChannelTerm : uint8_t {
  value,         // x; sets mean
  square,        // (x - mean)^2; sets var and inv_std
  gradient,      // gy, and gy (x - mean); sets gbeta and, times inv_std, ggamma
  row_gradient,  // gy, and gy (x - mean) inv_std, these two for each row (inner is 1)
};

struct ChannelSums {
  DType dtype = DType::f32;  // or float64
  ChannelTerm kind = ChannelTerm::value;
  int64_t outer = 0, channels = 0, inner = 0;
  double eps = 0;
  const void *x = nullptr, *gy = nullptr;
  void* parts = nullptr;  // channel_sums_scratch() bytes
  const void *mean = nullptr, *inv_std = nullptr;
  void *to_mean = nullptr, *to_var = nullptr, *to_inv_std = nullptr;
  void *ggamma = nullptr, *gbeta = nullptr;
};

size_t channel_sums_scratch(const ChannelSums& s);
Status channel_sums(Stream* stream, const ChannelSums& s);

}  // namespace phintys::cuda::rows
