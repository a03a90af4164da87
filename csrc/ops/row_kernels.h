// Kernels that normalise rows, as function pointers: the tile kernels they are best made of belong
// to a later layer (vm/), which replaces these plain loops when it is initialised.
#pragma once

#include <cstdint>

namespace phintys {

struct RowKernels {
  // Each of the `rows` contiguous rows of `cols` >= 1 values, normalised; y may be x.
  void (*softmax_f32)(const float* x, float* y, int64_t rows, int64_t cols);
  void (*softmax_f64)(const double* x, double* y, int64_t rows, int64_t cols);
  void (*log_softmax_f32)(const float* x, float* y, int64_t rows, int64_t cols);
  void (*log_softmax_f64)(const double* x, double* y, int64_t rows, int64_t cols);
};

RowKernels& row_kernels();

}  // namespace phintys
