#include "runtime/device_call.h"

#include "runtime/device_context.h"

namespace phintys::runtime {

DeviceCall::DeviceCall(Function& function)
    : function_(function), context_(function.acquire_device_context()) {}

DeviceCall::~DeviceCall() {
  if (context_) function_.give_back(std::move(context_));
}

void DeviceCall::run(std::span<const Array> inputs) { context_->run(inputs, function_, nullptr); }

void DeviceCall::run(std::span<const Array> inputs, const CallOptions& options) {
  Limits limits(options, function_.name());
  limits.look();
  context_->run(inputs, function_, &limits);
}

Array DeviceCall::take_output(int i, bool on_host) { return context_->take_output(i, on_host); }

}  // namespace phintys::runtime
