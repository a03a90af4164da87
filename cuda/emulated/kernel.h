// Functions that CUDA C++ offers in kernels, for g++.
#pragma once

#include "emulated/collective.h"
#include "emulated/half.h"
#include "emulated/types.h"

#define PHINTYS_WHERE const char *file = __builtin_FILE(), int line = __builtin_LINE()

namespace phintys::cuda::emulated {

inline int lane() {
  return static_cast<int>((threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z)) %
                          32);
}

// What a lane brings to a collective of its warp, and takes away.
template <class T>
struct Exchange {
  T value;
  int source;  // lane
  T result;
};

template <class T>
T shuffle(const char* name, unsigned mask, T value, int source, const char* file, int line) {
  static_assert(std::is_arithmetic_v<T> && (sizeof(T) == 4 || sizeof(T) == 8),
                "CUDA shuffles int, long long, float, double and their unsigned kinds");
  Exchange<T> mine{value, source, value};
  act_together(Scope::warp, mask, name, {file, line}, &mine, [](void* const* lanes, int count) {
    for (int l = 0; l < count; ++l) {
      if (!lanes[l]) continue;
      auto* to = static_cast<Exchange<T>*>(lanes[l]);
      auto* from = static_cast<Exchange<T>*>(lanes[to->source]);
      // What a lane that takes no part holds is undefined.
      if (from) {
        to->result = from->value;
      } else {
        memset(&to->result, 0xff, sizeof(T));
      }
    }
  });
  return mine.result;
}

// All lanes get what `join` makes of all values, in the order of lanes.
template <class T, class Join>
T reduce(const char* name, unsigned mask, T value, Join, const char* file, int line) {
  Exchange<T> mine{value, 0, value};
  act_together(Scope::warp, mask, name, {file, line}, &mine, [](void* const* lanes, int count) {
    bool first = true;
    T all{};
    for (int l = 0; l < count; ++l) {
      if (!lanes[l]) continue;
      const T value = static_cast<Exchange<T>*>(lanes[l])->value;
      all = first ? value : Join()(all, value);
      first = false;
    }
    for (int l = 0; l < count; ++l)
      if (lanes[l]) static_cast<Exchange<T>*>(lanes[l])->result = all;
  });
  return mine.result;
}

// A barrier that counts the threads with a predicate that is not 0; *total: all threads.
inline int barrier_count(const char* name, int predicate, int* total, const char* file, int line) {
  struct Mine {
    int predicate, count, total;
  } mine{predicate, 0, 0};
  act_together(Scope::block, 0, name, {file, line}, &mine, [](void* const* threads, int count) {
    int yes = 0, all = 0;
    for (int t = 0; t < count; ++t) {
      if (!threads[t]) continue;
      ++all;
      yes += static_cast<Mine*>(threads[t])->predicate != 0;
    }
    for (int t = 0; t < count; ++t) {
      if (!threads[t]) continue;
      static_cast<Mine*>(threads[t])->count = yes;
      static_cast<Mine*>(threads[t])->total = all;
    }
  });
  if (total) *total = mine.total;
  return mine.count;
}

}  // namespace phintys::cuda::emulated

// --- Barriers ------------------------------------------------------------------------------------

inline void __syncthreads(PHINTYS_WHERE) {
  using namespace phintys::cuda::emulated;
  act_together(Scope::block, 0, "__syncthreads", {file, line}, nullptr, nullptr);
}
inline int __syncthreads_count(int predicate, PHINTYS_WHERE) {
  return phintys::cuda::emulated::barrier_count("__syncthreads_count", predicate, nullptr, file,
                                                line);
}
inline int __syncthreads_or(int predicate, PHINTYS_WHERE) {
  return phintys::cuda::emulated::barrier_count("__syncthreads_or", predicate, nullptr, file,
                                                line) != 0;
}
inline int __syncthreads_and(int predicate, PHINTYS_WHERE) {
  int total = 0;
  return phintys::cuda::emulated::barrier_count("__syncthreads_and", predicate, &total, file,
                                                line) == total;
}
inline void __syncwarp(unsigned mask = ~0u, PHINTYS_WHERE) {
  using namespace phintys::cuda::emulated;
  act_together(Scope::warp, mask, "__syncwarp", {file, line}, nullptr, nullptr);
}
inline void __threadfence() {}
inline void __threadfence_block() {}
inline void __nanosleep(unsigned) { phintys::cuda::emulated::let_others_run(); }

