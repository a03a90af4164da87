// Where the values of shared variables are: on the host, or on the device of a function that used
// them last.
#pragma once

#include "array/shared_storage.h"

namespace phintys::runtime {

// Moves the value to `where` (null: the host) if it is elsewhere. The caller does not hold the
// storage's mutex. Throws Error(memory); the value then stays where it is.
void bring(SharedStorage& storage, device::Device* where);
bool is_at(const SharedStorage& storage, const device::Device* where);
// The value on the host: itself, or a copy of what is on a device. The caller holds the mutex.
Array host_value(const SharedStorage& storage);

}  // namespace phintys::runtime
