// Kernels on single floats that hand what they computed to the next one in a register: a loop whose
// steps wait for each other is then not slowed down by memory.
#pragma once

#include <stdint.h>

#include "array/dtype_enum.h"
#include "kernels/isa.h"

namespace phintys::vm {

struct FlatCall;

// A value of float32 or float64 in the lowest bytes.
using Carry = double __attribute__((vector_size(16)));
// Computes and stores what the call says, and goes on to the next call of the list with that as the
// carry (after a comparison, with the same one). The end of the list returns the carry. Same bits
// as the kernels of tiles.h.
using ChainFn = Carry (*)(Carry carry, const FlatCall& call);

struct ChainKernels {
  ChainFn fn[8];  // bit i of the index: operand i is the carry, not in memory
  bool compares;
};

// Null if there are none for an elementwise op on this dtype.
const ChainKernels* chain_kernels(int op, DType compute);

struct NamedChain {
  const char* op;
  ChainKernels f32, f64;
};
inline constexpr int kNumChains = 17;

}  // namespace phintys::vm

namespace phintys {

#define PHINTYS_DECLARE(isa)              \
  namespace isa {                         \
  void fill_chains(vm::NamedChain* list); \
  }
PHINTYS_EACH_ISA(PHINTYS_DECLARE)
#undef PHINTYS_DECLARE

}  // namespace phintys
