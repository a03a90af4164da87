// The C interface to devices.
#include <dlfcn.h>

#include <algorithm>
#include <cstring>
#include <mutex>

#include "device/foreign.h"
#include "runtime/device_call.h"
#include "serial/c_api.h"

using namespace phintys;
using namespace phintys::capi;

namespace phintys::capi {

namespace {

bool known(const std::string& kind) {
  for (const device::PluginStatus& p : device::plugins()) {
    if (p.kind == kind) return true;
  }
  return false;
}

// "/where/libphintys/is/", or "".
std::string library_folder() {
  Dl_info info;
  if (!dladdr(reinterpret_cast<const void*>(&phintys_version), &info) || !info.dli_fname) return "";
  const std::string path = info.dli_fname;
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash + 1);
}

bool is_word(const std::string& text) {
  return !text.empty() && std::all_of(text.begin(), text.end(),
                                      [](unsigned char c) { return std::isalnum(c) || c == '_'; });
}

}  // namespace

device::Device* find_device(const char* name) {
  if (!name || !*name || std::string_view(name) == "cpu") return nullptr;
  const std::string text = name;
  const std::string kind = text.substr(0, text.find(':'));
  if (is_word(kind) && !known(kind)) {
    // Why it cannot be opened is a better message than that nothing of the name is known.
    const std::string path = library_folder() + "libphintys_" + kind + ".so";
    if (void* file = dlopen(path.c_str(), RTLD_LAZY | RTLD_NOLOAD)) {
      dlclose(file);
      device::add_plugin(path);
    } else if (FILE* there = std::fopen(path.c_str(), "rb")) {
      std::fclose(there);
      device::add_plugin(path);
    }
  }
  return &device::find_device(text);
}

Array borrowed(const TensorView& view, device::Device* device) {
  Dims shape(view.shape, view.shape + view.ndim), strides(view.strides, view.strides + view.ndim);
  if (!device) {
    Ref<Buffer> buffer = make_ref<Buffer>(view.data, 0, nullptr, nullptr);
    return Array(std::move(buffer), view.data, view.dtype, std::move(shape), std::move(strides));
  }
  device::Foreign foreign;
  foreign.data = view.data;
  foreign.dtype = view.dtype;
  foreign.shape = std::move(shape);
  foreign.strides = std::move(strides);
  return device::adopt(*device, std::move(foreign));
}

namespace {

device::Device& need_device(const char* name) {
  device::Device* found = find_device(name);
  if (!found) fail(ErrorKind::value, "a device is needed, not the host");
  return *found;
}

size_t copy_text(const std::string& text, char* buffer, size_t size) {
  if (buffer && size > 0) {
    const size_t n = std::min(text.size(), size - 1);
    std::memcpy(buffer, text.data(), n);
    buffer[n] = '\0';
  }
  return text.size();
}

}  // namespace

}  // namespace phintys::capi

extern "C" {

phintys_status phintys_add_plugin(const char* path) {
  return guarded([&] { device::add_plugin(&need(path, "the path is NULL")); });
}

size_t phintys_plugin_status(char* buffer, size_t size) {
  std::string text;
  guarded([&] {
    for (const device::PluginStatus& p : device::plugins()) {
      text += (text.empty() ? "" : "\n") + p.kind + ": " + p.text;
    }
  });
  return copy_text(text, buffer, size);
}

phintys_status phintys_device_open(const char* device) {
  return guarded([&] { find_device(&need(device, "the device is NULL")); });
}

phintys_status phintys_device_describe(const char* device, char* buffer, size_t size) {
  return guarded([&] {
    device::Device& d = need_device(device);
    if (size > 0) need(buffer, kNullResult);
    char text[512] = "";
    d.check(d.table().describe(d.index(), text, sizeof text));
    copy_text(text, buffer, size);
  });
}

phintys_status phintys_device_memory(const char* device, uint64_t* free_bytes,
                                     uint64_t* total_bytes) {
  return guarded([&] {
    const device::Device::Memory m = need_device(device).memory();
    if (free_bytes) *free_bytes = m.free;
    if (total_bytes) *total_bytes = m.total;
  });
}

phintys_status phintys_device_synchronize(const char* device) {
  return guarded([&] { need_device(device).synchronize(); });
}

phintys_status phintys_device_stream(const char* device, void** stream) {
  return guarded([&] {
    device::Device& d = need_device(device);
    need(stream, kNullResult);
    *stream = d.table().native_stream(d.stream());
  });
}

phintys_status phintys_device_wait_for(const char* device, void* stream) {
  return guarded([&] { device::order_after(need_device(device), stream); });
}

const char* phintys_array_device(const phintys_array* array) {
  if (!array || !array->array.device()) return "cpu";
  return array->array.device()->name().c_str();  // devices stay open
}

phintys_status phintys_array_create(const phintys_view* host, const char* device,
                                    phintys_array** array) {
  return guarded([&] {
    Operand v;
    check_view(need(host, "the view is NULL"), "array", "", v);
    need(array, kNullResult);
    auto made = std::make_unique<phintys_array>();
    device::Device* there = find_device(device);
    made->array = there ? there->upload(v.view) : Array::copy_of(v.view);
    *array = made.release();
  });
}

phintys_status phintys_array_to(const phintys_array* array, const char* device,
                                phintys_array** copy) {
  return guarded([&] {
    const Array& a = need(array, "the array is NULL").array;
    need(copy, kNullResult);
    auto made = std::make_unique<phintys_array>();
    made->array = device::moved(a, find_device(device));
    *copy = made.release();
  });
}

const char* phintys_function_device(const phintys_function* function) {
  const device::Device* d = function ? function->get()->options().device : nullptr;
  return d ? d->name().c_str() : "cpu";
}

phintys_status phintys_call_device(phintys_function* function, const phintys_view* inputs,
                                   const char* const* input_devices, size_t n_inputs,
                                   phintys_array** outputs, size_t n_outputs) {
  return guarded([&] {
    const phintys_function& f = need(function, kNullFunction);
    need_output_count(f, outputs, n_outputs);
    const Ref<runtime::Function> compiled = f.get();
    device::Device* own = compiled->options().device;
    if (!own) fail(ErrorKind::value, "function '", f.name, "' was not loaded for a device");
    std::vector<Array> arrays;
    const std::vector<Operand> in = operands(f, inputs, n_inputs);
    for (size_t i = 0; i < in.size(); ++i) {
      const bool given = i < n_inputs && inputs[i].dtype != PHINTYS_DEFAULT;
      device::Device* where = !given          ? nullptr
                              : input_devices ? find_device(input_devices[i])
                                              : own;
      Array a = borrowed(in[i].view, where);
      arrays.push_back(where && where != own ? device::moved(a, own) : std::move(a));
    }
    // Made before the call, so that nothing can fail between its updates and its results.
    std::vector<std::unique_ptr<phintys_array>> results(n_outputs);
    for (auto& r : results) r = std::make_unique<phintys_array>();
    runtime::DeviceCall call(*compiled);
    call.run(arrays);
    for (size_t i = 0; i < n_outputs; ++i) {
      results[i]->array = call.take_output(static_cast<int>(i), false);
    }
    for (size_t i = 0; i < n_outputs; ++i) outputs[i] = results[i].release();
  });
}

}  // extern "C"
