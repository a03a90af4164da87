// Settings of the VM, process-wide.
#pragma once

namespace phintys::vm {

struct VmSettings {
  // Elements, weighted by the cost of the region's steps, below which it runs on one thread.
  long parallel_threshold = 32768;
};
VmSettings& vm_settings();

}  // namespace phintys::vm
