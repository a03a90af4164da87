// Products of matrices on a device.
#pragma once

#include "device/table.h"

namespace phintys::device {

inline constexpr int kMaxBatchRank = kMaxRank - 2;

// How products of float32 are computed. All others have one way: float16 is summed in float32.
enum class F32Products : int32_t {
  full,  // float32 throughout
  tf32,  // operands rounded to TF32 (10 bits after the point), sums in float32
  bf16,  // operands rounded to bfloat16, sums in float32
};

// What is done to an element at the end.
enum class Activation : int32_t { none, max0, tanh, sigmoid };

// A matrix, or a stack of them: any strides, in bytes, multiples of the size of an element. A
// dimension that is repeated has stride 0.
struct ProductMatrix {
  char* data;
  int64_t row, col;
  int64_t batch[kMaxBatchRank];
};

// c[i, j] = act(alpha * sum_k a[i, k] b[k, j] + beta * c0[i, j] + bias[i, j]), for each matrix of a
// stack. All are of one dtype: any. Bool is an or of ands (alpha 1, beta 0 or 1), integers wrap.
//
// A factor is a number, or (where the pointer is set) an element of the dtype on the device. With
// beta == 0, c0 is not read; with alpha == 0, nor do a and b count. c0 and c may be the same
// elements, a and b may not overlap c. c may have gaps, but no element twice.
struct Product {
  DType dtype;
  F32Products precision;
  int32_t own_kernels;  // 1: not the vendor's library, where both are at hand
  int32_t batch_ndim;
  int64_t batch_shape[kMaxBatchRank];
  int64_t m, n, k;
  ProductMatrix a, b, c0, c;
  double alpha, beta;
  const void* alpha_at;
  const void* beta_at;
  // Null, or what is added: bias_row and bias_col are the bytes from one row or column to the next
  // (0: the same for all), the same for all matrices of a stack. Not for integers and bool.
  const char* bias;
  int64_t bias_row, bias_col;
  Activation activation;  // of float16, float32 and float64
};

// What follows a product of two matrices, where an op may do both at once (Queue::product_end).
struct ProductEnd {
  int64_t rows, cols;
  const char* bias;  // as in Product
  int64_t bias_row, bias_col;
  const char *bias_begin, *bias_end;  // of all its elements
  Activation activation;
  char* out;  // contiguous: instead of the product's own output
  bool done = false;
};

struct ProductKernels {
  // Bytes of memory that multiply() needs besides, for the same Product (pointers may be missing).
  size_t (*scratch_bytes)(Stream* stream, const Product& product);
  // Deterministic: the same bits for the same shapes, strides and kind of device.
  Status (*multiply)(Stream* stream, const Product& product, void* scratch);
  // One line: the library that products go to ("cuBLAS 13.0 from ..."), or why it is our own
  // kernels. Opens the library if that has not been tried.
  const char* (*library)();
};

}  // namespace phintys::device
