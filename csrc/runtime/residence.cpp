#include "runtime/residence.h"

#include <mutex>

#include "device/device.h"

namespace phintys::runtime {

bool is_at(const SharedStorage& storage, const device::Device* where) {
  return storage.value().device() == where;
}

Array host_value(const SharedStorage& storage) {
  const Array& value = storage.value();
  return value.device() ? device::to_host(value) : value;
}

void bring(SharedStorage& storage, device::Device* where) {
  const std::unique_lock<StorageMutex> lock(storage.mutex());
  if (is_at(storage, where)) return;
  const Array host = host_value(storage);
  storage.set_value(where ? where->upload(host.view()) : host);
}

}  // namespace phintys::runtime
