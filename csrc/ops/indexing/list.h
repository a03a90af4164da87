// Data-dependent and composite indexing.
#pragma once

#include "ops/indexing/along_axis.h"
#include "ops/indexing/choose.h"
#include "ops/indexing/diagonal.h"
#include "ops/indexing/eye.h"
#include "ops/indexing/mask.h"
#include "ops/op_list.h"

namespace phintys {

using IndexingOps =
    OpTypes<CountNonzero, Nonzero, MaskSubtensor, MaskIncSubtensor, Diagonal, SetDiagonal,
            TakeAlongAxis, PutAlongAxis, Choose, RepeatIndices, Eye, SumToLike>;

}  // namespace phintys
