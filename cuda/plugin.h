// The areas of the plug-in: each gives its table of kernels, or null while it has none.
#pragma once

#include "device/table.h"

namespace phintys::cuda {

const device::FusedKernels* fused_kernels();
const device::ProductKernels* product_kernels();
const device::RowKernels* row_kernels();
const device::OrderKernels* order_kernels();
const device::IndexKernels* index_kernels();
const device::ConvKernels* conv_kernels();
const device::PoolKernels* pool_kernels();
const device::RandomKernels* random_kernels();
const device::SolverKernels* solver_kernels();
const device::LoopKernels* loop_kernels();

}  // namespace phintys::cuda
