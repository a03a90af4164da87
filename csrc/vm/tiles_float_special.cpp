// Floating-point division, comparison, rounding and selection, for one instruction set.
#include "vm/tiles_kernels.h"

PHINTYS_DECLARE_TILE_PARTS(PHINTYS_ISA)

namespace phintys::vm::PHINTYS_ISA {

using Ops = ops::ConcatLists<ops::DivisionOps, ops::ComparisonOps, ops::PredicateOps,
                             ops::RoundingOps, ops::AngleOps, ops::ClipOps>::type;

void fill_float_special(KernelTables* tables) {
  fill_f32(tables, Ops{});
  fill_f16(tables, Ops{});
  fill_f64(tables, Ops{});
  fill_f32(tables, ops::ComplexFromOps{});
  fill_f64(tables, ops::ComplexFromOps{});
  fill_f32(tables, ops::SelectionOps{});
  fill_f64(tables, ops::SelectionOps{});
  // These only move float16 values.
  fill_int<IntV<uint16_t>>(tables, DType::f16, ops::SelectionOps{});
}

}  // namespace phintys::vm::PHINTYS_ISA
