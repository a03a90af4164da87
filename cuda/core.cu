// What all kernels need of CUDA: errors, the current device, its properties, launches.
#include "gpu.h"

namespace phintys::cuda::gpu {

Status status(cudaError_t error) {
  if (error == cudaSuccess) return kOk;
  cudaGetLastError();  // or the next call would give it again
  return error == cudaErrorMemoryAllocation ? kOutOfMemory : static_cast<Status>(error);
}

Current::Current(int device) {
  status_ = gpu::status(cudaGetDevice(&before_));
  if (status_ != kOk) return;
  if (before_ == device) {
    before_ = -1;
  } else {
    status_ = gpu::status(cudaSetDevice(device));
  }
}

Current::~Current() {
  if (before_ >= 0) cudaSetDevice(before_);
}

namespace {

constexpr int kDevices = 64;

int attribute(cudaDeviceAttr name, int device) {
  int value = 0;
  return cudaDeviceGetAttribute(&value, name, device) == cudaSuccess ? value : 0;
}

// Asked for again beyond kDevices, and after a failure. Several threads may write the same value.
int kept(int (&values)[kDevices], cudaDeviceAttr name, int device) {
  if (device < 0 || device >= kDevices) return attribute(name, device);
  const int value = __atomic_load_n(&values[device], __ATOMIC_RELAXED);
  if (value != 0) return value;
  const int found = attribute(name, device);
  __atomic_store_n(&values[device], found, __ATOMIC_RELAXED);
  return found;
}

}  // namespace

int sm_count(int device) {
  static int values[kDevices];
  const int count = kept(values, cudaDevAttrMultiProcessorCount, device);
  return count > 0 ? count : 1;
}

int capability(int device) {
  static int major[kDevices], minor[kDevices];
  return 10 * kept(major, cudaDevAttrComputeCapabilityMajor, device) +
         kept(minor, cudaDevAttrComputeCapabilityMinor, device);
}

int shared_limit(int device) {
  static int values[kDevices];
  return kept(values, cudaDevAttrMaxSharedMemoryPerBlockOptin, device);
}

#ifndef PHINTYS_EMULATED

Status launch_pointers(Stream* stream, const void* function, dim3 grid, dim3 block,
                       size_t shared_bytes, void** arguments) {
  const Current current(stream->device);
  if (current.status() != kOk) return current.status();
  // 48 KiB are there without asking, the kernel's static variables included.
  if (shared_bytes > 8 * 1024) {
    const cudaError_t allowed = cudaFuncSetAttribute(
        function, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared_bytes));
    if (allowed != cudaSuccess) return status(allowed);
  }
  return status(cudaLaunchKernel(function, grid, block, arguments, shared_bytes, stream->handle));
}

#endif

}  // namespace phintys::cuda::gpu
