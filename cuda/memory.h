// Memory of devices, and host memory that copies are fast with.
#pragma once

#include "device/table.h"

namespace phintys::cuda {

// Fills in the table's functions for memory.
void add_memory(device::Table* table);

}  // namespace phintys::cuda
