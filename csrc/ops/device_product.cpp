#include "ops/device_product.h"

#include <algorithm>
#include <cstdlib>

#include "device/settings.h"

namespace phintys {

namespace {

struct Bytes {
  const char *begin, *end;
  bool overlaps(const Bytes& other) const { return begin < other.end && other.begin < end; }
};

Bytes bytes_of(const device::ProductMatrix& m, int64_t rows, int64_t cols, int64_t item) {
  if (rows == 0 || cols == 0) return {nullptr, nullptr};
  const int64_t down = (rows - 1) * m.row, across = (cols - 1) * m.col;
  const char* low = m.data + std::min<int64_t>(down, 0) + std::min<int64_t>(across, 0);
  return {low, low + std::abs(down) + std::abs(across) + item};
}

// Lets the product do what follows it too. False if that would not be the same: other memory may
// have been free for the output only once the product was there.
bool add_end(device::Product* p, const device::ProductEnd& end) {
  const int64_t item = static_cast<int64_t>(item_size(p->dtype));
  if (p->batch_ndim != 0 || p->m != end.rows || p->n != end.cols) return false;
  if (p->c.row != p->n * item || p->c.col != item) return false;
  const Bytes out{end.out, end.out + p->m * p->n * item};
  if (out.overlaps(bytes_of(p->a, p->m, p->k, item)) ||
      out.overlaps(bytes_of(p->b, p->k, p->n, item)) ||
      out.overlaps({end.bias_begin, end.bias_end}))
    return false;
  if (p->beta != 0 || p->beta_at) {
    const bool same = p->c0.data == end.out && p->c0.row == p->c.row && p->c0.col == p->c.col;
    if (!same && out.overlaps(bytes_of(p->c0, p->m, p->n, item))) return false;
  }
  p->c.data = end.out;
  p->bias = end.bias;
  p->bias_row = end.bias_row;
  p->bias_col = end.bias_col;
  p->activation = end.activation;
  return true;
}

}  // namespace

bool enqueue_product(device::Queue& queue, device::Product product) {
  const device::ProductKernels* kernels = queue.table.products;
  if (!kernels) return false;
  device::ProductEnd* const end = queue.product_end;
  const bool more = end && add_end(&product, *end);
  product.precision = device::settings().f32_products;
  product.own_kernels = device::settings().own_products;
  const size_t bytes = kernels->scratch_bytes(queue.stream, product);
  void* const scratch = bytes ? queue.scratch(bytes) : nullptr;
  const bool queued = queue.check(kernels->multiply(queue.stream, product, scratch));
  if (more) end->done = queued;
  return queued;
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
