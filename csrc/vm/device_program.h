// From a region to the program of one launch.
#pragma once

#include <vector>

#include "vm/device_region.h"

namespace phintys::vm {

// The positions of a region, in dimensions merged where all inputs allow it.
struct DeviceSpace {
  struct Group {
    Dims shape;
    std::vector<Dims> strides;  // by input
    int64_t size() const { return product(shape); }
  };
  device::FusedShape shape = device::FusedShape::elementwise;
  Group outer, inner;
  int64_t groups = 1;  // columns: of `outer`, those that are kept
};

struct DeviceLaunch {
  device::FusedProgram program;
  std::vector<DevicePlace> scalars, inputs, outputs;
};

DeviceSpace device_space(const DeviceRegion& region);
// Everything but pointers, the number of blocks and how reductions are cut. False if the region is
// more than a program holds.
bool write_program(const DeviceRegion& region, const DeviceSpace& space, DeviceLaunch* launch);

}  // namespace phintys::vm
