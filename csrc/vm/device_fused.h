// A fused region bound to concrete shapes, for a device.
//
// Binding translates the region into programs for the kernels of device/fused.h: usually one launch
// for the whole region; another to join the partial results of a long reduction; more where a
// region mixes families of functions that no one kernel holds. Like BoundFused, the split of the
// work depends on shapes alone, and binding is all that allocates.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "device/fused.h"
#include "device/queue.h"
#include "ops/fused.h"

namespace phintys::vm {

class DeviceFused {
 public:
  ~DeviceFused();
  DeviceFused(const DeviceFused&) = delete;
  DeviceFused& operator=(const DeviceFused&) = delete;

  // Of `inputs`, shapes and strides are used. The shapes fit (BoundFused::bind and
  // FusedOp::layout say what is wrong with others). Null if the host must do it. `wide`: positions
  // of 64 bits even where 32 would do.
  static std::unique_ptr<DeviceFused> bind(const FusedOp& op, std::span<const TensorView> inputs,
                                           bool wide = false);

  // Queues the region. Outputs are contiguous; one may be the very memory of an input where
  // BoundFused::can_overwrite says so. False, and nothing is queued, if the device has no kernels.
  bool enqueue(device::Queue& queue, char* const* inputs, char* const* outputs) const;

  // The same as programs that a loop's kernel runs. `scratch`: scratch_bytes() on the device. False
  // if the host must do it.
  bool append_programs(char* const* inputs, char* const* outputs, char* scratch,
                       std::vector<device::FusedProgram>* programs) const;
  size_t scratch_bytes() const;

  int launches() const;  // of kernels, by each enqueue

 private:
  struct Impl;
  explicit DeviceFused(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace phintys::vm
