// What a program does where, when it runs on a device.
#pragma once

#include <vector>

#include "runtime/program.h"

namespace phintys::runtime {

struct DevicePlan {
  // Instructions that the host computes because their values decide on shapes and come from the
  // host: a few integers. [instruction]
  std::vector<uint8_t> on_host;
  // Of their outputs, and of inputs: whether the device needs the values as well. [buffer]
  std::vector<uint8_t> needed;
  // Whether some operation that may refuse its operands could be queued.
  bool may_fail = false;
};

// Decides it, and takes direct updates out of a program in which an operation may fail: work that
// is queued goes on after a failure, and must not reach a shared variable.
DevicePlan plan_for_device(Program& program);
// The plan of a program inside an op.
DevicePlan plan_of(const Program& body);

}  // namespace phintys::runtime
