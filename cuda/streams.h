// Streams: work of a device in the order of queueing, copies, and work that is recorded.
#pragma once

#include "device/table.h"

namespace phintys::cuda {

// Of open_stream: cudaErrorNoKernelImageForDevice.
inline constexpr device::Status kNoCode = 209;

// Fills in the table's functions for streams.
void add_streams(device::Table* table);

}  // namespace phintys::cuda
