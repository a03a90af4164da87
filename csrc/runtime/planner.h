// Offsets in an arena for buffers with known sizes and lifetimes.
#pragma once

#include <cstdint>
#include <vector>

namespace phintys::runtime {

// First-come best-fit over a growing address range; deterministic.
class ArenaPlanner {
 public:
  static constexpr int64_t kAlignment = 64;
  // Offset of a new block.
  int64_t allocate(int64_t bytes);
  void release(int64_t offset, int64_t bytes);
  int64_t size() const { return size_; }

 private:
  struct Range {
    int64_t begin, end;
  };
  static int64_t round(int64_t bytes) {
    return bytes <= 0 ? kAlignment : (bytes + kAlignment - 1) / kAlignment * kAlignment;
  }
  std::vector<Range> free_;  // sorted by begin, never adjacent
  int64_t size_ = 0;
};

}  // namespace phintys::runtime
