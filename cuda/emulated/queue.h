// Work of an emulated stream.
#pragma once

#include <functional>

#include "emulated/runtime.h"

namespace phintys::cuda::emulated {

// Does the work, or keeps it until somebody waits, or records it.
void add_work(Queue* queue, std::function<void()> work);

}  // namespace phintys::cuda::emulated
