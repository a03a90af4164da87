// Pooling and its gradients on a device.
#pragma once

#include "device/table.h"

namespace phintys::device {

enum class PoolPart : int32_t {
  forward,           // x -> result: joined over windows
  max_gradient,      // x, z (the maxima), g: of the shape of z -> of the shape of x
  max_chosen,        // x, z, g: of the shape of x -> the sum of g where x equals its window's z
  average_gradient,  // g: of the result's shape -> of the shape of x. Of sums, too
};
enum class PoolMode : int32_t { max, sum, average_inc_pad, average_exc_pad };

// Strides in elements.
struct PoolArray {
  const char* data;
  int64_t lead[3], pooled[3];
};

// A vector of `ndim` integers on the device.
struct PoolParameter {
  const char* data;
  DType dtype;
  int64_t stride;  // bytes
};

// As ops/pool/pool.h has it. Axes that are missing come first, of length 1.
struct Pooling {
  PoolPart part;
  PoolMode mode;
  DType dtype;  // f32, f64; forward for max and sum: also integers
  int32_t ndim;
  int64_t lead[3];            // lengths
  int64_t length[3], out[3];  // of the pooled axes, before and after
  PoolArray x, z, g;
  char* result;  // dense
  PoolParameter window, stride, pad;
};

struct PoolKernels {
  Status (*run)(Stream* stream, const Pooling& pooling);
};

}  // namespace phintys::device
