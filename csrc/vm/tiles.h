// Tables of ahead-of-time compiled tile kernels: the instructions of the fused VM.
//
// A tile is a short run of contiguous elements (at most kMaxTile). Kernels never read or write
// past n elements; every element gets the same bits whatever its position in the tile and
// whatever n is, so splitting work differently never changes a result. (The sign and payload of a
// NaN alone are left open.)
#pragma once

#include <cstdint>

#include "array/dtype.h"
#include "base/export.h"
#include "kernels/isa.h"
#include "vm/carry.h"
#include "vm/tiles_types.h"

namespace phintys::vm {

// Kernels of elementwise op number `op` (its index in the registry) computing in dtype `compute`.
PHINTYS_PUBLIC const TileKernels& elementwise_kernels(int op, DType compute);
PHINTYS_PUBLIC const TileKernels& cast_kernels(DType from, DType to);
// Null where the op cannot be part of a chain.
PHINTYS_PUBLIC const ChainKernels* chain_kernels(int op, DType compute);
PHINTYS_PUBLIC const ChainFrames& chain_frames(DType compute);
// Null if there are none.
PHINTYS_PUBLIC const CarryKernels* carry_kernels(int op, DType compute);
// Kernels that reduce values of dtype `d` (max and min propagate NaN; all and any take bool).
PHINTYS_PUBLIC const ReduceKernels& reduce_kernels(ReduceKind kind, DType d);
// The value that a reduction of nothing has, written to `out`; false if there is none (max, min).
PHINTYS_PUBLIC bool reduce_identity(ReduceKind kind, DType d, void* out);

inline constexpr int64_t kMaxTile = 4096;

}  // namespace phintys::vm
