#include "memory.h"

#include <mutex>

#include "gpu.h"

namespace phintys::cuda {
namespace {

Status memory_info(int device, size_t* free, size_t* total) {
  const gpu::Current current(device);
  if (current.status() != kOk) return current.status();
  return gpu::status(cudaMemGetInfo(free, total));
}

Status allocate(int device, size_t bytes, void** block) {
  const gpu::Current current(device);
  *block = nullptr;
  if (current.status() != kOk) return current.status();
  return gpu::status(cudaMalloc(block, bytes));
}

Status release(int device, void* block) {
  const gpu::Current current(device);
  if (current.status() != kOk) return current.status();
  return gpu::status(cudaFree(block));
}

// Staging memory of this process; what finds no place here is used like any other memory.
struct Staging {
  const char* begin;
  size_t bytes;
};
constexpr int kStagingBlocks = 64;
Staging staging[kStagingBlocks];
std::mutex staging_mutex;

Status allocate_staging(size_t bytes, void** block) {
  *block = nullptr;
  const Status status = gpu::status(cudaHostAlloc(block, bytes, cudaHostAllocPortable));
  if (status != kOk) return status;
  const std::lock_guard lock(staging_mutex);
  for (Staging& one : staging) {
    if (one.begin) continue;
    one = {static_cast<const char*>(*block), bytes};
    break;
  }
  return kOk;
}

Status release_staging(void* block) {
  {
    const std::lock_guard lock(staging_mutex);
    for (Staging& one : staging)
      if (one.begin == block) one = {};
  }
  return gpu::status(cudaFreeHost(block));
}

bool is_staging(const void* block) {
  const auto* at = static_cast<const char*>(block);
  const std::lock_guard lock(staging_mutex);
  for (const Staging& one : staging)
    if (one.begin && at >= one.begin && at < one.begin + one.bytes) return true;
  return false;
}

}  // namespace

bool read_later(const void* block) {
  if (is_staging(block)) return false;
  cudaPointerAttributes attributes;
  const cudaError_t error = cudaPointerGetAttributes(&attributes, block);
  if (error != cudaSuccess) {
    cudaGetLastError();
    return true;
  }
  return attributes.type != cudaMemoryTypeUnregistered;
}

void add_memory(device::Table* table) {
  table->memory_info = memory_info;
  table->allocate = allocate;
  table->release = release;
  table->allocate_staging = allocate_staging;
  table->release_staging = release_staging;
}

}  // namespace phintys::cuda
