#include "ops/device_product.h"

#include "device/settings.h"

namespace phintys {

bool enqueue_product(device::Queue& queue, device::Product product) {
  const device::ProductKernels* kernels = queue.table.products;
  if (!kernels) return false;
  product.precision = device::settings().f32_products;
  product.own_kernels = device::settings().own_products;
  const size_t bytes = kernels->scratch_bytes(queue.stream, product);
  void* const scratch = bytes ? queue.scratch(bytes) : nullptr;
  return queue.check(kernels->multiply(queue.stream, product, scratch));
}

bool add_batch(device::Product& product, int64_t length, int64_t a, int64_t b, int64_t c0,
               int64_t c) {
  if (length == 1) return true;
  int32_t& n = product.batch_ndim;
  const auto joins = [&](const device::ProductMatrix& x, int64_t step) {
    return x.batch[n - 1] == step * length;
  };
  if (n > 0 && joins(product.a, a) && joins(product.b, b) && joins(product.c0, c0) &&
      joins(product.c, c)) {
    --n;
    length *= product.batch_shape[n];
  } else if (n == device::kMaxBatchRank) {
    return false;
  }
  product.batch_shape[n] = length;
  product.a.batch[n] = a;
  product.b.batch[n] = b;
  product.c0.batch[n] = c0;
  product.c.batch[n] = c;
  ++n;
  return true;
}

}  // namespace phintys
