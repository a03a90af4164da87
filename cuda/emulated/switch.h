// Switching between stacks of one processor thread.
#pragma once

#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__)
#define PHINTYS_FIBER_ASAN 1
#endif
#if !defined(__x86_64__) && !defined(__aarch64__)
#define PHINTYS_FIBER_UCONTEXT 1
#include <ucontext.h>
#endif

namespace phintys::cuda::emulated {

// A stack and where on it the work stands.
struct Context {
#ifdef PHINTYS_FIBER_UCONTEXT
  ucontext_t context;
#else
  void* top = nullptr;
#endif
  void* stack = nullptr;  // lowest address; null: the processor thread's own
  size_t bytes = 0;
};

// `to` is going to run `entry` (which never returns) on its stack when it is switched to.
void prepare(Context* to, void* stack, size_t bytes, void (*entry)());
// Leaves the running work in `from` and goes on with `to`.
void switch_to(Context* from, Context* to);
// To be called first in an entry: where it came from.
void entered(Context* from);

}  // namespace phintys::cuda::emulated
