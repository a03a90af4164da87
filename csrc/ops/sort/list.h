// Sorting, searching, counting, and scans along an axis.
#pragma once

#include "ops/op_list.h"
#include "ops/sort/count.h"
#include "ops/sort/cumulate.h"
#include "ops/sort/search.h"
#include "ops/sort/sort.h"
#include "ops/sort/topk.h"

namespace phintys {

using SortOps = OpTypes<Sort, ArgSort, LexSortRows, TopK, Cumulate, SearchSorted, BinCountSize,
                        BinCount, UniqueGroups, UniqueFirsts>;

}  // namespace phintys
