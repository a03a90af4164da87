// All kernels of one instruction set, and the functions that fill them in.
#pragma once

#include "ops/elementwise/registry.h"
#include "vm/carry.h"
#include "vm/tiles_types.h"

namespace phintys::vm {

struct KernelTables {
  TileKernels elementwise[ops::kNumElementwise][kNumDTypes];
  TileKernels cast[kNumDTypes][kNumDTypes];  // [from][to]
  ReduceKernels reduce[kNumReduceKinds][kNumDTypes];
  // Of cheap ops, for float32 and float64; otherwise null.
  const ChainKernels* chain[ops::kNumElementwise][kNumDTypes];
  ChainFrames chain_frames[kNumDTypes];
  CarryKernels carry[ops::kNumElementwise][kNumDTypes];
};

}  // namespace phintys::vm

// One function for each tiles_*.cpp; the namespace keeps the instruction sets apart.
#define PHINTYS_TILE_PARTS(X) \
  X(fill_float_basic)         \
  X(fill_float_special)       \
  X(fill_f32_exp)             \
  X(fill_f64_exp)             \
  X(fill_f32_pow)             \
  X(fill_f64_pow)             \
  X(fill_f32_trig)            \
  X(fill_f64_trig)            \
  X(fill_f32_erf)             \
  X(fill_f64_erf)             \
  X(fill_complex_basic)       \
  X(fill_complex_exp)         \
  X(fill_complex_trig)        \
  X(fill_gamma)               \
  X(fill_bessel)              \
  X(fill_incomplete)          \
  X(fill_normal)              \
  X(fill_int_small)           \
  X(fill_int_large)           \
  X(fill_cast)                \
  X(fill_chain)               \
  X(fill_carry)               \
  X(fill_reduce)

#define PHINTYS_DECLARE_TILE_PART(name) void name(KernelTables* tables);
#define PHINTYS_DECLARE_TILE_PARTS(isa)         \
  namespace phintys::vm::isa {                  \
  PHINTYS_TILE_PARTS(PHINTYS_DECLARE_TILE_PART) \
  }
