// Convolution and its gradients on a device.
#pragma once

#include "device/products.h"

namespace phintys::device {

// One spatial axis, as in ops/conv/geometry.h: output o and tap k meet input
// o * stride + k * dilation - lo.
struct ConvAxis {
  int64_t in, kernel, out;
  int64_t stride, dilation, lo;
};

// An array (batch or out channels, channels, three spatial axes); strides in elements. Those that a
// problem lacks come first, of length 1 and stride 0.
struct ConvArray {
  char* data;
  int64_t outer, channel, spatial[3];
};

enum class ConvPart : int32_t { forward, inputs, filters };

// y[b, g * out_channels + o, p] = sum over c, k of
//     x[b, g * in_channels + c, p * stride + k * dilation - lo] * w[g * out_channels + o, c, k'],
// where k' is k, or its mirror image if `flip`. `part` says which of the three is computed; that
// one is dense, in C order, and has elements; the sums have terms.
struct Convolution {
  ConvPart part;
  DType dtype;  // f32 or f64
  F32Products precision;
  int64_t batch, groups;
  int64_t in_channels, out_channels;  // of a group
  ConvAxis axis[3];
  bool flip;
  ConvArray x, w, y;
  void* scratch;  // scratch_bytes()
};

struct ConvKernels {
  // -1: there is no kernel for this.
  int64_t (*scratch_bytes)(const Convolution& conv);
  Status (*run)(Stream* stream, const Convolution& conv);
};

}  // namespace phintys::device
