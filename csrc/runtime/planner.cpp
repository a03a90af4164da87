#include "runtime/planner.h"

#include <algorithm>

namespace phintys::runtime {

int64_t ArenaPlanner::allocate(int64_t bytes) {
  bytes = round(bytes);
  size_t best = free_.size();
  for (size_t i = 0; i < free_.size(); ++i) {
    int64_t length = free_[i].end - free_[i].begin;
    if (length >= bytes && (best == free_.size() || length < free_[best].end - free_[best].begin))
      best = i;
  }
  if (best < free_.size()) {
    int64_t offset = free_[best].begin;
    free_[best].begin += bytes;
    if (free_[best].begin == free_[best].end)
      free_.erase(free_.begin() + static_cast<std::ptrdiff_t>(best));
    return offset;
  }
  // A free range that ends at the arena's end is extended rather than left behind.
  if (!free_.empty() && free_.back().end == size_) {
    int64_t offset = free_.back().begin;
    free_.pop_back();
    size_ = offset + bytes;
    return offset;
  }
  int64_t offset = size_;
  size_ += bytes;
  return offset;
}

void ArenaPlanner::release(int64_t offset, int64_t bytes) {
  Range r{offset, offset + round(bytes)};
  auto it = std::lower_bound(free_.begin(), free_.end(), r,
                             [](const Range& a, const Range& b) { return a.begin < b.begin; });
  it = free_.insert(it, r);
  if (auto next = it + 1; next != free_.end() && it->end == next->begin) {
    it->end = next->end;
    free_.erase(next);
  }
  if (it != free_.begin()) {
    auto previous = it - 1;
    if (previous->end == it->begin) {
      previous->end = it->end;
      free_.erase(it);
    }
  }
}

}  // namespace phintys::runtime
