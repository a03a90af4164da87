// Launches: what the GPU would refuse, the blocks one after another, and the memory they share.
#include "emulated/launch.h"

#include <link.h>
#include <stdlib.h>

#include <memory>
#include <mutex>

#include "emulated/block.h"
#include "emulated/collective.h"
#include "emulated/queue.h"
#include "gpu.h"

namespace phintys::cuda::emulated {
namespace {

constexpr size_t kGuardBytes = 4096;
constexpr unsigned char kGuard = 0xa5;
// Bytes of shared memory that are overwritten in a launch, at most; the first blocks are enough.
constexpr size_t kPoisonBudget = size_t{4} << 20;

std::mutex running;  // held while kernels run
uint64_t launches = 0;

// Dynamic shared memory is aligned as gpu.h says, and no better.
alignas(256) unsigned char shared_memory[128 + kMaxShared + kGuardBytes];
unsigned char* const dynamic_begin = shared_memory + 128;

// Where the thread's __shared__ variables are: all thread-local memory of this library without an
// initial value.
struct Static {
  char* begin = nullptr;
  size_t bytes = 0;
};

__shared__ char anchor;

Static find_static() {
  anchor = 0;  // makes the memory exist
  struct Search {
    Static found;
    const char* anchor;
  } search{{}, &anchor};
  dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* data) {
        auto* search = static_cast<Search*>(data);
        if (!info->dlpi_tls_data) return 0;
        for (int i = 0; i < info->dlpi_phnum; ++i) {
          const ElfW(Phdr) & part = info->dlpi_phdr[i];
          if (part.p_type != PT_TLS) continue;
          char* begin = static_cast<char*>(info->dlpi_tls_data);
          if (search->anchor < begin || search->anchor >= begin + part.p_memsz) continue;
          search->found = {begin + part.p_filesz, part.p_memsz - part.p_filesz};
          return 1;
        }
        return 0;
      },
      &search);
  return search.found;
}

bool reversed() {
  const char* order = getenv("PHINTYS_EMULATED_ORDER");
  return order && strcmp(order, "reverse") == 0;
}

void check_shared(const Launch& launch) {
  const unsigned char* end = dynamic_begin + launch.shared_bytes;
  for (size_t i = 0; i < kGuardBytes; ++i)
    if (end[i] != kGuard)
      misuse("the kernel launched at %s:%d writes beyond its %zu bytes of dynamic shared memory",
             launch.file, launch.line, launch.shared_bytes);
}

}  // namespace

void* dynamic_shared_memory() { return dynamic_begin; }

void run_blocks(const Launch& launch) {
  const std::lock_guard lock(running);
  ++launches;
  const bool reverse = reversed();
  const Static fixed = find_static();
  memset(dynamic_begin + launch.shared_bytes, kGuard, kGuardBytes);
  const uint64_t x = launch.grid.x, y = launch.grid.y, blocks = x * y * launch.grid.z;
  size_t poisoned = 0;
  for (uint64_t n = 0; n < blocks; ++n) {
    const uint64_t b = reverse ? blocks - 1 - n : n;
    if (poisoned < kPoisonBudget) {
      memset(fixed.begin, kPoison, fixed.bytes);
      memset(dynamic_begin, kPoison, launch.shared_bytes);
      poisoned += fixed.bytes + launch.shared_bytes + 1;
    }
    run_block(launch,
              {static_cast<unsigned>(b % x), static_cast<unsigned>(b / x % y),
               static_cast<unsigned>(b / x / y)},
              reverse);
    check_shared(launch);
  }
  check_guards(launch.file, launch.line);
}

int queue_launch(device::Stream* stream, Launch launch) {
  const dim3 &grid = launch.grid, &block = launch.block;
  const uint64_t threads = uint64_t{block.x} * block.y * block.z;
  if (threads == 0 || threads > kMaxThreads || block.z > 64 || grid.x == 0 || grid.y == 0 ||
      grid.z == 0 || grid.x > gpu::kMaxGridX || grid.y > gpu::kMaxGridYZ ||
      grid.z > gpu::kMaxGridYZ)
    return cudaErrorInvalidConfiguration;
  if (launch.shared_bytes > emulated_shared_limit()) return cudaErrorInvalidValue;
  add_work(stream->handle, [launch = std::move(launch)] { run_blocks(launch); });
  return cudaSuccess;
}

}  // namespace phintys::cuda::emulated

// For tests: kernels launched so far.
extern "C" __attribute__((visibility("default"))) uint64_t phintys_emulated_launches() {
  const std::lock_guard lock(phintys::cuda::emulated::running);
  return phintys::cuda::emulated::launches;
}
