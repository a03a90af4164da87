#include "streams.h"

#include <new>

#include "gpu.h"
#include "memory.h"

namespace phintys::cuda {

using device::Recording;

namespace {

constexpr int kCopyThreads = 256;

// `Word` at a time where both pointers allow it; the last bytes one by one.
template <class Word>
__global__ void __launch_bounds__(kCopyThreads)
    copy_unless(char* __restrict__ to, const char* __restrict__ from, size_t bytes,
                const int* unless) {
  if (*unless != 0) return;
  const size_t words = bytes / sizeof(Word);
  const size_t first = size_t{blockIdx.x} * blockDim.x + threadIdx.x;
  const size_t step = size_t{gridDim.x} * blockDim.x;
  for (size_t i = first; i < words; i += step)
    reinterpret_cast<Word*>(to)[i] = reinterpret_cast<const Word*>(from)[i];
  for (size_t i = words * sizeof(Word) + first; i < bytes; i += step) to[i] = from[i];
}

// Whether the plug-in has code for the current device.
Status check_code() {
#ifndef PHINTYS_EMULATED
  cudaFuncAttributes attributes;
  const cudaError_t error = cudaFuncGetAttributes(&attributes, copy_unless<char>);
  if (error == cudaErrorNoKernelImageForDevice || error == cudaErrorInvalidDeviceFunction) {
    cudaGetLastError();
    return kNoCode;
  }
  return gpu::status(error);
#else
  return kOk;
#endif
}

Status open_stream(int device, Stream** stream) {
  *stream = nullptr;
  const gpu::Current current(device);
  if (current.status() != kOk) return current.status();
  const Status code = check_code();
  if (code != kOk) return code;
  cudaStream_t handle;
  const cudaError_t error = cudaStreamCreateWithFlags(&handle, cudaStreamNonBlocking);
  if (error != cudaSuccess) return gpu::status(error);
  *stream = new (std::nothrow) Stream{device, handle};
  if (*stream) return kOk;
  cudaStreamDestroy(handle);
  return kOutOfMemory;
}

void close_stream(Stream* stream) {
  const gpu::Current current(stream->device);
  cudaStreamDestroy(stream->handle);
  delete stream;
}

void* native_stream(Stream* stream) { return stream->handle; }

Status synchronize(Stream* stream) { return gpu::status(cudaStreamSynchronize(stream->handle)); }

Status wait_for_native(Stream* stream, void* other) {
  const gpu::Current current(stream->device);
  if (current.status() != kOk) return current.status();
  cudaEvent_t event;
  cudaError_t error = cudaEventCreateWithFlags(&event, cudaEventDisableTiming);
  if (error != cudaSuccess) return gpu::status(error);
  error = cudaEventRecord(event, static_cast<cudaStream_t>(other));
  if (error == cudaSuccess) error = cudaStreamWaitEvent(stream->handle, event, 0);
  const cudaError_t destroyed = cudaEventDestroy(event);  // once nobody waits for it any more
  return gpu::status(error != cudaSuccess ? error : destroyed);
}

// --- Copies --------------------------------------------------------------------------------------

Status upload(Stream* stream, void* to, const void* from, size_t bytes) {
  if (bytes == 0) return kOk;
  const gpu::Current current(stream->device);
  if (current.status() != kOk) return current.status();
  const bool wait = read_later(from);
  const cudaError_t error =
      cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream->handle);
  // Memory that another library has pinned may change as soon as this returns.
  return gpu::status(error == cudaSuccess && wait ? cudaStreamSynchronize(stream->handle) : error);
}

Status download(Stream* stream, void* to, const void* from, size_t bytes) {
  if (bytes == 0) return kOk;
  const gpu::Current current(stream->device);
  if (current.status() != kOk) return current.status();
  return gpu::status(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream->handle));
}

Status copy(Stream* stream, void* to, const void* from, size_t bytes, const int* unless) {
  if (bytes == 0) return kOk;
  if (!unless) {
    const gpu::Current current(stream->device);
    if (current.status() != kOk) return current.status();
    return gpu::status(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream->handle));
  }
  const bool aligned =
      (reinterpret_cast<uintptr_t>(to) | reinterpret_cast<uintptr_t>(from)) % 16 == 0;
  const size_t words = aligned ? bytes / 16 + bytes % 16 : bytes;
  const size_t full = static_cast<size_t>(gpu::sm_count(stream->device)) * 8;
  const size_t wanted = (words + kCopyThreads - 1) / kCopyThreads;
  const dim3 grid(static_cast<unsigned>(wanted < full ? wanted : full));
  return gpu::launch(stream, aligned ? copy_unless<uint4> : copy_unless<char>, grid, kCopyThreads,
                     0, static_cast<char*>(to), static_cast<const char*>(from), bytes, unless);
}

Status copy_from(Stream* stream, void* to, int device, const void* from, size_t bytes) {
  if (bytes == 0) return kOk;
  const gpu::Current current(stream->device);
  if (current.status() != kOk) return current.status();
  return gpu::status(cudaMemcpyPeerAsync(to, stream->device, from, device, bytes, stream->handle));
}

Status clear(Stream* stream, void* to, size_t bytes) {
  if (bytes == 0) return kOk;
  const gpu::Current current(stream->device);
  if (current.status() != kOk) return current.status();
  return gpu::status(cudaMemsetAsync(to, 0, bytes, stream->handle));
}

// --- Recordings: CUDA graphs ---------------------------------------------------------------------

Status begin_recording(Stream* stream) {
  const gpu::Current current(stream->device);
  if (current.status() != kOk) return current.status();
  // Relaxed: memory may be asked for, and kernels loaded, while the work is being recorded.
  return gpu::status(cudaStreamBeginCapture(stream->handle, cudaStreamCaptureModeRelaxed));
}

Status end_recording(Stream* stream, Recording** recording) {
  *recording = nullptr;
  const gpu::Current current(stream->device);
  if (current.status() != kOk) return current.status();
  cudaGraph_t graph = nullptr;
  cudaError_t error = cudaStreamEndCapture(stream->handle, &graph);
  if (error != cudaSuccess) return gpu::status(error);
  cudaGraphExec_t made = nullptr;
  error = cudaGraphInstantiate(&made, graph, 0);
  if (error == cudaSuccess) *recording = new (std::nothrow) Recording{stream->device, made, graph};
  if (*recording) return kOk;
  cudaGraphDestroy(graph);
  if (error != cudaSuccess) return gpu::status(error);
  cudaGraphExecDestroy(made);
  return kOutOfMemory;
}

Status replay(Stream* stream, Recording* recording) {
  const gpu::Current current(stream->device);
  if (current.status() != kOk) return current.status();
  return gpu::status(cudaGraphLaunch(recording->handle, stream->handle));
}

void drop_recording(Recording* recording) {
  if (!recording) return;
  const gpu::Current current(recording->device);
  if (recording->loop) cudaGraphExecDestroy(recording->loop);
  cudaGraphExecDestroy(recording->handle);
  cudaGraphDestroy(recording->graph);
  delete recording;
}

}  // namespace

void add_streams(device::Table* table) {
  table->open_stream = open_stream;
  table->close_stream = close_stream;
  table->native_stream = native_stream;
  table->synchronize = synchronize;
  table->wait_for_native = wait_for_native;
  table->upload = upload;
  table->download = download;
  table->copy = copy;
  table->copy_from = copy_from;
  table->clear = clear;
  table->begin_recording = begin_recording;
  table->end_recording = end_recording;
  table->replay = replay;
  table->drop_recording = drop_recording;
}

}  // namespace phintys::cuda
