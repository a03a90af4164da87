#include "memory.h"

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

Status allocate_staging(size_t bytes, void** block) {
  *block = nullptr;
  return gpu::status(cudaHostAlloc(block, bytes, cudaHostAllocPortable));
}

Status release_staging(void* block) { return gpu::status(cudaFreeHost(block)); }

}  // namespace

void add_memory(device::Table* table) {
  table->memory_info = memory_info;
  table->allocate = allocate;
  table->release = release;
  table->allocate_staging = allocate_staging;
  table->release_staging = release_staging;
}

}  // namespace phintys::cuda
