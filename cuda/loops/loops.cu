// Loops that stay on the device: the work of a step is a recording, repeated by a while node of a
// CUDA graph.
#include "device/loops.h"

#include "gpu.h"
#include "plugin.h"

namespace phintys::cuda {

using device::LoopKernels;
using device::LoopState;
using device::Recording;
using device::RowMove;

namespace {

constexpr int kThreads = 256;
constexpr int64_t kBytesPerBlock = 16 * 1024;
constexpr int kMaxBlocksPerMove = 4096;

__device__ __forceinline__ char* row_at(const RowMove& move, int64_t step) {
  int64_t row = move.first + step;
  if (move.size > 0) row %= move.size;
  return move.rows + row * move.stride;
}

// blockIdx.y: the move. Words of 16 or 4 bytes where both ends allow it.
template <class Word>
__device__ __forceinline__ void copy_words(char* to, const char* from, int64_t bytes) {
  const int64_t words = bytes / static_cast<int64_t>(sizeof(Word));
  const int64_t step = int64_t{gridDim.x} * kThreads;
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < words; i += step)
    reinterpret_cast<Word*>(to)[i] = reinterpret_cast<const Word*>(from)[i];
}

template <bool kLoad>
__global__ void __launch_bounds__(kThreads)
    move_rows(const RowMove* moves, int n, const LoopState* state) {
  for (int k = static_cast<int>(blockIdx.y); k < n; k += static_cast<int>(gridDim.y)) {
    const RowMove move = moves[k];
    char* const row = row_at(move, state->step);
    char* const to = kLoad ? move.fixed : row;
    const char* const from = kLoad ? row : move.fixed;
    const uintptr_t ends = reinterpret_cast<uintptr_t>(to) | reinterpret_cast<uintptr_t>(from) |
                           static_cast<uintptr_t>(move.bytes);
    if (ends % 16 == 0) {
      copy_words<uint4>(to, from, move.bytes);
    } else if (ends % 4 == 0) {
      copy_words<uint32_t>(to, from, move.bytes);
    } else {
      copy_words<char>(to, from, move.bytes);
    }
  }
}

template <bool kLoad>
Status queue_moves(Stream* stream, const RowMove* moves, int n, int64_t most,
                   const LoopState* state) {
  if (n == 0 || most == 0) return kOk;
  int64_t blocks = (most + kBytesPerBlock - 1) / kBytesPerBlock;
  if (blocks > kMaxBlocksPerMove) blocks = kMaxBlocksPerMove;
  const dim3 grid(static_cast<unsigned>(blocks),
                  static_cast<unsigned>(n < gpu::kMaxGridYZ ? n : gpu::kMaxGridYZ));
  return gpu::launch(stream, move_rows<kLoad>, grid, kThreads, 0, moves, n, state);
}

__global__ void next_step(LoopState* state, const bool* stop) {
  const int64_t step = ++state->step;
  state->go = step < state->steps && !(stop && *stop);
}

Status advance(Stream* stream, LoopState* state, const bool* stop) {
  return gpu::launch(stream, next_step, 1, 1, 0, state, stop);
}

#ifdef PHINTYS_EMULATED

Status repeat(Stream* stream, Recording* body, LoopState* state, int64_t steps, bool) {
  Status status = gpu::status(cudaStreamSynchronize(stream->handle));
  for (int64_t i = 0; i < steps && status == kOk && state->go != 0; ++i) {
    status = gpu::status(cudaGraphLaunch(body->handle, stream->handle));
    if (status == kOk) status = gpu::status(cudaStreamSynchronize(stream->handle));
  }
  if (status != kOk) return status;
  return kOk;
}

#else

__global__ void set_condition(cudaGraphConditionalHandle handle, const LoopState* state) {
  cudaGraphSetConditional(handle, state->go != 0 ? 1 : 0);
}

// while (condition) { body; condition = state->go; }
Status make_loop(Recording* body, LoopState* state) {
  cudaGraph_t graph = nullptr;
  cudaError_t error = cudaGraphCreate(&graph, 0);
  if (error != cudaSuccess) return gpu::status(error);
  cudaGraphConditionalHandle handle;
  error = cudaGraphConditionalHandleCreate(&handle, graph, 1, cudaGraphCondAssignDefault);
  cudaGraphNodeParams params = {};
  params.type = cudaGraphNodeTypeConditional;
  params.conditional.handle = handle;
  params.conditional.type = cudaGraphCondTypeWhile;
  params.conditional.size = 1;
  cudaGraphNode_t loop, step, condition;
  if (error == cudaSuccess) error = cudaGraphAddNode(&loop, graph, nullptr, nullptr, 0, &params);
  if (error == cudaSuccess) {
    const cudaGraph_t inside = params.conditional.phGraph_out[0];
    error = cudaGraphAddChildGraphNode(&step, inside, nullptr, 0, body->graph);
    const LoopState* seen = state;
    void* arguments[] = {&handle, &seen};
    cudaKernelNodeParams kernel = {};
    kernel.func = reinterpret_cast<void*>(&set_condition);
    kernel.gridDim = dim3(1);
    kernel.blockDim = dim3(1);
    kernel.kernelParams = arguments;
    if (error == cudaSuccess) error = cudaGraphAddKernelNode(&condition, inside, &step, 1, &kernel);
  }
  if (error == cudaSuccess) error = cudaGraphInstantiate(&body->loop, graph, 0);
  cudaGraphDestroy(graph);
  if (error == cudaSuccess) return kOk;
  body->loop = nullptr;
  return gpu::status(error);
}

// Where the driver has no while nodes (before 12.3), or not for this body, the host queues the
// steps one after another, without waiting for any: it cannot know where a loop with a condition
// ends.
Status repeat(Stream* stream, Recording* body, LoopState* state, int64_t steps, bool may_stop) {
  const gpu::Current current(stream->device);
  if (current.status() != kOk) return current.status();
  if (!body->loop && !body->no_loop && make_loop(body, state) != kOk) body->no_loop = true;
  if (body->loop) return gpu::status(cudaGraphLaunch(body->loop, stream->handle));
  for (int64_t i = 0; i < steps; ++i) {
    const Status status = gpu::status(cudaGraphLaunch(body->handle, stream->handle));
    if (status != kOk) return status;
    if (!may_stop) continue;
    LoopState seen;
    cudaError_t error =
        cudaMemcpyAsync(&seen, state, sizeof seen, cudaMemcpyDeviceToHost, stream->handle);
    if (error == cudaSuccess) error = cudaStreamSynchronize(stream->handle);
    if (error != cudaSuccess) return gpu::status(error);
    if (seen.go == 0) break;
  }
  return kOk;
}

#endif

constexpr LoopKernels kKernels = {queue_moves<true>, queue_moves<false>, advance, repeat};

}  // namespace

const LoopKernels* loop_kernels() { return &kKernels; }

}  // namespace phintys::cuda
