// The part of a block's product that its threads hold in registers: two ways to have it.
//
// Both add the products of kTerms rows of `a` and of `b`, which lie in shared memory, row after row
// (`kPitchA` and `kPitchB` elements apart), and then hold result (row_at(r), column_at(c)) of the
// block in value(r, c). kVector results from c on, a multiple of kVector, are neighbours.
#pragma once

#include "products/mma.h"

namespace phintys::cuda {

__device__ __forceinline__ float fused(float a, float b, float c) { return fmaf(a, b, c); }
__device__ __forceinline__ double fused(double a, double b, double c) { return fma(a, b, c); }

// Moved by as few instructions as the hardware has for it.
template <class T, int n>
struct alignas(n * sizeof(T) < 16 ? n * sizeof(T) : 16) Piece {
  T v[n];
};

// Each thread has pieces of 4 x 4 that lie as far apart as the block is divided: the threads of a
// warp then read neighbouring vectors of shared memory.
template <class T, int kBlockRows_, int kBlockColumns_, int kRows_, int kColumns_>
struct PlainProduct {
  using Element = T;
  static constexpr int kBlockRows = kBlockRows_, kBlockColumns = kBlockColumns_;
  static constexpr int kRows = kRows_, kColumns = kColumns_, kVector = 4;
  static constexpr int kAcross = kBlockColumns / kColumns;
  static constexpr int kThreads = kBlockRows / kRows * kAcross;
  static constexpr int kBlocks =
      kRows == 8 || sizeof(T) == 8 ? 2 : 3;  // of a multiprocessor, at least
  static constexpr int kPad = 0;             // of rows of shared memory
  T sums[kRows][kColumns];
  int row, column;

  __device__ __forceinline__ PlainProduct() {
    row = static_cast<int>(threadIdx.x) / kAcross * 4;
    column = static_cast<int>(threadIdx.x) % kAcross * 4;
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
#pragma unroll
      for (int c = 0; c < kColumns; ++c) sums[r][c] = 0;
    }
  }
  __device__ __forceinline__ int row_at(int r) const {
    return row + r / 4 * (kBlockRows / kRows * 4) + r % 4;
  }
  __device__ __forceinline__ int column_at(int c) const {
    return column + c / 4 * (kAcross * 4) + c % 4;
  }
  __device__ __forceinline__ T value(int r, int c) const { return sums[r][c]; }
  // What of an operand is written to shared memory.
  static __device__ __forceinline__ T kept(T v) { return v; }

  template <int kTerms, int kPitchA, int kPitchB>
  __device__ __forceinline__ void add(const T* a, const T* b) {
#pragma unroll
    for (int k = 0; k < kTerms; ++k) {
      Piece<T, 4> x[kRows / 4], y[kColumns / 4];
#pragma unroll
      for (int i = 0; i < kRows / 4; ++i) {
        x[i] = *reinterpret_cast<const Piece<T, 4>*>(a + k * kPitchA + row_at(4 * i));
      }
#pragma unroll
      for (int i = 0; i < kColumns / 4; ++i) {
        y[i] = *reinterpret_cast<const Piece<T, 4>*>(b + k * kPitchB + column_at(4 * i));
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

// On tensor cores, of float32 rounded to TF32. Each warp has kDown pieces of 16 rows and kAside
// pieces of 8 columns; there are kWarpsDown times kWarpsAside of them.
template <int kWarpsDown, int kWarpsAside, int kDown, int kAside>
struct TensorProduct {
  using Element = float;
  static constexpr int kBlockRows = kWarpsDown * kDown * 16;
  static constexpr int kBlockColumns = kWarpsAside * kAside * 8;
  static constexpr int kRows = 2 * kDown, kColumns = 2 * kAside, kVector = 2;
  static constexpr int kThreads = kWarpsDown * kWarpsAside * gpu::kWarp;
  static constexpr int kBlocks = 256 / kThreads * 2;
  static constexpr int kPad = 8;  // the lanes of a warp then read all banks
  float sums[kDown][kAside][4];
  int row, column;

  __device__ __forceinline__ TensorProduct() {
    const int warp = static_cast<int>(threadIdx.x) / gpu::kWarp;
    const int lane = static_cast<int>(threadIdx.x) % gpu::kWarp;
    row = warp / kWarpsAside * kDown * 16 + lane / 4;
    column = warp % kWarpsAside * kAside * 8 + lane % 4 * 2;
#pragma unroll
    for (int r = 0; r < kDown; ++r) {
#pragma unroll
      for (int c = 0; c < kAside; ++c) {
        sums[r][c][0] = sums[r][c][1] = sums[r][c][2] = sums[r][c][3] = 0;
      }
    }
  }
  __device__ __forceinline__ int row_at(int r) const { return row + r * 8; }
  __device__ __forceinline__ int column_at(int c) const { return column + c / 2 * 8 + c % 2; }
  __device__ __forceinline__ float value(int r, int c) const {
    return sums[r / 2][c / 2][r % 2 * 2 + c % 2];
  }
  static __device__ __forceinline__ float kept(float v) {
    uint32_t bits, same;
    to_tf32(v, v, bits, same);
    return bits_float(bits);
  }

  template <int kTerms, int kPitchA, int kPitchB>
  __device__ __forceinline__ void add(const float* a, const float* b) {
    static_assert(kTerms % 8 == 0);
    const int t = static_cast<int>(threadIdx.x) % 4;
    const int b_column = column - 2 * t + static_cast<int>(threadIdx.x) % gpu::kWarp / 4;
#pragma unroll
    for (int k = 0; k < kTerms; k += 8) {
      uint32_t x[kDown][4], y[kAside][2];
#pragma unroll
      for (int i = 0; i < kDown; ++i) {
#pragma unroll
        for (int e = 0; e < 4; ++e) {
          x[i][e] = float_bits(a[(k + t + e / 2 * 4) * kPitchA + row + i * 16 + e % 2 * 8]);
        }
      }
#pragma unroll
      for (int j = 0; j < kAside; ++j) {
#pragma unroll
        for (int e = 0; e < 2; ++e) {
          y[j][e] = float_bits(b[(k + t + e * 4) * kPitchB + b_column + j * 8]);
        }
      }
#pragma unroll
      for (int i = 0; i < kDown; ++i) {
#pragma unroll
        for (int j = 0; j < kAside; ++j) mma_tf32(sums[i][j], x[i], y[j]);
      }
    }
  }
};

using LargeTensorProduct = TensorProduct<2, 4, 4, 4>;  // 128 x 128, 8 warps
using SmallTensorProduct = TensorProduct<2, 2, 2, 4>;  // 64 x 64, 4 warps

}  // namespace phintys::cuda
