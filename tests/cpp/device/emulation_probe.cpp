// Kernels that use the emulated GPU well and badly, for test_emulation.cpp. A library of its own:
// thread-local memory of the library that kernels are in is theirs (cuda/emulated/launch.cpp).
#include "emulation_probe.h"

#include <string>

#include "gpu.h"

using namespace phintys::cuda;

namespace {

// --- Working together
// -----------------------------------------------------------------------------

// Sums of 256 values by each block; threads from `leave` on end before the barrier.
__global__ void __launch_bounds__(256) sums(const int* x, int* out, int n, int leave) {
  __shared__ int parts[8];
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  int sum = i < n ? x[i] : 0;
#pragma unroll
  for (int step = 16; step > 0; step /= 2) sum += __shfl_xor_sync(gpu::kAllLanes, sum, step);
  if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = sum;
  if (static_cast<int>(threadIdx.x) >= leave) return;
  __syncthreads();
  if (threadIdx.x == 0) {
    int all = 0;
    for (int w = 0; w < 8; ++w) all += parts[w];
    out[blockIdx.x] = all;
  }
}

// 16 rows of 32 results.
__global__ void collectives(int* out) {
  const int lane = static_cast<int>(threadIdx.x);
  const int v = 100 + lane;
  const unsigned all = gpu::kAllLanes;
  int row = 0;
  auto put = [&](int value) { out[32 * row++ + lane] = value; };
  put(__shfl_sync(all, v, 5));
  put(__shfl_sync(all, v, lane + 1, 8));
  put(__shfl_up_sync(all, v, 3));
  put(__shfl_up_sync(all, v, 1, 16));
  put(__shfl_down_sync(all, v, 3));
  put(__shfl_down_sync(all, v, 1, 4));
  put(__shfl_xor_sync(all, v, 17));
  put(static_cast<int>(__ballot_sync(all, lane % 3 == 0)));
  put(__any_sync(all, lane == 31) * 2 + __any_sync(all, 0));
  put(__all_sync(all, lane < 32) * 2 + __all_sync(all, lane != 31));
  put(static_cast<int>(__match_any_sync(all, lane % 4)));
  put(__reduce_add_sync(all, v));
  put(static_cast<int>(__reduce_max_sync(all, static_cast<unsigned>(v))));
  put(static_cast<int>(__shfl_xor_sync(all, v + 0.5, 1) * 2));
  put(lane < 16 ? __shfl_xor_sync(0x0000ffffu, v, 1) : __shfl_xor_sync(0xffff0000u, v, 2));
  __syncwarp();
  put(static_cast<int>(__shfl_sync(all, static_cast<long long>(v) << 32, 31) >> 32));
}

__global__ void counts(int* out) {
  const int odd = threadIdx.x % 2;
  const int count = __syncthreads_count(odd);
  const int any = __syncthreads_or(threadIdx.x == 77);
  const int none = __syncthreads_or(0);
  const int all = __syncthreads_and(1);
  const int not_all = __syncthreads_and(odd);
  out[threadIdx.x] = count * 10000 + any * 1000 + none * 100 + all * 10 + not_all;
}

// Two warps hand pieces to two others.
__global__ void named(int* out) {
  __shared__ int piece[64];
  const int warp = static_cast<int>(threadIdx.x) / 32, slot = static_cast<int>(threadIdx.x) % 64;
  for (int round = 0; round < 3; ++round) {
    if (warp < 2) {
      if (round > 0) gpu::named_barrier_sync(2, 128);
      piece[slot] = 100 * round + slot;
      gpu::named_barrier_arrive(1, 128);
    } else {
      gpu::named_barrier_sync(1, 128);
      out[64 * round + slot] = piece[63 - slot];
      if (round < 2) gpu::named_barrier_arrive(2, 128);
    }
  }
}

// An instruction of the whole warp: all get the value of the lane that holds the greatest.
__device__ int greatest(int value) {
  struct Mine {
    int value, result;
  } mine{value, 0};
  emulated::warp_act("greatest", &mine, [](void* const* lanes, int count) {
    int best = 0;
    for (int l = 0; l < count; ++l)
      if (lanes[l]) best = max(best, static_cast<Mine*>(lanes[l])->value);
    for (int l = 0; l < count; ++l)
      if (lanes[l]) static_cast<Mine*>(lanes[l])->result = best;
  });
  return mine.result;
}

__global__ void instruction(int* out) {
  const int t = static_cast<int>(threadIdx.x);
  out[t] = greatest(t * 7 % 41);
}

// --- Order and memory
// -----------------------------------------------------------------------------

__global__ void order(int* out, int* next) {
  const int turn = atomicAdd(next, 1);
  out[turn] = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
}

// A barrier is missing.
__global__ void race(int* out) {
  __shared__ int line[64];
  line[threadIdx.x] = static_cast<int>(threadIdx.x);
  out[threadIdx.x] = threadIdx.x > 0 ? line[threadIdx.x - 1] : 0;
}

__global__ void undefined(int* out) {
  __shared__ int fixed[4];
  int* dynamic = gpu::dynamic_shared<int>();
  if (threadIdx.x == 0) {
    out[2 * blockIdx.x] = fixed[3];
    out[2 * blockIdx.x + 1] = dynamic[3];
  }
  __syncthreads();
  fixed[3] = dynamic[3] = 5;
}

__global__ void indices(int* out) {
  const unsigned t = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  const unsigned b = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  out[b * blockDim.x * blockDim.y * blockDim.z + t] =
      static_cast<int>(threadIdx.x + 10 * threadIdx.y + 100 * threadIdx.z + 1000 * blockIdx.x +
                       10000 * blockIdx.y + 100000 * blockIdx.z);
}

// --- Mistakes
// -------------------------------------------------------------------------------------

__global__ void mistake(int* out, int which) {
  __shared__ int shared[32];
  const int t = static_cast<int>(threadIdx.x);
  switch (which) {
    case 0:
      if (t < 7) {
        __syncthreads();
      } else {
        __syncthreads();
      }
      break;
    case 1:
      if (t == 3) __shfl_sync(0xfffffff0u, t, 0);
      break;
    case 2:
      if (t == 0) __syncthreads();
      __syncwarp();
      break;
    case 3:
      shared[0] = 0;
      while (*static_cast<volatile int*>(shared) == 0) __nanosleep(10);
      break;
    case 4:
      gpu::dynamic_shared<char>()[17] = 1;
      break;
    case 5:
      out[-1] = 1;
      break;
    case 6:
      reinterpret_cast<int4*>(out + 1)->x = 1;
      break;
    case 7:
      gpu::named_barrier_sync(1, 64);  // of 32 threads
      break;
    case 8:
      __trap();
    default:
      break;
  }
}

}  // namespace

