// Products that go on with what follows them: a bias, an activation.
#pragma once

#include <optional>

#include "device/products.h"
#include "runtime/binding.h"

namespace phintys::runtime {

// The region that is nothing but bias and activation of a product's result, which nothing else
// reads. A device may compute it with the product (device::ProductEnd).
struct Epilogue {
  size_t region;  // instruction of the binding
  int bias = -1;  // operand of the region, or -1
  device::Activation activation = device::Activation::none;
};

// Of instruction `product` of the binding. `leaves`: views of the host's constants, by buffer.
std::optional<Epilogue> find_epilogue(const Program& program, const Binding& binding,
                                      size_t product, const std::vector<TensorView>& leaves);

}  // namespace phintys::runtime
