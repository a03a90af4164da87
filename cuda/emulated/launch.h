// Launching a kernel in the emulation: at once, or into a recording.
#pragma once

#include "emulated/runtime.h"
#include "emulated/types.h"

namespace phintys::device {
struct Stream;
}

namespace phintys::cuda::emulated {

// A stream, and where in the source it is handed to launch().
struct LaunchSite {
  LaunchSite(device::Stream* stream, const char* file = __builtin_FILE(),
             int line = __builtin_LINE())
      : stream(stream), file(file), line(line) {}
  device::Stream* stream;
  const char* file;
  int line;
};

struct Launch {
  dim3 grid, block;
  size_t shared_bytes;
  const char* file;
  int line;
  std::function<void()> thread;  // what each thread does
};

// Runs all blocks of a launch. One at a time in the process.
void run_blocks(const Launch& launch);
// Runs or records it; a cudaError_t if the GPU would refuse it.
int queue_launch(device::Stream* stream, Launch launch);

template <class... P, class... A>
int launch(LaunchSite site, void (*kernel)(P...), dim3 grid, dim3 block, size_t shared_bytes,
           const A&... values) {
  static_assert((sizeof(P) + ... + 0) <= 32764, "more arguments than CUDA 12.1 and later take");
  return queue_launch(site.stream, {grid, block, shared_bytes, site.file, site.line,
                                    [kernel, arguments = std::tuple<P...>(values...)] {
                                      std::apply(kernel, arguments);
                                    }});
}

}  // namespace phintys::cuda::emulated
