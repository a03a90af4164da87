// What the plug-in tells libphintys about this machine's GPUs.
#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdio>

#include "base/export.h"

// Writes a one-line description to buf (at most n bytes, terminated) and returns the number of
// usable devices. A machine without a driver or a device is a normal one: it returns 0 and the
// reason. Only an error of a driver that is there gives a negative CUDA error code.
extern "C" PHINTYS_PUBLIC int phintys_cuda_status(char* buf, std::size_t n) {
  int devices = 0;
  const cudaError_t status = cudaGetDeviceCount(&devices);
  switch (status) {
    case cudaSuccess:
      break;
    case cudaErrorInsufficientDriver: {
      int driver = 0;
      cudaDriverGetVersion(&driver);
      if (driver == 0) {
        std::snprintf(buf, n, "no GPU: no CUDA driver is installed");
      } else {
        std::snprintf(buf, n, "no GPU: the CUDA driver (%d.%d) is too old, %d.%d is needed",
                      driver / 1000, driver % 1000 / 10, CUDART_VERSION / 1000,
                      CUDART_VERSION % 1000 / 10);
      }
      return 0;
    }
    case cudaErrorNoDevice:
      std::snprintf(buf, n, "no GPU: the CUDA driver reports no device");
      return 0;
    default:
      std::snprintf(buf, n, "CUDA error %d: %s", static_cast<int>(status),
                    cudaGetErrorString(status));
      return -static_cast<int>(status);
  }
  if (devices == 0) {
    std::snprintf(buf, n, "no GPU: the CUDA driver reports no device");
    return 0;
  }
  cudaDeviceProp prop;
  if (cudaGetDeviceProperties(&prop, 0) != cudaSuccess) {
    std::snprintf(buf, n, "%d GPU%s", devices, devices == 1 ? "" : "s");
  } else {
    std::snprintf(buf, n, "%d GPU%s: %s (compute capability %d.%d, %.1f GiB)", devices,
                  devices == 1 ? "" : "s", prop.name, prop.major, prop.minor,
                  static_cast<double>(prop.totalGlobalMem) / (1024.0 * 1024.0 * 1024.0));
  }
  return devices;
}
