// Which instruction set the kernels of this process use.
//
// A source named NAME_isa.cpp (or vm/tiles_NAME.cpp) is compiled once for each instruction set and
// defines its functions in namespace phintys::PHINTYS_ISA; it includes no C++ library header with
// inline functions (cmake/check_isa_objects.py checks what it defines). Its header declares them
// for all sets with PHINTYS_EACH_ISA, and callers take the one for this processor:
//
//   #define PHINTYS_DECLARE(isa) namespace isa { void conv_rows(const ConvRows& work); }
//   PHINTYS_EACH_ISA(PHINTYS_DECLARE)
//   #undef PHINTYS_DECLARE
//   ...
//   PHINTYS_ISA_CALL(conv_rows)(work);
//
// Results must not depend on the set more than a kernel's documentation says.
#pragma once

#include <stdint.h>

#include "base/export.h"

#if defined(__x86_64__)
#define PHINTYS_EACH_ISA(X) X(baseline) X(avx2) X(avx512)
#elif defined(__aarch64__)
#define PHINTYS_EACH_ISA(X) X(neon)
#else
#define PHINTYS_EACH_ISA(X) X(baseline)
#endif

namespace phintys {

enum class Isa : uint8_t { baseline, avx2, avx512, neon };
inline constexpr int kNumIsas = 4;

// True iff this build and this processor have it.
PHINTYS_PUBLIC bool has_isa(Isa isa);
// The instruction set in use: the best that the CPU has, at most `cap_isa`'s argument.
PHINTYS_PUBLIC Isa current_isa();
// The same, and from here on it can no longer be changed: what kernels are picked with.
PHINTYS_PUBLIC Isa take_isa();
PHINTYS_PUBLIC const char* isa_name(Isa isa);
// Limits the choice ("baseline", "avx2", "avx512", "neon", "auto"); throws Error(value) for an
// unknown name and Error(runtime) once a kernel has been used with another instruction set.
PHINTYS_PUBLIC void cap_isa(const char* name);

// The function `fn` of the namespace of the instruction set in use.
#if defined(__x86_64__)
#define PHINTYS_ISA_CALL(fn)                                                \
  (::phintys::take_isa() == ::phintys::Isa::avx512 ? &::phintys::avx512::fn \
   : ::phintys::take_isa() == ::phintys::Isa::avx2 ? &::phintys::avx2::fn   \
                                                   : &::phintys::baseline::fn)
#elif defined(__aarch64__)
#define PHINTYS_ISA_CALL(fn) (&::phintys::neon::fn)
#else
#define PHINTYS_ISA_CALL(fn) (&::phintys::baseline::fn)
#endif

}  // namespace phintys
