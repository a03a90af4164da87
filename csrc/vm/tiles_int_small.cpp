// Integers of 8 and 16 bits, and bool, for one instruction set.
#include "vm/tiles_kernels.h"

PHINTYS_DECLARE_TILE_PARTS(PHINTYS_ISA)

namespace phintys::vm::PHINTYS_ISA {

void fill_int_small(KernelTables* tables) {
  fill_int<BoolV>(tables, DType::b8, ops::AllOps{});
  fill_int<IntV<int8_t>>(tables, DType::i8, ops::AllOps{});
  fill_int<IntV<int16_t>>(tables, DType::i16, ops::AllOps{});
  fill_int<IntV<uint8_t>>(tables, DType::u8, ops::AllOps{});
  fill_int<IntV<uint16_t>>(tables, DType::u16, ops::AllOps{});
}

}  // namespace phintys::vm::PHINTYS_ISA
