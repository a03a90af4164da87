// Memory of devices, and host memory that copies are fast with.
#pragma once

#include "device/table.h"

namespace phintys::cuda {

// True iff the driver copies from the host's memory at `block` later than it is asked to, and the
// memory is not staging memory, whose users know that.
bool read_later(const void* block);

// Fills in the table's functions for memory.
void add_memory(device::Table* table);

}  // namespace phintys::cuda
