// Devices: opened by name, with their memory and their one stream.
//
// All work of a process on one device is queued on one stream, under the device's mutex. Freed
// blocks are kept and handed out again at once: whoever gets one queues behind whoever had it.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "array/array.h"
#include "device/table.h"

namespace phintys::device {

class Device {
 public:
  Device(const Table& table, int index);
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  const Table& table() const { return table_; }
  int index() const { return index_; }
  const std::string& name() const { return name_; }  // "cuda:0"
  Stream* stream() const { return stream_; }
  // Held while work is queued.
  std::recursive_mutex& mutex() const { return mutex_; }
  // Throws Error with the plug-in's text, and the device's name, unless status is kOk.
  void check(Status status) const;

  // 256-byte aligned, undefined contents. Throws Error(memory) when kept blocks have been given
  // back and there is still no room.
  void* allocate(size_t bytes);
  void release(void* block) noexcept;
  // Gives blocks that nobody uses back to the driver.
  void trim() noexcept;
  // An array of this device; its Buffer knows the device.
  Array empty(DType dtype, const Dims& shape);

  // Copies between the host, this device and other devices; C order. Host arrays may have any
  // strides, device arrays are contiguous. They wait until the copy is done, except upload's, which
  // may still be under way on the device.
  Array upload(const TensorView& host);
  void upload_into(void* to, const TensorView& host);
  Array download(const Array& array);
  Array copy_from(const Array& array);  // of any device of the same kind
  void synchronize();

  struct Memory {
    size_t live = 0, kept = 0;   // bytes in use and kept for reuse
    size_t free = 0, total = 0;  // as the driver says
  };
  Memory memory() const;

 private:
  class Blocks;

  // The mutex, unless this process is a fork of the one that opened the device: Error(runtime).
  std::unique_lock<std::recursive_mutex> lock() const;
  void check_process() const;
  void upload_piece(void* to, const TensorView& piece);

  const Table& table_;
  int index_;
  std::string name_;
  Stream* stream_ = nullptr;
  mutable std::recursive_mutex mutex_;
  std::unique_ptr<Blocks> blocks_;
  uint32_t forks_ = 0;  // fork_count() of the process
  // Staging memory; a busy chunk may still be read by the device.
  void* chunks_[2] = {};
  bool chunk_busy_[2] = {};
  int next_chunk_ = 0;
};

// The device called `name` ("cuda", "cuda:1"), opened if need be; it stays open. Throws
// Error(value) for a name that no plug-in knows, Error(runtime) with the reason if there is no such
// device.
Device& find_device(std::string_view name);
// Opens the plug-in at `path`, once, and returns its kind. Throws Error(io) with the reason.
std::string add_plugin(const std::string& path);
// Folders, separated by ':', in which plug-ins look first for libraries that may be installed. For
// what is opened from now on.
void set_library_folders(const std::string& folders);
struct PluginStatus {
  std::string kind, path, text;
  int devices = 0;
};
// Of the plug-ins that were added.
std::vector<PluginStatus> plugins();
// The same array on the host.
Array to_host(const Array& array);

}  // namespace phintys::device
