// What the rest of the library asks about elementwise ops at run time.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "array/dtype.h"
#include "base/export.h"
#include "ops/elementwise/info.h"

namespace phintys::ops {

// Number of elementwise ops; they are numbered from 0.
PHINTYS_PUBLIC int elementwise_count();

PHINTYS_PUBLIC const ElementwiseInfo& elementwise_info(int op);

// The number of the op called `name`; -1 if there is none.
PHINTYS_PUBLIC int elementwise_index(std::string_view name);

struct ResolvedDTypes {
  DType compute;  // of the kernel; for `select` and `second`, of the value operands
  DType result;
};

// Applies the op's dtype rule to the dtypes of its operands. False, with the reason in `why` if it
// is not null, where the op does not take them.
PHINTYS_PUBLIC bool resolve_dtypes(int op, std::span<const DType> in, DType floatX,
                                   ResolvedDTypes* out, std::string* why);

// The dtype to which operand number `operand` is to be cast: `compute`, except that the condition
// of `switch` becomes bool. The first operand of `second` is not read at all; any dtype will do.
PHINTYS_PUBLIC DType operand_dtype(int op, int operand, ResolvedDTypes dtypes);

// Whether kernels of the op exist for compute dtype `d`.
PHINTYS_PUBLIC bool supports_dtype(int op, DType d);

}  // namespace phintys::ops
