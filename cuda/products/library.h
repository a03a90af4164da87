// Products by cuBLAS, which is opened when the first product comes if it is installed.
#pragma once

#include "products/work.h"

namespace phintys::cuda {

// True iff the library computes this product (whose c has dense rows) as it is: all of it but the
// bias and the activation, and c0 only where it is c.
bool library_takes(const Product& p);
// True iff the library is there and has a handle for the stream.
bool library_ready(Stream* stream);
Status library_multiply(Stream* stream, const Product& p);

const char* library_text();

}  // namespace phintys::cuda
