#include "ops/device_moves.h"

#include "ops/indexing/gather.h"

namespace phintys {

bool queue_copy(device::Queue& queue, const TensorView& to, const TensorView& from) {
  device::Tensor target, source;
  if (!index_kernels(queue) || !device::to_tensor(to, &target) ||
      !device::to_tensor(from, &source)) {
    return false;
  }
  return queue.check(index_kernels(queue)->copy(queue.stream, target, source, nullptr));
}

bool make_region(const TensorView& base, const TensorView& values, device::Region* region) {
  if (base.ndim > device::kMaxRank) return false;
  *region = {};
  region->dtype = base.dtype;
  region->ndim = base.ndim;
  region->base = base.data;
  region->values = values.data;
  for (int d = 0; d < base.ndim; ++d) {
    region->shape[d] = base.shape[d];
    region->base_strides[d] = base.strides[d];
    region->value_strides[d] = values.strides[d];
  }
  return true;
}

bool add_index(device::Region* region, const TensorView& index, int first, int rank, int64_t length,
               int64_t step) {
  if (region->count == device::kMaxIndices) return false;
  device::Index& to = region->indices[region->count++];
  to = {};
  to.kind = device::IndexKind::numbers;
  to.dtype = index.dtype;
  to.data = index.data;
  to.length = length;
  to.step = step;
  for (int i = 0; i < index.ndim; ++i) {
    if (index.shape[i] != 1) to.strides[first + rank - index.ndim + i] = index.strides[i];
  }
  return true;
}

bool indexed_region(const TensorView& x, std::span<const TensorView> indices, int64_t axis,
                    const Dims& common, const TensorView& values, device::Region* region) {
  const int first = static_cast<int>(axis), rank = static_cast<int>(common.size());
  const int64_t count = static_cast<int64_t>(indices.size());
  Dims shape(x.shape, x.shape + axis), strides(x.strides, x.strides + axis);
  for (int64_t d : common) {
    shape.push_back(d);
    strides.push_back(0);
  }
  shape.append(x.shape + axis + count, x.shape + x.ndim);
  strides.append(x.strides + axis + count, x.strides + x.ndim);
  const int ndim = static_cast<int>(shape.size());
  const OwnedView given = broadcast_view(values, shape.data(), ndim);
  if (!make_region({x.data, x.dtype, ndim, shape.data(), strides.data()}, given.view(), region)) {
    return false;
  }
  for (int i = 0; i < rank; ++i) region->repeats |= 1u << (first + i);
  for (int64_t k = 0; k < count; ++k) {
    if (!add_index(region, indices[static_cast<size_t>(k)], first, rank, x.shape[axis + k],
                   x.strides[axis + k])) {
      return false;
    }
  }
  return true;
}

bool queue_checks(device::Queue& queue, const TensorView& x, std::span<const TensorView> indices,
                  int64_t axis) {
  std::array<device::Tensor, device::kMaxIndices> tensors;
  if (!index_kernels(queue) || indices.size() > tensors.size()) return false;
  for (size_t k = 0; k < indices.size(); ++k) {
    if (!device::to_tensor(indices[k], &tensors[k])) return false;
  }
  for (size_t k = 0; k < indices.size(); ++k) {
    const int64_t length = x.shape[axis + static_cast<int64_t>(k)];
    queue.check(index_kernels(queue)->check(queue.stream, tensors[k], length, queue.failed));
  }
  return true;
}

bool queue_change(device::Queue& queue, const TensorView& x, const TensorView& out,
                  const device::Region& region, bool set) {
  const device::IndexKernels* kernels = index_kernels(queue);
  if (!kernels) return false;
  const size_t bytes = kernels->scatter_scratch(region);
  if (bytes == SIZE_MAX) return false;
  void* scratch = bytes ? queue.scratch(bytes) : nullptr;
  if (out.data != x.data && !queue_copy(queue, out, x)) return false;
  return queue.check(kernels->scatter(queue.stream, region, !set, scratch, queue.failed));
}

bool queue_checked_copy(device::Queue& queue, std::span<const TensorView> conditions,
                        const TensorView& x, const TensorView& out) {
  device::Tensor tensor;
  if (!index_kernels(queue)) return false;
  for (const TensorView& v : conditions) {
    if (!device::to_tensor(v, &tensor)) return false;
  }
  if (out.data != x.data && !queue_copy(queue, out, x)) return false;
  for (const TensorView& v : conditions) {
    device::to_tensor(v, &tensor);
    queue.check(index_kernels(queue)->require(queue.stream, tensor, queue.failed));
  }
  return true;
}

}  // namespace phintys