// --- Collectives of a warp -----------------------------------------------------------------------

template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32, PHINTYS_WHERE) {
  const int lane = phintys::cuda::emulated::lane();
  const int first = lane / width * width;
  return phintys::cuda::emulated::shuffle("__shfl_sync", mask, value,
                                          first + (source & (width - 1)), file, line);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32, PHINTYS_WHERE) {
  const int lane = phintys::cuda::emulated::lane();
  const int first = lane / width * width;
  const int source = lane - static_cast<int>(delta);
  return phintys::cuda::emulated::shuffle("__shfl_up_sync", mask, value,
                                          source < first ? lane : source, file, line);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32, PHINTYS_WHERE) {
  const int lane = phintys::cuda::emulated::lane();
  const int end = lane / width * width + width;
  const int source = lane + static_cast<int>(delta);
  return phintys::cuda::emulated::shuffle("__shfl_down_sync", mask, value,
                                          source >= end ? lane : source, file, line);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32, PHINTYS_WHERE) {
  const int lane = phintys::cuda::emulated::lane();
  const int end = lane / width * width + width;
  const int source = lane ^ bits;
  return phintys::cuda::emulated::shuffle("__shfl_xor_sync", mask, value,
                                          source >= end ? lane : source, file, line);
}
inline unsigned __ballot_sync(unsigned mask, int predicate, PHINTYS_WHERE) {
  using namespace phintys::cuda::emulated;
  const unsigned bit = predicate ? 1u << lane() : 0u;
  return reduce(
      "__ballot_sync", mask, bit, [](unsigned a, unsigned b) { return a | b; }, file, line);
}
inline int __any_sync(unsigned mask, int predicate, PHINTYS_WHERE) {
  return __ballot_sync(mask, predicate, file, line) != 0;
}
inline int __all_sync(unsigned mask, int predicate, PHINTYS_WHERE) {
  return __ballot_sync(mask, !predicate, file, line) == 0;
}
template <class T>
unsigned __match_any_sync(unsigned mask, T value, PHINTYS_WHERE) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8, "as in CUDA");
  struct Mine {
    T value;
    unsigned same;
  } mine{value, 0};
  using namespace phintys::cuda::emulated;
  act_together(Scope::warp, mask, "__match_any_sync", {file, line}, &mine,
               [](void* const* lanes, int count) {
                 for (int i = 0; i < count; ++i)
                   for (int j = 0; j < count; ++j)
                     if (lanes[i] && lanes[j] &&
                         memcmp(lanes[i], lanes[j], sizeof(T)) == 0)  // value comes first
                       static_cast<Mine*>(lanes[i])->same |= 1u << j;
               });
  return mine.same;
}
#define PHINTYS_REDUCE(name, T, expression)                                                     \
  inline T __reduce_##name##_sync(unsigned mask, T value, PHINTYS_WHERE) {                      \
    return phintys::cuda::emulated::reduce(                                                     \
        "__reduce_" #name "_sync", mask, value, [](T a, T b) -> T { return expression; }, file, \
        line);                                                                                  \
  }
PHINTYS_REDUCE(add, unsigned, a + b)
PHINTYS_REDUCE(min, unsigned, a < b ? a : b)
PHINTYS_REDUCE(max, unsigned, a > b ? a : b)
PHINTYS_REDUCE(and, unsigned, a& b)
PHINTYS_REDUCE(or, unsigned, a | b)
PHINTYS_REDUCE(xor, unsigned, a ^ b)
PHINTYS_REDUCE(add, int, static_cast<int>(static_cast<unsigned>(a) + static_cast<unsigned>(b)))
PHINTYS_REDUCE(min, int, a < b ? a : b)
PHINTYS_REDUCE(max, int, a > b ? a : b)
#undef PHINTYS_REDUCE
#undef PHINTYS_WHERE

// --- Memory --------------------------------------------------------------------------------------

#define PHINTYS_ATOMIC(name, T, expression) \
  inline T name(T* at, T value) {           \
    const T old = *at;                      \
    *at = (expression);                     \
    return old;                             \
  }
#define PHINTYS_ATOMICS(T)                                \
  PHINTYS_ATOMIC(atomicMin, T, value < old ? value : old) \
  PHINTYS_ATOMIC(atomicMax, T, value > old ? value : old) \
  PHINTYS_ATOMIC(atomicOr, T, old | value)                \
  PHINTYS_ATOMIC(atomicAnd, T, old& value)                \
  PHINTYS_ATOMIC(atomicXor, T, old ^ value)               \
  PHINTYS_ATOMIC(atomicExch, T, value)                    \
  inline T atomicCAS(T* at, T expected, T value) {        \
    const T old = *at;                                    \
    if (old == expected) *at = value;                     \
    return old;                                           \
  }
