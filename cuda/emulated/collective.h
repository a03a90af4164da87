// How threads of a block act together.
//
// A thread runs until it must wait for others. What happens when the last of them arrives is done
// by that one, for all: this is how shuffles are made here, and how instructions of a whole warp
// (mma) or of four (wgmma) are to be emulated.
#pragma once

namespace phintys::cuda::emulated {

// Where in the source a thread waits.
struct Site {
  const char* file;
  int line;
};

enum class Scope { warp, four_warps, block };

// Called once, when all are there: threads[i] is what thread i of the warp (of the four warps, of
// the block) gave as `mine`; null if it takes no part. Threads that have ended take none.
using Act = void (*)(void* const* threads, int count);

// Waits until all threads of the scope (of the warp: those in `mask`) have called this at the same
// place of the source, or have ended. `name` is for messages. Ends the program with a message if
// that can never be.
void act_together(Scope scope, unsigned mask, const char* name, Site site, void* mine, Act act);

// The instruction of one warp; `mine` usually is a struct with the thread's fragments.
inline void warp_act(const char* name, void* mine, Act act, const char* file = __builtin_FILE(),
                     int line = __builtin_LINE()) {
  act_together(Scope::warp, ~0u, name, {file, line}, mine, act);
}
inline void four_warps_act(const char* name, void* mine, Act act,
                           const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  act_together(Scope::four_warps, ~0u, name, {file, line}, mine, act);
}

// Barriers of some warps of a block.
void named_barrier_sync(int id, int threads, const char* file = __builtin_FILE(),
                        int line = __builtin_LINE());
void named_barrier_arrive(int id, int threads);

// To be called in a loop that waits for what another thread of the block does.
void let_others_run();

// Ends the program with a message that names the kernel's launch and the thread.
[[noreturn]] void misuse(const char* format, ...) __attribute__((format(printf, 1, 2)));

// Dynamic shared memory of the block that runs.
void* dynamic_shared_memory();
template <class T>
T* dynamic_shared() {
  return static_cast<T*>(dynamic_shared_memory());
}

}  // namespace phintys::cuda::emulated
