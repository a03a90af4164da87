// Strided copies, gather, scatter, masks, formulas.
#include "indexing/tables.h"
#include "plugin.h"

namespace phintys::cuda {

const device::IndexKernels* index_kernels() {
  static constexpr device::IndexKernels table{
      .copy = indexing::copy,
      .collect = indexing::collect,
      .gather = indexing::gather,
      .scatter = indexing::scatter,
      .scatter_scratch = indexing::scatter_scratch,
      .check = indexing::check,
      .resolve = indexing::resolve,
      .require = indexing::require,
      .mask_scratch = indexing::mask_scratch,
      .count_true = indexing::count_true,
      .list_true = indexing::list_true,
      .repeat = indexing::repeat,
      .repeat_scratch = indexing::repeat_scratch,
      .choose = indexing::choose,
      .arange = indexing::arange,
      .eye = indexing::eye,
      .sum = indexing::sum,
      .sum_scratch = indexing::sum_scratch,
      .patches = indexing::patches,
      .add_patches = indexing::add_patches,
      .sparse_dot = indexing::sparse_dot,
      .sparse_dot_transposed = indexing::sparse_dot_transposed,
      .sparse_scratch = indexing::sparse_scratch,
      .sparse_sample = indexing::sparse_sample,
      .sparse_to_dense = indexing::sparse_to_dense,
      .sparse_gather = indexing::sparse_gather,
  };
  return &table;
}

}  // namespace phintys::cuda