PHINTYS_ATOMICS(int)
PHINTYS_ATOMICS(unsigned)
PHINTYS_ATOMICS(unsigned long long)
PHINTYS_ATOMIC(atomicAdd, int,
               static_cast<int>(static_cast<unsigned>(old) + static_cast<unsigned>(value)))
PHINTYS_ATOMIC(atomicAdd, unsigned, old + value)
PHINTYS_ATOMIC(atomicAdd, unsigned long long, old + value)
#undef PHINTYS_ATOMICS
#undef PHINTYS_ATOMIC

template <class T>
T __ldg(const T* at) {
  return *at;
}
template <class T>
T __ldcs(const T* at) {
  return *at;
}
template <class T>
T __ldcg(const T* at) {
  return *at;
}
template <class T>
void __stcs(T* at, T value) {
  *at = value;
}
template <class T>
void __stcg(T* at, T value) {
  *at = value;
}

// --- Bits and numbers ----------------------------------------------------------------------------

#define PHINTYS_BITS(name, From, To)    \
  inline To name(From value) {          \
    To bits;                            \
    memcpy(&bits, &value, sizeof bits); \
    return bits;                        \
  }
PHINTYS_BITS(__float_as_int, float, int)
PHINTYS_BITS(__float_as_uint, float, unsigned)
PHINTYS_BITS(__int_as_float, int, float)
PHINTYS_BITS(__uint_as_float, unsigned, float)
PHINTYS_BITS(__double_as_longlong, double, long long)
PHINTYS_BITS(__longlong_as_double, long long, double)
#undef PHINTYS_BITS

inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
inline int __clz(int x) { return x ? __builtin_clz(static_cast<unsigned>(x)) : 32; }
inline int __clzll(long long x) {
  return x ? __builtin_clzll(static_cast<unsigned long long>(x)) : 64;
}
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __ffsll(long long x) { return __builtin_ffsll(x); }
inline unsigned __brev(unsigned x) {
  unsigned r = 0;
  for (int i = 0; i < 32; ++i) r |= ((x >> i) & 1u) << (31 - i);
  return r;
}
inline unsigned __umulhi(unsigned a, unsigned b) {
  return static_cast<unsigned>((static_cast<unsigned long long>(a) * b) >> 32);
}
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  return static_cast<unsigned long long>((static_cast<unsigned __int128>(a) * b) >> 64);
}
inline unsigned __funnelshift_l(unsigned low, unsigned high, unsigned shift) {
  shift &= 31;
  return shift ? (high << shift) | (low >> (32 - shift)) : high;
}
inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned shift) {
  shift &= 31;
  return shift ? (low >> shift) | (high << (32 - shift)) : low;
}

inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
inline double rsqrt(double x) { return 1.0 / sqrt(x); }
inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
inline double __fma_rn(double a, double b, double c) { return fma(a, b, c); }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fsqrt_rn(float a) { return sqrtf(a); }
inline double __dadd_rn(double a, double b) { return a + b; }
inline double __dsub_rn(double a, double b) { return a - b; }
inline double __dmul_rn(double a, double b) { return a * b; }
inline double __ddiv_rn(double a, double b) { return a / b; }
inline double __dsqrt_rn(double a) { return sqrt(a); }

#define PHINTYS_MIN_MAX(T)                         \
  inline T min(T a, T b) { return a < b ? a : b; } \
  inline T max(T a, T b) { return a > b ? a : b; }
PHINTYS_MIN_MAX(int)
PHINTYS_MIN_MAX(unsigned)
PHINTYS_MIN_MAX(long)
PHINTYS_MIN_MAX(unsigned long)
PHINTYS_MIN_MAX(long long)
PHINTYS_MIN_MAX(unsigned long long)
#undef PHINTYS_MIN_MAX
inline float min(float a, float b) { return fminf(a, b); }
inline float max(float a, float b) { return fmaxf(a, b); }
inline double min(double a, double b) { return fmin(a, b); }
inline double max(double a, double b) { return fmax(a, b); }

[[noreturn]] inline void __trap() { phintys::cuda::emulated::misuse("__trap()"); }
