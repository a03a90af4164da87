// Between launches and the blocks they are made of.
#pragma once

#include "emulated/launch.h"

namespace phintys::cuda::emulated {

inline constexpr int kMaxThreads = 1024;          // of a block
inline constexpr size_t kMaxShared = 227 * 1024;  // of a block, on any GPU
inline constexpr unsigned char kPoison = 0xff;    // of undefined memory: NaN, -1

// What the emulated devices are: 90, or PHINTYS_EMULATED_CAPABILITY.
int emulated_capability();
// Dynamic shared memory that a block may have on such a device.
size_t emulated_shared_limit();

// Runs one block to its end; the order of its threads is turned round with `reverse`.
void run_block(const Launch& launch, uint3 index, bool reverse);

// Memory of a device, with guards around it.
cudaError_t allocate_guarded(int device, size_t bytes, void** block);
cudaError_t release_guarded(void* block);
// Ends the program with a message if a guard has been written to, by the kernel launched there.
void check_guards(const char* file, int line);

}  // namespace phintys::cuda::emulated
