// DLPack: how array libraries hand arrays to each other (the structs of its version 1.1).
#pragma once

#include "bindings/common.h"
#include "device/foreign.h"

namespace phintys::python {

// A capsule with the array, which it keeps alive. `type` and `id`: the device as DLPack numbers it.
// `stream`: native handle of the consumer's stream, for which the memory waits before it is used
// for anything else; null: none.
py::object dlpack_capsule(const Array& array, int type, int id, bool versioned, bool copied,
                          void* stream);
// What is in a capsule, which is used up. The memory is released through it.
device::Foreign foreign_from_dlpack(py::handle capsule);

}  // namespace phintys::python
