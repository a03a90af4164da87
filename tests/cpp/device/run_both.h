// One op on the host and on the emulated device, on the same operands.
#pragma once

#include <functional>
#include <vector>

#include "array/array.h"
#include "graph/op.h"

namespace phintys::testing {

// How the elements of an operand lie in memory.
enum class Lay { contiguous, reversed, spread, transposed };

using Values = std::function<double(int64_t)>;  // of the i-th element in C order

Array array_of(DType dtype, const Dims& shape, const Values& values, Lay lay = Lay::contiguous);
// Both parts of complex numbers.
Array complex_array(DType dtype, const Dims& shape, const Values& re, const Values& im,
                    Lay lay = Lay::contiguous);
// An array whose first element is `offset` elements behind an aligned address.
Array shifted_array(DType dtype, const Dims& shape, const Values& values, int64_t offset);

// Numbers that look random, in [-scale, scale]; whole ones with few values if `whole`.
Values noise(int seed, double scale = 1, bool whole = false);

struct Compared {
  bool enqueued = false;     // the device has a kernel for it
  bool refused = false;      // by the device
  bool host_failed = false;  // perform() threw
  bool same_twice = true;    // two runs on the device gave the same bits
  double error = 0;          // the greatest |device - host| / max(1, |host|); infinite if odd
  bool same_bits = true;     // of device and host
};

// `in_place`: output 0 lies on the op's inplace_input(), on the device.
Compared run_both(const Op& op, const std::vector<Array>& inputs, bool in_place = false);

}  // namespace phintys::testing
