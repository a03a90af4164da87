// A call of a function on a device.
#pragma once

#include <memory>
#include <span>

#include "runtime/function.h"

namespace phintys::runtime {

class DeviceContext;

// Like Call, for functions compiled with FunctionSpec::device. The work is queued; run() returns
// when everything that can fail has been looked at, which is before the device is done where no
// operation may refuse its operands and no shape depends on computed values.
class DeviceCall {
 public:
  explicit DeviceCall(Function& function);
  ~DeviceCall();
  DeviceCall(const DeviceCall&) = delete;
  DeviceCall& operator=(const DeviceCall&) = delete;

  // Inputs have the dtype and rank of InputInfo, and lie on the host (any strides) or on a device
  // (contiguous). Host memory may be reused when this returns. Throws Error as Call::run() does; no
  // shared variable has then changed.
  void run(std::span<const Array> inputs);
  // The same within limits, which are looked at while work is queued.
  void run(std::span<const Array> inputs, const CallOptions& options);
  // Output i, C-contiguous: on the function's device (its work may still be queued), or on the
  // host, when this waits for it.
  Array take_output(int i, bool on_host);

 private:
  Function& function_;
  std::unique_ptr<DeviceContext> context_;
};

}  // namespace phintys::runtime
