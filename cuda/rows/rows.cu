// Softmax, norms, argmax and the like, along rows.
#include "rows/rows.h"

#include "plugin.h"

namespace phintys::cuda {

const device::RowKernels* row_kernels() {
  static constexpr device::RowKernels kernels = {
      rows::pack,
      rows::softmax,
      rows::softmax_grad,
      rows::crossentropy_softmax_grad,
      rows::layer_norm,
      rows::layer_norm_grad,
      rows::channel_norm,
      rows::channel_norm_grad,
      rows::scale_channels,
      rows::arg_extremum,
      rows::layer_norm_grad_scratch,
      rows::channel_norm_scratch,
      rows::arg_extremum_scratch,
  };
  return &kernels;
}

}  // namespace phintys::cuda
