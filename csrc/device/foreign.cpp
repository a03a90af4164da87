#include "device/foreign.h"

#include <algorithm>
#include <memory>
#include <mutex>

#include "base/error.h"

namespace phintys::device {

namespace {

// Calls `release` in the end.
class Owner {
 public:
  Owner(Device& device, const Foreign& foreign)
      : device_(device), release_(foreign.release), owner_(foreign.owner) {}
  ~Owner() {
    if (!release_) return;
    if (used_) {
      try {
        device_.synchronize();
      } catch (...) {  // a device that is lost uses nothing any more
      }
    }
    release_(owner_);
  }
  Owner(const Owner&) = delete;
  Owner& operator=(const Owner&) = delete;
  void use() { used_ = true; }

 private:
  Device& device_;
  void (*release_)(void*);
  void* owner_;
  bool used_ = false;  // work may have been queued that uses the memory
};

void release_owner(void*, void* context) { delete static_cast<Owner*>(context); }

bool aligned(const void* data, DType dtype) {
  const size_t item = item_size(real_of(dtype));
  return reinterpret_cast<uintptr_t>(data) % item == 0;
}

// A copy by way of the host, of whatever strides.
Array copy_strided(Device& device, const TensorView& view) {
  const int64_t item = static_cast<int64_t>(item_size(view.dtype));
  if (view.size() == 0) return device.empty(view.dtype, Dims(view.shape, view.shape + view.ndim));
  int64_t low = 0, high = item;  // the bytes that the elements span
  for (int i = 0; i < view.ndim; ++i) {
    const int64_t reach = (view.shape[i] - 1) * view.strides[i];
    (reach < 0 ? low : high) += reach;
  }
  const size_t bytes = static_cast<size_t>(high - low);
  const Ref<Buffer> host = Buffer::allocate(bytes);
  {
    const std::lock_guard lock(device.mutex());
    device.check(device.table().download(device.stream(), host->data(), view.data + low, bytes));
  }
  TensorView there = view;
  there.data = static_cast<char*>(host->data()) - low;
  return device.upload(there);
}

}  // namespace

Array adopt(Device& device, Foreign foreign) {
  auto owner = std::make_unique<Owner>(device, foreign);
  char* data = static_cast<char*>(foreign.data);
  const int ndim = static_cast<int>(foreign.shape.size());
  const TensorView view{data, foreign.dtype, ndim, foreign.shape.data(), foreign.strides.data()};
  const int64_t size = view.size();
  if (size > 0 && !data) fail(ErrorKind::value, "an array on ", device.name(), " without memory");
  if (size == 0 || !view.contiguous() || !aligned(data, foreign.dtype)) {
    return copy_strided(device, view);
  }
  Dims strides = contiguous_strides(foreign.shape, item_size(foreign.dtype));
  const size_t bytes = static_cast<size_t>(size) * item_size(foreign.dtype);
  owner->use();
  Ref<Buffer> buffer = make_ref<Buffer>(data, bytes, &release_owner, owner.get(), &device);
  owner.release();
  return Array(std::move(buffer), data, foreign.dtype, std::move(foreign.shape),
               std::move(strides));
}

void order_after(Device& device, void* native_stream) {
  const std::lock_guard lock(device.mutex());
  device.check(device.table().wait_for_native(device.stream(), native_stream));
}

Array moved(const Array& array, Device* device) {
  Device* from = array.device();
  if (from == device) return array;
  if (!device) return to_host(array);
  if (!from) return device->upload(array.view());
  if (&from->table() == &device->table()) return device->copy_from(array);
  return device->upload(to_host(array).view());
}

}  // namespace phintys::device
