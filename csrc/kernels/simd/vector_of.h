// The vector of an element type.
#pragma once

#include "vec.h"

namespace phintys::PHINTYS_ISA {

template <class T>
struct VectorOf;
template <>
struct VectorOf<float> {
  using type = VF32;
};
template <>
struct VectorOf<double> {
  using type = VF64;
};

}  // namespace phintys::PHINTYS_ISA
