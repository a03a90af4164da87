// The functions of device::IndexKernels; csrc/device/indexing.h says what they do.
#pragma once

#include "indexing/support.h"

namespace phintys::cuda::indexing {

Status collect(Stream* stream, const Tensor& to, const void* const* items);

Status gather(Stream* stream, const Region& region, int* failed);
Status scatter(Stream* stream, const Region& region, bool add, void* scratch, int* failed);
size_t scatter_scratch(const Region& region);
Status check(Stream* stream, const Tensor& index, int64_t length, int* failed);
Status resolve(Stream* stream, const device::Slice& slice, int64_t* range, int* failed);
Status require(Stream* stream, const Tensor& conditions, int* failed);

size_t mask_scratch(int64_t elements);
Status count_true(Stream* stream, const Tensor& mask, int64_t* total, void* scratch);
Status list_true(Stream* stream, const device::TrueList& list, void* scratch, int* failed);
Status repeat(Stream* stream, const Tensor& to, const Tensor& counts, void* scratch, int* failed);
size_t repeat_scratch(int64_t counts);
Status choose(Stream* stream, const Tensor& to, const Tensor& which, const Tensor* choices,
              int64_t n, int mode, int* failed);

Status arange(Stream* stream, const Tensor& to, const Tensor& start, const Tensor& step);
Status eye(Stream* stream, const Tensor& to, const Tensor& k);
Status sum(Stream* stream, const Tensor& to, const Tensor& from, void* scratch);
size_t sum_scratch(const Tensor& to, const Tensor& from);

Status patches(Stream* stream, const device::Patches& patches);
Status add_patches(Stream* stream, const device::Patches& patches);

Status sparse_dot(Stream* stream, const device::Sparse& sparse, int* failed);
Status sparse_dot_transposed(Stream* stream, const device::Sparse& sparse, void* scratch,
                             int* failed);
size_t sparse_scratch(const device::Sparse& sparse);
Status sparse_sample(Stream* stream, const device::Sparse& sparse, int* failed);
Status sparse_to_dense(Stream* stream, const device::Sparse& sparse, int* failed);
Status sparse_gather(Stream* stream, const device::Sparse& sparse, const Tensor& dense,
                     int* failed);

}  // namespace phintys::cuda::indexing
