// Blocks of a device's memory, kept when they are freed and handed out again.
#pragma once

#include <cstddef>
#include <map>
#include <unordered_map>

#include "device/device.h"

namespace phintys::device {

// Not safe for several threads: used under Device::mutex().
class Device::Blocks {
 public:
  Blocks(const Table& table, int device) : table_(table), device_(device) {}

  // Null: there is none of this size, neither kept nor new; *status says why.
  void* take(size_t bytes, Status* status);
  void give_back(void* block) noexcept;
  // Gives kept blocks back to the driver, the largest first, until no more than `limit` bytes are
  // left. The driver waits for work that still uses them.
  void trim(size_t limit) noexcept;
  // Keeps no more than this.
  void set_limit(size_t bytes) { limit_ = bytes; }

  size_t live() const { return live_; }
  size_t kept() const { return kept_; }

  // Sizes in steps of at most an eighth, so that what is freed fits what is asked for next.
  static size_t class_of(size_t bytes);

 private:
  const Table& table_;
  const int device_;
  size_t live_ = 0, kept_ = 0;
  size_t limit_ = ~size_t{0};
  std::unordered_map<void*, size_t> sizes_;  // of the live blocks
  std::multimap<size_t, void*> free_;
};

}  // namespace phintys::device
