// Kernels on single floats that hand what they computed to the next one in a register: a loop whose
// steps wait for each other is then not slowed down by memory.
#pragma once

namespace phintys::vm {

struct FlatCall;

// A value of float32 or float64 in the lowest bytes.
using Carry = double __attribute__((vector_size(16)));
// Computes and stores what the call says, and goes on to the next call of the list with that as the
// carry (after a comparison, with the same one). The end of the list returns the carry. Same bits
// as the kernels of tiles.h.
using CarryFn = Carry (*)(Carry carry, const FlatCall& call);

struct CarryKernels {
  CarryFn fn[8];  // bit i of the index: operand i is the carry, not in memory. Null: there are none
  bool compares;
};

}  // namespace phintys::vm
