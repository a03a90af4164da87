// The kernels along rows, by source file.
#pragma once

#include "device/rows.h"
#include "gpu.h"

namespace phintys::cuda::rows {

Status pack(Stream* stream, const device::Tensor& from, void* to);
Status softmax(Stream* stream, const device::SoftmaxRows& work);
Status softmax_grad(Stream* stream, const device::SoftmaxRows& work);
Status crossentropy_softmax_grad(Stream* stream, const device::CrossentropyRows& work);
Status layer_norm(Stream* stream, const device::LayerNormRows& work);
Status layer_norm_grad(Stream* stream, const device::LayerNormGradRows& work);
Status channel_norm(Stream* stream, const device::ChannelNorm& work);
Status channel_norm_grad(Stream* stream, const device::ChannelNormGrad& work);
Status scale_channels(Stream* stream, const device::ScaleChannelRows& work);
Status arg_extremum(Stream* stream, const device::ArgExtremum& work);
size_t layer_norm_grad_scratch(const device::LayerNormGradRows& work);
size_t channel_norm_scratch(DType dtype, int64_t outer, int64_t channels, int64_t inner);
size_t arg_extremum_scratch(const device::ArgExtremum& work);

}  // namespace phintys::cuda::rows
