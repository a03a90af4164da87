#include "device/blocks.h"

#include <bit>

namespace phintys::device {

size_t Device::Blocks::class_of(size_t bytes) {
  constexpr size_t kSmallest = 256;
  if (bytes <= 8 * kSmallest) return (bytes + !bytes + kSmallest - 1) / kSmallest * kSmallest;
  const size_t step = std::bit_floor(bytes) / 8;
  return bytes > ~step ? bytes : (bytes + step - 1) / step * step;
}

void* Device::Blocks::take(size_t bytes, Status* status) {
  const size_t size = class_of(bytes);
  // The next larger class will do as well.
  auto found = free_.lower_bound(size);
  if (found != free_.end() && found->first <= size + size / 4) {
    const auto [kept_size, block] = *found;
    sizes_.emplace(block, kept_size);
    free_.erase(found);
    kept_ -= kept_size;
    live_ += kept_size;
    *status = kOk;
    return block;
  }
  void* block = nullptr;
  *status = table_.allocate(device_, size, &block);
  if (*status != kOk) return nullptr;
  sizes_.emplace(block, size);
  live_ += size;
  return block;
}

void Device::Blocks::give_back(void* block) noexcept {
  auto found = sizes_.find(block);
  if (found == sizes_.end()) return;
  const size_t size = found->second;
  live_ -= size;
  sizes_.erase(found);
  try {
    free_.emplace(size, block);
    kept_ += size;
  } catch (...) {
    table_.release(device_, block);
    return;
  }
  if (kept_ > limit_) trim(limit_);
}

void Device::Blocks::trim(size_t limit) noexcept {
  while (kept_ > limit && !free_.empty()) {
    auto largest = std::prev(free_.end());
    table_.release(device_, largest->second);
    kept_ -= largest->first;
    free_.erase(largest);
  }
}

}  // namespace phintys::device
