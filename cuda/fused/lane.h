// The bodies of the elementwise ops for one thread of a device: the library's own templates over
// the value types of one lane. Special functions and the long ones of complex numbers take long to
// compile: they come with PHINTYS_FUSED_SPECIAL and PHINTYS_FUSED_COMPLEX.
#pragma once

#include "gpu.h"

#define PHINTYS_ONE_LANE
#define PHINTYS_ONE_LANE_FMA
#define PHINTYS_ISA device_lane
#ifndef PHINTYS_EMULATED
#define PHINTYS_INLINE __device__ __forceinline__
#define PHINTYS_KERNEL [[maybe_unused]] static __device__ __noinline__
#define PHINTYS_DEVICE __device__
#define PHINTYS_COMPLEX_LIBRARY_HEADER "fused/complex_library.h"
#pragma nv_diag_suppress 1675  // unknown pragmas: of gcc, for unrolling
#pragma nv_diag_suppress 2190  // attributes of a function that was declared without
#endif

#include "ops/elementwise/registry.h"
#ifdef PHINTYS_FUSED_SPECIAL
#include "ops/math/special_functions.h"
#endif
#include "vm/tiles_convert.h"
