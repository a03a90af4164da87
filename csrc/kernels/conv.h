// Pieces of convolutions, for one instruction set: what ops/conv/ splits its work into.
//
// Planes have three axes (those that a problem lacks have length 1). "Staging" copies a region of a
// plane, with zeros around it, into dense scratch memory, where neighbours of a point lie at fixed
// distances: a sum over taps of a filter then reads vectors of consecutive points at an offset for
// each tap, and points that belong to no output are computed along and dropped ("virtual" points).
// All sums run over k in increasing order, so results do not depend on tiles or threads.
#pragma once

#include "kernels/isa.h"

namespace phintys {

// Point t of `n` goes to dst[t0 * pitch[0] + t1 * pitch[1] + t2]. It is the element of `src` with
// index first + step * t on each axis, or 0 where that is outside [0, size). Strides in bytes.
template <class T>
struct ConvStage {
  T* dst;
  const char* src;
  int64_t n[3], pitch[2], first[3], step[3], size[3], stride[3];
  int64_t next =
      0;  // where the same region of what is staged next lies, in bytes from src; 0: none
};

// The reverse: src[t] is stored, or added if `add`, at index first + step * t of a dense plane of
// `size`, where inside.
template <class T>
struct ConvStore {
  T* dst;
  const T* src;
  int64_t n[3], pitch[2], first[3], step[3], size[3];
  bool add;
};

// c[m * ldc + q] (+)= sum over k of a[k * rows + m] * b[off[k] + q] for m < rows, q < n. May read
// (and ignore) up to kConvSlack elements of b behind the last.
template <class T>
struct ConvPanel {
  const T* a;
  const T* b;
  const int64_t* off;
  T* c;
  int64_t rows, k, n, ldc;
  bool add;
};

// dst[k * width + i] = the i-th element of the segments of src + off[k]. Writes up to one vector
// behind the last.
template <class T>
struct ConvPack {
  T* dst;
  const T* src;
  const int64_t* off;
  const int64_t* start;
  const int64_t* length;
  int64_t segments, k, width;
};

// c[m * ldc + k] += sum over q of a[m * lda + q] * b[off[k] + q] for m < rows, k < taps; n is a
// multiple of the lanes.
template <class T>
struct ConvDots {
  const T* a;
  const T* b;
  const int64_t* off;
  T* c;
  int64_t rows, taps, n, lda, ldc;
};

// Elements that kernels may touch behind a buffer.
inline constexpr int64_t kConvSlack = 64;

template <class T>
struct ConvKernels {
  int64_t lanes;
  int64_t max_rows;   // of a panel
  int64_t tile;       // points that a panel of many rows works on at a time
  int64_t wide_tile;  // of a panel of at most wide_rows
  int64_t wide_rows;
  int64_t dot_rows;  // that dots() takes at a time
  void (*stage)(const ConvStage<T>&);
  void (*store)(const ConvStore<T>&);
  void (*panel)(const ConvPanel<T>&);
  void (*pack)(const ConvPack<T>&);
  void (*dots)(const ConvDots<T>&);
  // True iff no element is infinite or NaN.
  bool (*finite)(const T* x, int64_t n);
};

#define PHINTYS_DECLARE(isa)                     \
  namespace isa {                                \
  const ConvKernels<float>* conv_kernels_f32();  \
  const ConvKernels<double>* conv_kernels_f64(); \
  }
PHINTYS_EACH_ISA(PHINTYS_DECLARE)
#undef PHINTYS_DECLARE

template <class T>
const ConvKernels<T>& conv_kernels() {
  if constexpr (sizeof(T) == 4) {
    return *PHINTYS_ISA_CALL(conv_kernels_f32)();
  } else {
    return *PHINTYS_ISA_CALL(conv_kernels_f64)();
  }
}

}  // namespace phintys
