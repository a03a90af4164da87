// Arrays as text, the way NumPy prints them.
#pragma once

#include <string>

#include "array/array.h"

namespace phintys {

// str(array) of NumPy with its standard settings: at most 8 digits after the point, 75 characters a
// line, only the ends of more than 1000 elements.
std::string array_text(const TensorView& v);

}  // namespace phintys
