// What devices do along rows: softmax, normalisation, positions of extrema, and gradients.
//
// Pointers are the device's, to contiguous memory in C order unless said otherwise; null: not
// there. Values depend on shapes and operands alone, sums being formed in one order. Functions
// queue their work, and return kUnsupported for what they have no kernel for.
#pragma once

#include "device/table.h"

namespace phintys::device {

// (g, x) -> out, rows of `cols` elements; float16 is computed in float32.
struct SoftmaxRows {
  DType dtype;
  bool log;  // the logarithm of softmax, or its gradient
  int64_t rows, cols;
  const void* g;  // of a gradient (float32, float64): the gradient of the output z
  const void* x;  // of a gradient: z
  void* out;      // may be x or g
};

// Row r of `out`, r < known: v[r] times (1 in column y[r], less p), where p is z or exp(z); zero in
// the other rows.
struct CrossentropyRows {
  DType dtype;  // float32, float64
  bool log;
  int64_t rows, cols, known;
  const void* z;
  void* out;  // may be z
  Tensor v;   // a vector of `known` elements, or a stride of 0
  Tensor y;   // a vector of integers of any dtype; counted from the end if negative
  int* failed;
};

// y = (x - mean) * inv_std * gamma + beta with the row's mean and 1 / sqrt(variance + eps).
struct LayerNormRows {
  DType dtype;  // float32, float64
  int64_t rows, cols;
  double eps;
  const void *x, *gamma, *beta;  // no gamma: no beta
  void *y, *mean, *inv_std;
};

struct LayerNormGradRows {
  DType dtype;  // float32, float64
  int64_t rows, cols;
  const void *x, *gy, *mean, *inv_std, *gamma;
  void* gx;
  void *ggamma, *gbeta;  // if there is gamma
  void* scratch;         // layer_norm_grad_scratch() bytes
};

// Arrays [outer, channels, inner]; vectors of `channels` elements.
struct ChannelNorm {
  DType dtype;  // float32, float64
  int64_t outer, channels, inner;
  double eps;
  const void *x, *gamma, *beta;
  void *y, *mean, *inv_std, *var;
  void* scratch;  // channel_norm_scratch() bytes
};

struct ChannelNormGrad {
  DType dtype;
  int64_t outer, channels, inner;
  const void *x, *gy, *mean, *inv_std, *gamma;
  void *gx, *ggamma, *gbeta;
  void* scratch;  // channel_norm_scratch() bytes
};

// y = (x - mean) * scale + shift.
struct ScaleChannelRows {
  DType dtype;
  int64_t outer, channels, inner;
  const void *x, *mean, *scale, *shift;
  void* y;
};

// out: for each combination of the first `kept` dimensions of x, the place of the greatest (least)
// element, counted in C order over the other dimensions; the first of equals, and NaN before all.
// Not for complex numbers.
struct ArgExtremum {
  Tensor x;
  int32_t kept;
  bool is_max;
  int64_t* out;
  void* scratch;  // arg_extremum_scratch() bytes
};

struct RowKernels {
  // The elements of a view, one after another in C order.
  Status (*pack)(Stream* stream, const Tensor& from, void* to);
  Status (*softmax)(Stream* stream, const SoftmaxRows& work);
  Status (*softmax_grad)(Stream* stream, const SoftmaxRows& work);
  Status (*crossentropy_softmax_grad)(Stream* stream, const CrossentropyRows& work);
  Status (*layer_norm)(Stream* stream, const LayerNormRows& work);
  Status (*layer_norm_grad)(Stream* stream, const LayerNormGradRows& work);
  Status (*channel_norm)(Stream* stream, const ChannelNorm& work);
  Status (*channel_norm_grad)(Stream* stream, const ChannelNormGrad& work);
  Status (*scale_channels)(Stream* stream, const ScaleChannelRows& work);
  Status (*arg_extremum)(Stream* stream, const ArgExtremum& work);
  // Bytes; pointers may be missing.
  size_t (*layer_norm_grad_scratch)(const LayerNormGradRows& work);
  size_t (*channel_norm_scratch)(DType dtype, int64_t outer, int64_t channels, int64_t inner);
  size_t (*arg_extremum_scratch)(const ArgExtremum& work);
};

}  // namespace phintys::device
