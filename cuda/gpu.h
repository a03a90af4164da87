// What every kernel source includes: the language of kernels and how they are launched.
//
// nvcc compiles these sources for the GPU. g++ compiles them too, with PHINTYS_EMULATED: each
// thread of a block is then a fibre of one processor thread (emulated/), and all of it can be
// tested on any machine. Sources know no difference, except for inline PTX, which is kept in small
// functions that have an emulated counterpart (emulated/collective.h).
//
// Rules: kernels are launched by gpu::launch, dynamic shared memory is gpu::dynamic_shared<T>(),
// alignment is __align__(n) or comes first (alignas(16) __shared__ ...). nvcc does not contract
// products and sums (--fmad=false), as nothing else in Phintys does: say fmaf() where you want it.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "device/table.h"

#ifdef PHINTYS_EMULATED
#include "emulated/kernel.h"
#include "emulated/launch.h"
#else
#include <cuda_runtime.h>
#endif

namespace phintys::device {

struct Stream {
  int device;
  cudaStream_t handle;
};

struct Recording {
  int device;
  cudaGraphExec_t handle;
  cudaGraph_t graph;
  // Of the body of a loop (loops/): the whole loop, once it has run; or that there can be none.
  cudaGraphExec_t loop = nullptr;
  bool no_loop = false;
};

}  // namespace phintys::device

namespace phintys::cuda {

using device::kOk;
using device::kOutOfMemory;
using device::kUnsupported;
using device::Status;
using device::Stream;

namespace gpu {

inline constexpr int kWarp = 32;
inline constexpr unsigned kAllLanes = 0xffffffffu;
inline constexpr int kMaxThreads = 1024;          // of a block
inline constexpr int64_t kMaxGridX = 2147483647;  // blocks
inline constexpr int64_t kMaxGridYZ = 65535;

// What a status of CUDA is in the device's table. Clears the error where the driver lets it.
Status status(cudaError_t error);

// Makes a device current, and the one before it again: other libraries depend on that.
class Current {
 public:
  explicit Current(int device);
  ~Current();
  Current(const Current&) = delete;
  Current& operator=(const Current&) = delete;
  Status status() const { return status_; }

 private:
  int before_ = -1;
  Status status_ = kOk;
};

// Properties of a device, asked for once.
int sm_count(int device);      // multiprocessors
int capability(int device);    // 90 for 9.0
int shared_limit(int device);  // bytes of shared memory that a block may have

#ifdef PHINTYS_EMULATED

using emulated::dynamic_shared;
using emulated::float_to_half;
using emulated::half_to_float;
using emulated::launch;
using emulated::named_barrier_arrive;
using emulated::named_barrier_sync;

#else

template <class T>
__device__ __forceinline__ T* dynamic_shared() {
  extern __shared__ __align__(128) unsigned char phintys_dynamic_shared[];
  return reinterpret_cast<T*>(phintys_dynamic_shared);
}

// Barrier `id` (1 to 15) of `threads` threads of the block, whole warps.
__device__ __forceinline__ void named_barrier_sync(int id, int threads) {
  asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory");
}
// The same without waiting.
__device__ __forceinline__ void named_barrier_arrive(int id, int threads) {
  asm volatile("bar.arrive %0, %1;" ::"r"(id), "r"(threads) : "memory");
}

__device__ __forceinline__ float half_to_float(uint16_t bits) {
  float value;
  asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
  return value;
}

__device__ __forceinline__ uint16_t float_to_half(float value) {
  uint16_t bits;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
  return bits;
}

// Queues kernel `function` with the arguments that `arguments` point to.
Status launch_pointers(Stream* stream, const void* function, dim3 grid, dim3 block,
                       size_t shared_bytes, void** arguments);

template <class... P>
Status launch_values(Stream* stream, void (*kernel)(P...), dim3 grid, dim3 block,
                     size_t shared_bytes, P... values) {
  void* pointers[] = {&values..., nullptr};
  return launch_pointers(stream, reinterpret_cast<const void*>(kernel), grid, block, shared_bytes,
                         pointers);
}

// Queues kernel<<<grid, block, shared_bytes>>>(values...). More than 48 KiB of dynamic shared
// memory are asked for as need be.
template <class... P, class... A>
Status launch(Stream* stream, void (*kernel)(P...), dim3 grid, dim3 block, size_t shared_bytes,
              const A&... values) {
  return launch_values<P...>(stream, kernel, grid, block, shared_bytes, values...);
}

#endif

}  // namespace gpu

}  // namespace phintys::cuda