extern "C" int probe(const char* what, int* out, int n, int argument) {
  static Stream* stream = [] {
    auto* made = new Stream{0, nullptr};
    cudaStreamCreateWithFlags(&made->handle, cudaStreamNonBlocking);
    return made;
  }();
  void *block = nullptr, *more = nullptr;
  if (cudaMalloc(&block, static_cast<size_t>(n) * sizeof(int)) != cudaSuccess) return -100;
  cudaMalloc(&more, static_cast<size_t>(n) * sizeof(int));
  int *data = static_cast<int*>(block), *help = static_cast<int*>(more);
  cudaMemcpyAsync(help, out, static_cast<size_t>(n) * sizeof(int), cudaMemcpyHostToDevice,
                  stream->handle);
  const std::string name = what;
  Status status = -101;
  if (name == "sums") {
    status = gpu::launch(stream, sums, (n + 255) / 256, 256, 0, help, data, n, argument);
  } else if (name == "collectives") {
    status = gpu::launch(stream, collectives, 1, 32, 0, data);
  } else if (name == "counts") {
    status = gpu::launch(stream, counts, 1, n, 0, data);
  } else if (name == "named") {
    status = gpu::launch(stream, named, 1, 128, 0, data);
  } else if (name == "instruction") {
    status = gpu::launch(stream, instruction, 1, n, 0, data);
  } else if (name == "order") {
    cudaMemsetAsync(help, 0, sizeof(int), stream->handle);
    status = gpu::launch(stream, order, 4, n / 4, 0, data, help);
  } else if (name == "race") {
    status = gpu::launch(stream, race, 1, n, 0, data);
  } else if (name == "undefined") {
    status = gpu::launch(stream, undefined, n / 2, 64, 16, data);
  } else if (name == "indices") {
    status = gpu::launch(stream, indices, dim3(3, 2, 2), dim3(4, 3, 2), 0, data);
  } else if (name == "mistake") {
    status = gpu::launch(stream, mistake, 1, 32, 16, data, argument);
  } else if (name == "threads") {
    status = gpu::launch(stream, indices, 1, argument, 0, data);
  } else if (name == "rows") {
    status = gpu::launch(stream, indices, dim3(1, argument), 1, 0, data);
  } else if (name == "shared") {
    status = gpu::launch(stream, undefined, 1, 64, argument, data);
  }
  cudaMemcpyAsync(out, data, static_cast<size_t>(n) * sizeof(int), cudaMemcpyDeviceToHost,
                  stream->handle);
  cudaStreamSynchronize(stream->handle);
  cudaFree(block);
  cudaFree(more);
  return status;
}

extern "C" uint16_t probe_to_half(float value) { return gpu::float_to_half(value); }
extern "C" float probe_to_float(uint16_t bits) { return gpu::half_to_float(bits); }
