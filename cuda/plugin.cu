// The table that libphintys reads, and what the plug-in says of this machine's devices.
#include "plugin.h"

#include <stdio.h>

#include "gpu.h"
#include "libraries.h"
#include "memory.h"
#include "streams.h"

namespace phintys::cuda {
namespace {

#ifdef PHINTYS_EMULATED
constexpr char kKind[] = "emulated";
#else
constexpr char kKind[] = "cuda";
#endif

// A machine without a driver or a device is a normal one.
int count(char* text, size_t size) {
  int devices = 0;
  const cudaError_t error = cudaGetDeviceCount(&devices);
  switch (error) {
    case cudaSuccess:
      break;
    case cudaErrorInsufficientDriver: {
      int driver = 0;
      cudaDriverGetVersion(&driver);
      if (driver == 0) {
        snprintf(text, size, "no GPU: no CUDA driver is installed");
      } else {
        snprintf(text, size, "no GPU: the CUDA driver (%d.%d) is too old, %d.%d is needed",
                 driver / 1000, driver % 1000 / 10, CUDART_VERSION / 1000,
                 CUDART_VERSION % 1000 / 10);
      }
      break;
    }
    case cudaErrorNoDevice:
      snprintf(text, size, "no GPU: the CUDA driver reports no device");
      break;
    default:
      snprintf(text, size, "no GPU can be used: %s (%s)", cudaGetErrorName(error),
               cudaGetErrorString(error));
  }
  if (error != cudaSuccess) {
    cudaGetLastError();
    return 0;
  }
  if (devices == 0) {
    snprintf(text, size, "no GPU: the CUDA driver reports no device");
  } else {
    snprintf(text, size, "%d GPU%s", devices, devices == 1 ? "" : "s");
  }
  return devices;
}

Status describe(int device, char* text, size_t size) {
  cudaDeviceProp properties;
  const cudaError_t error = cudaGetDeviceProperties(&properties, device);
  if (error != cudaSuccess) return gpu::status(error);
  snprintf(text, size, "%s (compute capability %d.%d, %.1f GiB)", properties.name, properties.major,
           properties.minor,
           static_cast<double>(properties.totalGlobalMem) / (1024.0 * 1024.0 * 1024.0));
  return kOk;
}

// After these the driver refuses all else that this process wants of the device.
bool final(cudaError_t error) {
  const int code = error;
  return code == 700 || (code >= 710 && code <= 719);  // cudaErrorIllegalAddress, ...Assert to ...
}

const char* error_text(Status status) {
  if (status == kOk) return "no error";
  if (status == kOutOfMemory) return "out of memory (cudaErrorMemoryAllocation)";
  if (status == kUnsupported) return "there is no kernel for this";
  if (status == kNoCode)
    return "the plug-in was built without code for this GPU (cudaErrorNoKernelImageForDevice); "
           "those of compute capability 8.0 and later have it unless the build chose others";
  // Not thread-local without an initial value: see emulated/launch.cpp.
  thread_local char text[256] = "-";
  const auto error = static_cast<cudaError_t>(status);
  snprintf(text, sizeof text, "%s (%s)%s", cudaGetErrorString(error), cudaGetErrorName(error),
           final(error) ? "; this process can use the device no more" : "");
  return text;
}

device::Table make_table() {
  device::Table table{};
  table.version = device::kTableVersion;
  table.kind = kKind;
  table.count = count;
  table.describe = describe;
  table.error_text = error_text;
  table.set_library_folders = set_library_folders;
  add_memory(&table);
  add_streams(&table);
  table.fused = fused_kernels();
  table.products = product_kernels();
  table.rows = row_kernels();
  table.order = order_kernels();
  table.indexing = index_kernels();
  table.convolution = conv_kernels();
  table.pooling = pool_kernels();
  table.random = random_kernels();
  table.solvers = solver_kernels();
  table.loops = loop_kernels();
  return table;
}

}  // namespace
}  // namespace phintys::cuda

extern "C" __attribute__((visibility("default"))) const phintys::device::Table*
phintys_device_table(int32_t version) {
  if (version != phintys::device::kTableVersion) return nullptr;
  static const phintys::device::Table table = phintys::cuda::make_table();
  return &table;
}
