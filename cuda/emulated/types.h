// The words and types of CUDA C++ that kernels use, for g++.
#pragma once

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// <memory> uses an attribute of the name __noinline__, which is a macro below.
#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <mutex>
#include <tuple>
#include <type_traits>
#include <vector>

#define __global__
#define __device__
#define __host__
#define __constant__
#define __launch_bounds__(...)
#define __forceinline__ inline
#define __align__(n) __attribute__((aligned(n)))
// Blocks run one after another. The memory of all such variables of the library is one piece that
// is overwritten before a block starts (fibers.cpp), and they cannot have constructors, as on a
// GPU.
#define __shared__ static __thread
#define __noinline__ __attribute__((noinline))

#define PHINTYS_VECTOR2(name, T, alignment)         \
  struct __attribute__((aligned(alignment))) name { \
    T x, y;                                         \
  };                                                \
  inline name make_##name(T x, T y) { return {x, y}; }
#define PHINTYS_VECTOR3(name, T) \
  struct name {                  \
    T x, y, z;                   \
  };                             \
  inline name make_##name(T x, T y, T z) { return {x, y, z}; }
#define PHINTYS_VECTOR4(name, T, alignment)         \
  struct __attribute__((aligned(alignment))) name { \
    T x, y, z, w;                                   \
  };                                                \
  inline name make_##name(T x, T y, T z, T w) { return {x, y, z, w}; }
#define PHINTYS_VECTORS(name, T, size)  \
  PHINTYS_VECTOR2(name##2, T, 2 * size) \
  PHINTYS_VECTOR3(name##3, T) PHINTYS_VECTOR4(name##4, T, (4 * size < 16 ? 4 * size : 16))
PHINTYS_VECTORS(char, signed char, 1)
PHINTYS_VECTORS(uchar, unsigned char, 1)
PHINTYS_VECTORS(short, short, 2)
PHINTYS_VECTORS(ushort, unsigned short, 2)
PHINTYS_VECTORS(int, int, 4)
PHINTYS_VECTORS(uint, unsigned, 4)
PHINTYS_VECTORS(float, float, 4)
PHINTYS_VECTORS(longlong, long long, 8)
PHINTYS_VECTORS(ulonglong, unsigned long long, 8)
PHINTYS_VECTORS(double, double, 8)
#undef PHINTYS_VECTORS
#undef PHINTYS_VECTOR4
#undef PHINTYS_VECTOR3
#undef PHINTYS_VECTOR2

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

inline constexpr int warpSize = 32;

// Of the thread that runs; set by the scheduler.
extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;
