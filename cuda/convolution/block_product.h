// The part of a block's product that its threads hold in registers.
//
// Threads form a grid; each has kRows x kColumns results, in pieces of 4 x 4 that lie as far apart
// as the block is divided: the threads of a warp then read neighbouring vectors of shared memory.
#pragma once

#include "gpu.h"

namespace phintys::cuda {

__device__ __forceinline__ float fused(float a, float b, float c) { return fmaf(a, b, c); }
__device__ __forceinline__ double fused(double a, double b, double c) { return fma(a, b, c); }

// Moved by as few instructions as the hardware has for it.
template <class T, int n>
struct alignas(n * sizeof(T) < 16 ? n * sizeof(T) : 16) Piece {
  T v[n];
};
template <class T>
using Four = Piece<T, 4>;

template <class T, int kBlockRows, int kBlockColumns, int kRows, int kColumns>
struct BlockProduct {
  static constexpr int kAcross = kBlockColumns / kColumns;
  static constexpr int kThreads = kBlockRows / kRows * kAcross;
  T sums[kRows][kColumns];
  int row, column;

  __device__ __forceinline__ BlockProduct() {
    row = static_cast<int>(threadIdx.x) / kAcross * 4;
    column = static_cast<int>(threadIdx.x) % kAcross * 4;
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
#pragma unroll
      for (int c = 0; c < kColumns; ++c) sums[r][c] = 0;
    }
  }
  // The place of piece i in the block.
  __device__ __forceinline__ int row_of(int i) const { return row + i * (kBlockRows / kRows * 4); }
  __device__ __forceinline__ int column_of(int i) const { return column + i * (kAcross * 4); }

  // Adds the products of kTerms rows of `a` (of pitch kPitchA) and `b`.
  template <int kTerms, int kPitchA, int kPitchB>
  __device__ __forceinline__ void add(const T* a, const T* b) {
#pragma unroll
    for (int k = 0; k < kTerms; ++k) {
      Four<T> x[kRows / 4], y[kColumns / 4];
#pragma unroll
      for (int i = 0; i < kRows / 4; ++i) {
        x[i] = *reinterpret_cast<const Four<T>*>(a + k * kPitchA + row_of(i));
      }
#pragma unroll
      for (int i = 0; i < kColumns / 4; ++i) {
        y[i] = *reinterpret_cast<const Four<T>*>(b + k * kPitchB + column_of(i));
      }
#pragma unroll
      for (int r = 0; r < kRows; ++r) {
#pragma unroll
        for (int c = 0; c < kColumns; ++c) {
          sums[r][c] = fused(x[r / 4].v[r % 4], y[c / 4].v[c % 4], sums[r][c]);
        }
      }
    }
  }
};

}  // namespace phintys::cuda
