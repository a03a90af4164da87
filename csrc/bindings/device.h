// Arrays on devices as Python objects.
#pragma once

#include "bindings/common.h"
#include "device/device.h"

namespace phintys::python {

// What `_core.DeviceArray` holds. Memory of devices is given back without the GIL: whoever queues
// work may be waiting for it.
struct DeviceArrayObject {
  explicit DeviceArrayObject(Array a) : array(std::move(a)) {}
  ~DeviceArrayObject();
  DeviceArrayObject(const DeviceArrayObject&) = delete;
  DeviceArrayObject& operator=(const DeviceArrayObject&) = delete;
  Array array;
};

// The array behind an object of the class for users (phintys.cuda.Array), or null.
const Array* device_array_of(PyObject* object);
// An object of that class; or an exception is set.
PyObject* device_array_object(const Array& array) noexcept;
// The device of that name, or null for "cpu". Called with the GIL, which it releases meanwhile.
device::Device* device_from_python(const std::string& name);
std::string device_name(const device::Device* device);  // "cpu" for null
// Drops arrays without the GIL.
void drop_without_gil(Array array);

}  // namespace phintys::python
