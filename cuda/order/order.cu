// Sorting, cumulative sums, counting.
#include "order/order.h"

#include "plugin.h"

namespace phintys::cuda {

const device::OrderKernels* order_kernels() {
  static constexpr device::OrderKernels kernels = {
      order::sort,
      order::lex_sort,
      order::cumulate,
      order::search,
      order::count_size,
      order::count,
      order::group,
      order::firsts,
      order::sort_scratch,
      order::lex_sort_scratch,
      order::cumulate_scratch,
      order::count_scratch,
      order::group_scratch,
  };
  return &kernels;
}

}  // namespace phintys::cuda
