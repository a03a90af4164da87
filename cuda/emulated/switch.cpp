#include "emulated/switch.h"

#include <stdint.h>

#ifdef PHINTYS_FIBER_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

#if defined(__x86_64__)
asm(R"(
.text
.hidden phintys_switch_stack
.globl phintys_switch_stack
.type phintys_switch_stack, @function
.p2align 4
phintys_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size phintys_switch_stack, . - phintys_switch_stack
)");
#elif defined(__aarch64__)
asm(R"(
.text
.hidden phintys_switch_stack
.globl phintys_switch_stack
.type phintys_switch_stack, %function
.p2align 4
phintys_switch_stack:
  sub sp, sp, #160
  stp x19, x20, [sp, #0]
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x9, sp
  str x9, [x0]
  mov sp, x1
  ldp x19, x20, [sp, #0]
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  add sp, sp, #160
  ret
.size phintys_switch_stack, . - phintys_switch_stack
)");
#endif

#ifndef PHINTYS_FIBER_UCONTEXT
// Saves the registers that calls keep, and the stack pointer in *from; goes on where `to` stopped.
extern "C" void phintys_switch_stack(void** from, void* to);
#endif

namespace phintys::cuda::emulated {

void prepare(Context* to, void* stack, size_t bytes, void (*entry)()) {
  to->stack = stack;
  to->bytes = bytes;
#ifdef PHINTYS_FIBER_UCONTEXT
  getcontext(&to->context);
  to->context.uc_stack.ss_sp = stack;
  to->context.uc_stack.ss_size = bytes;
  to->context.uc_link = nullptr;
  makecontext(&to->context, entry, 0);
#else
  auto* top = reinterpret_cast<uintptr_t*>(static_cast<char*>(stack) + bytes);
#if defined(__x86_64__)
  // As after a call: the return address of `entry` (none), then what the switch takes.
  *--top = 0;
  *--top = reinterpret_cast<uintptr_t>(entry);
  for (int i = 0; i < 6; ++i) *--top = 0;
#else
  top -= 20;
  for (int i = 0; i < 20; ++i) top[i] = 0;
  top[11] = reinterpret_cast<uintptr_t>(entry);
#endif
  to->top = top;
#endif
}

void switch_to(Context* from, Context* to) {
#ifdef PHINTYS_FIBER_ASAN
  void* fake = nullptr;
  __sanitizer_start_switch_fiber(&fake, to->stack, to->bytes);
#endif
#ifdef PHINTYS_FIBER_UCONTEXT
  swapcontext(&from->context, &to->context);
#else
  phintys_switch_stack(&from->top, to->top);
#endif
#ifdef PHINTYS_FIBER_ASAN
  const void* stack;
  size_t bytes;
  __sanitizer_finish_switch_fiber(fake, &stack, &bytes);
#endif
}

void entered(Context* from) {
#ifdef PHINTYS_FIBER_ASAN
  // ASan alone knows the bounds of the processor thread's own stack.
  const void* stack;
  size_t bytes;
  __sanitizer_finish_switch_fiber(nullptr, &stack, &bytes);
  if (!from->stack) {
    from->stack = const_cast<void*>(stack);
    from->bytes = bytes;
  }
#else
  (void)from;
#endif
}

}  // namespace phintys::cuda::emulated
