// Products of small matrices by a whole warp, on tensor cores (mma.sync).
//
// Which lane holds what is as the PTX documentation says of m16n8k8 and m16n8k16. With g = lane / 4
// and t = lane % 4, of a 16 x K matrix A, a K x 8 matrix B and a 16 x 8 matrix C:
//   K = 8:  a = A[g][t], A[g+8][t], A[g][t+4], A[g+8][t+4]   b = B[t][g], B[t+4][g]
//   K = 16: the same with pairs: t stands for columns (rows of B) 2t and 2t+1, t+4 for 2t+8 and
//   2t+9 c = C[g][2t], C[g][2t+1], C[g+8][2t], C[g+8][2t+1]
#pragma once

#include "gpu.h"

namespace phintys::cuda {

enum class Pairs { f16, bf16 };

#ifdef PHINTYS_EMULATED

namespace emulated {

inline uint32_t float_bits(float v) {
  uint32_t bits;
  memcpy(&bits, &v, sizeof bits);
  return bits;
}
inline float bits_float(uint32_t bits) {
  float v;
  memcpy(&v, &bits, sizeof v);
  return v;
}

// What a lane brings: kA and kB registers of operands.
template <class R, class Acc>
struct Fragments {
  const R *a, *b;
  Acc* c;
};

// c += a * b, as all lanes together; element(register, half) is the value of (half of) a register.
template <class R, class Acc, int kK, class Element>
void multiply_fragments(void* const* lanes, int count, Element element) {
  constexpr int kHalves = kK / 8;
  Acc a[16][kK], b[kK][8];
  for (int l = 0; l < 32; ++l)
    if (count < 32 || !lanes[l]) misuse("mma without all lanes of the warp");
  const auto lane = [&](int l) { return static_cast<Fragments<R, Acc>*>(lanes[l]); };
  for (int l = 0; l < 32; ++l) {
    const int g = l / 4, t = l % 4;
    for (int r = 0; r < 4; ++r)
      for (int h = 0; h < kHalves; ++h)
        a[g + r % 2 * 8][(r / 2 * 4 + t) * kHalves + h] = element(lane(l)->a[r], h);
    for (int r = 0; r < 2; ++r)
      for (int h = 0; h < kHalves; ++h) b[(r * 4 + t) * kHalves + h][g] = element(lane(l)->b[r], h);
  }
  for (int l = 0; l < 32; ++l) {
    for (int r = 0; r < 4; ++r) {
      const int row = l / 4 + r / 2 * 8, col = l % 4 * 2 + r % 2;
      Acc sum = lane(l)->c[r];
      for (int k = 0; k < kK; ++k) sum += a[row][k] * b[k][col];
      lane(l)->c[r] = sum;
    }
  }
}

}  // namespace emulated

using emulated::bits_float;
using emulated::float_bits;

__device__ inline void mma_tf32(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  emulated::Fragments<uint32_t, float> mine{a, b, c};
  emulated::warp_act("mma_tf32", &mine, [](void* const* lanes, int count) {
    emulated::multiply_fragments<uint32_t, float, 8>(
        lanes, count, [](uint32_t r, int) { return emulated::bits_float(r & ~0x1fffu); });
  });
}

template <Pairs kPairs>
__device__ inline void mma_pairs(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  emulated::Fragments<uint32_t, float> mine{a, b, c};
  emulated::warp_act("mma_pairs", &mine, [](void* const* lanes, int count) {
    emulated::multiply_fragments<uint32_t, float, 16>(lanes, count, [](uint32_t r, int half) {
      const uint32_t bits = r >> 16 * half & 0xffffu;
      if (kPairs == Pairs::bf16) return emulated::bits_float(bits << 16);
      return gpu::half_to_float(static_cast<uint16_t>(bits));
    });
  });
}

__device__ inline void mma_f64(double (&c)[4], const double (&a)[4], const double (&b)[2]) {
  emulated::Fragments<double, double> mine{a, b, c};
  emulated::warp_act("mma_f64", &mine, [](void* const* lanes, int count) {
    emulated::multiply_fragments<double, double, 8>(lanes, count, [](double v, int) { return v; });
  });
}

__device__ inline void to_tf32(float x, float y, uint32_t& a, uint32_t& b) {
  const uint32_t half = x != x || y != y ? 0 : 0x1000u;
  a = emulated::float_bits(x) + half;
  b = emulated::float_bits(y) + half;
}

__device__ inline uint32_t to_bf16_pair(float low, float high) {
  const auto round = [](float v) {
    const uint32_t bits = emulated::float_bits(v);
    return v == v ? (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16 : 0x7fffu;
  };
  return round(low) | round(high) << 16;
}

// Four 8 x 8 matrices of 16-bit elements: lane l gives the address of row l % 8 of matrix l / 8, 16
// bytes, and gets of matrix i in out[i] the elements [l / 4][2 (l % 4)] and the next, or those of
// the transposed matrix.
template <bool kTransposed>
__device__ inline void load_matrices(uint32_t (&out)[4], const void* row) {
  struct Mine {
    const void* row;
    uint32_t* out;
  } mine{row, out};
  if (reinterpret_cast<uintptr_t>(row) % 16) emulated::misuse("ldmatrix needs aligned rows");
  emulated::warp_act("load_matrices", &mine, [](void* const* lanes, int count) {
    for (int l = 0; l < count; ++l) {
      for (int i = 0; i < 4; ++i) {
        uint32_t pair = 0;
        for (int h = 0; h < 2; ++h) {
          const int from = kTransposed ? l % 4 * 2 + h : l / 4;
          const int element = kTransposed ? l / 4 : l % 4 * 2 + h;
          const auto* line =
              static_cast<const uint16_t*>(static_cast<Mine*>(lanes[8 * i + from])->row);
          pair |= static_cast<uint32_t>(line[element]) << 16 * h;
        }
        static_cast<Mine*>(lanes[l])->out[i] = pair;
      }
    }
  });
}

#else

__device__ __forceinline__ uint32_t float_bits(float v) { return __float_as_uint(v); }
__device__ __forceinline__ float bits_float(uint32_t bits) { return __uint_as_float(bits); }

__device__ __forceinline__ void mma_tf32(float (&c)[4], const uint32_t (&a)[4],
                                         const uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

template <Pairs kPairs>
__device__ __forceinline__ void mma_pairs(float (&c)[4], const uint32_t (&a)[4],
                                          const uint32_t (&b)[2]) {
  if constexpr (kPairs == Pairs::bf16) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, "
        "{%8,%9}, {%0,%1,%2,%3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
  } else {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
        "{%0,%1,%2,%3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
  }
}

__device__ __forceinline__ void mma_f64_8x8x4(double& c0, double& c1, double a, double b) {
  asm volatile("mma.sync.aligned.m8n8k4.row.col.f64.f64.f64.f64 {%0,%1}, {%2}, {%3}, {%0,%1};"
               : "+d"(c0), "+d"(c1)
               : "d"(a), "d"(b));
}

__device__ __forceinline__ void mma_f64(double (&c)[4], const double (&a)[4],
                                        const double (&b)[2]) {
#if __CUDA_ARCH__ >= 900
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f64.f64.f64.f64 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};"
      : "+d"(c[0]), "+d"(c[1]), "+d"(c[2]), "+d"(c[3])
      : "d"(a[0]), "d"(a[1]), "d"(a[2]), "d"(a[3]), "d"(b[0]), "d"(b[1]));
#else
  mma_f64_8x8x4(c[0], c[1], a[0], b[0]);
  mma_f64_8x8x4(c[2], c[3], a[1], b[0]);
  mma_f64_8x8x4(c[0], c[1], a[2], b[1]);
  mma_f64_8x8x4(c[2], c[3], a[3], b[1]);
#endif
}

// Two elements of one row (or column) for mma_tf32, which drops the last 13 bits: rounded to the
// nearest, ties away from zero. A NaN, to whose bits nothing may be added, leaves the other one
// unrounded: it makes the whole row NaN in any case.
__device__ __forceinline__ void to_tf32(float x, float y, uint32_t& a, uint32_t& b) {
  uint32_t half;
  asm("{ .reg .pred p; setp.nan.f32 p, %1, %2; selp.u32 %0, 0, 0x1000, p; }"
      : "=r"(half)
      : "f"(x), "f"(y));
  a = __float_as_uint(x) + half;
  b = __float_as_uint(y) + half;
}

__device__ __forceinline__ uint32_t to_bf16_pair(float low, float high) {
  uint32_t pair;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  return pair;
}

template <bool kTransposed>
__device__ __forceinline__ void load_matrices(uint32_t (&out)[4], const void* row) {
  const unsigned place = static_cast<unsigned>(__cvta_generic_to_shared(row));
  if constexpr (kTransposed) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
                 : "r"(place)
                 : "memory");
  } else {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
                 : "r"(place)
                 : "memory");
  }
}

#endif

}  // namespace phintys::cuda
