// What the kernels of layer and batch normalisation are told: no C++ library header here.
#pragma once

#include <stdint.h>

#include "array/dtype_enum.h"
#include "kernels/isa.h"

namespace phintys {

// Rows of `cols` elements, contiguous. Null pointers: not there.
struct LayerNormWork {
  DType dtype = DType::f64;
  int64_t cols = 0;
  double eps = 0;
  const char *x = nullptr, *gamma = nullptr, *beta = nullptr;
  const char* gy = nullptr;
  bool past_caches = false;  // how y is stored: it is large, and rows are whole cache lines
  char *y = nullptr, *mean = nullptr, *inv_std = nullptr;
  char* gx = nullptr;
};

// An array [outer, channels, inner], contiguous: each channel is normalised over the other two.
struct BatchNormWork {
  DType dtype = DType::f64;
  int64_t outer = 0, channels = 0, inner = 0;
  double eps = 0;
  const char *x = nullptr, *gamma = nullptr, *beta = nullptr;
  const char* gy = nullptr;
  bool past_caches = false;  // how y or gx is stored: it is large, and rows are whole cache lines
  char *y = nullptr, *mean = nullptr, *inv_std = nullptr, *var = nullptr;
  char *gx = nullptr, *ggamma = nullptr, *gbeta = nullptr;
};

// Bytes of a row that one step of the kernels takes where inner is 1: a multiple of this.
inline constexpr int64_t kBatchNormStrip = 512;

#define PHINTYS_DECLARE(isa)                                                                     \
  namespace isa {                                                                                \
  void layer_norm_rows(const LayerNormWork& work, int64_t begin, int64_t end);                   \
  /* Also adds the rows' parts of the gradients of gamma and beta to vectors of `cols`. */       \
  void layer_norm_grad_rows(const LayerNormWork& work, int64_t begin, int64_t end, char* ggamma, \
                            char* gbeta);                                                        \
  void batch_norm_channels(const BatchNormWork& work, int64_t begin, int64_t end);               \
  void batch_norm_grad_channels(const BatchNormWork& work, int64_t begin, int64_t end);          \
  /* y = (x - mean) * gamma + beta; the ranges are of `outer`. */                                \
  void scale_channel_rows(const BatchNormWork& work, int64_t begin, int64_t end);                \
  }
PHINTYS_EACH_ISA(PHINTYS_DECLARE)
#undef PHINTYS_DECLARE

}  // namespace phintys
