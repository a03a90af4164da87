// Pieces of convolutions whose vectors run across filters instead of points, for one instruction
// set. Points then are single numbers, which may lie anywhere: each has the taps that it needs.
#pragma once

#include "kernels/isa.h"

namespace phintys {

// Where the terms of a sum begin, and where the sums of all filters go.
template <class T>
struct ConvSpot {
  const T* x;
  T* c;
};

// c[m] of each spot (+)= sum over i < channels, t < taps of
//     w[i * w_step + w_at[t] + m] * x[i * x_step + x_at[t]]
// for m < vectors * lanes. The sum runs over t within i, in increasing order.
template <class T>
struct ConvLanes {
  const ConvSpot<T>* spots;
  const T* w;
  const int64_t *x_at, *w_at;
  int64_t n, vectors;  // at most max_spots of them
  int64_t channels, taps, x_step, w_step;
  bool add;
};

// dst[j * dst_pitch + m] = src[m * src_pitch + j] for m < rows, j < columns; zeros up to the next
// multiple of the lanes behind the last row. Nothing is read at `end` or behind it.
template <class T>
struct ConvTranspose {
  T* dst;
  const T* src;
  const T* end;
  int64_t rows, columns, src_pitch, dst_pitch;
  int64_t ahead = 0;  // how far behind what is read to ask for memory; 0: not at all
};

template <class T>
struct ConvLaneKernels {
  int64_t lanes;
  int64_t max_vectors;
  const int64_t* max_spots;  // for each number of vectors, from 0
  void (*sum)(const ConvLanes<T>&);
  void (*transpose)(const ConvTranspose<T>&);
};

#define PHINTYS_DECLARE(isa)                              \
  namespace isa {                                         \
  const ConvLaneKernels<float>* conv_lane_kernels_f32();  \
  const ConvLaneKernels<double>* conv_lane_kernels_f64(); \
  }
PHINTYS_EACH_ISA(PHINTYS_DECLARE)
#undef PHINTYS_DECLARE

template <class T>
const ConvLaneKernels<T>& conv_lane_kernels() {
  if constexpr (sizeof(T) == 4) {
    return *PHINTYS_ISA_CALL(conv_lane_kernels_f32)();
  } else {
    return *PHINTYS_ISA_CALL(conv_lane_kernels_f64)();
  }
}

}  // namespace phintys
