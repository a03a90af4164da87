// Integers of 32 and 64 bits, for one instruction set.
#include "vm/tiles_kernels.h"

PHINTYS_DECLARE_TILE_PARTS(PHINTYS_ISA)

namespace phintys::vm::PHINTYS_ISA {

void fill_int_large(KernelTables* tables) {
  fill_int<IntV<int32_t>>(tables, DType::i32, ops::AllOps{});
  fill_int<IntV<int64_t>>(tables, DType::i64, ops::AllOps{});
  fill_int<IntV<uint32_t>>(tables, DType::u32, ops::AllOps{});
  fill_int<IntV<uint64_t>>(tables, DType::u64, ops::AllOps{});
}

}  // namespace phintys::vm::PHINTYS_ISA
