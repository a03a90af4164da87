// Products of matrices on a device, for the ops that are or contain such.
#pragma once

#include "device/products.h"
#include "device/queue.h"

namespace phintys {

// Strides in bytes.
inline device::ProductMatrix product_matrix(const char* data, int64_t row, int64_t col) {
  return {const_cast<char*>(data), row, col, {}};
}

// Queues the product, with the precision that is set. False, and nothing queued, if the device has
// no kernel for it.
bool enqueue_product(device::Queue& queue, device::Product product);

// Adds a dimension of the stack to the product: bytes from one matrix to the next. False if there
// are too many that do not join with the one before.
bool add_batch(device::Product& product, int64_t length, int64_t a, int64_t b, int64_t c0,
               int64_t c);

}  // namespace phintys
