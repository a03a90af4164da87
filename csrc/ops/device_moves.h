// What the ops that move elements queue on a device.
//
// Functions return false, and have queued nothing, where the device cannot do it.
#pragma once

#include "device/indexing.h"
#include "device/queue.h"
#include "ops/op_util.h"

namespace phintys {

// The kernels of a device; null if it has none.
inline const device::IndexKernels* index_kernels(const device::Queue& queue) {
  return queue.table.indexing;
}

// to = from, of one shape; `from` may have strides of 0.
bool queue_copy(device::Queue& queue, const TensorView& to, const TensorView& from);

// A region of `shape` (at most kMaxRank dimensions), whose base and values are views of that shape.
bool make_region(const TensorView& base, const TensorView& values, device::Region* region);
// Moves the region's base along an axis of `length` elements `step` bytes apart, by an integer
// array that is broadcast to the region's dimensions [first, first + rank). False if there are too
// many.
bool add_index(device::Region* region, const TensorView& index, int first, int rank, int64_t length,
               int64_t step);

// x[..., indices, ...] from `axis` on: a region of before + common + after.
bool indexed_region(const TensorView& x, std::span<const TensorView> indices, int64_t axis,
                    const Dims& common, const TensorView& values, device::Region* region);
// Fails on the device where an index is out of range, though there is nothing to move.
bool queue_checks(device::Queue& queue, const TensorView& x, std::span<const TensorView> indices,
                  int64_t axis);
// out = x, then `region`, which lies in `out`, replaced or increased. `scratch`: bytes that the
// caller needs; `prepare`, if given, queues what the region needs with them, after the copy.
bool queue_change(device::Queue& queue, const TensorView& x, const TensorView& out,
                  const device::Region& region, bool set);

// All conditions are true, or the call fails; then out = x.
bool queue_checked_copy(device::Queue& queue, std::span<const TensorView> conditions,
                        const TensorView& x, const TensorView& out);

}  // namespace phintys
