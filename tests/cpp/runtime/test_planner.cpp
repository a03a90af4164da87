// The arena planner: blocks that live at the same time never overlap, and free space is used again.
#include <doctest/doctest.h>

#include <random>
#include <vector>

#include "runtime/planner.h"

using phintys::runtime::ArenaPlanner;

namespace {

struct Block {
  int64_t offset, bytes;
};

int64_t rounded(int64_t bytes) {
  int64_t a = ArenaPlanner::kAlignment;
  return bytes <= 0 ? a : (bytes + a - 1) / a * a;
}

}  // namespace

TEST_CASE("planner: live blocks never overlap") {
  for (uint32_t seed = 0; seed < 50; ++seed) {
    std::mt19937 rng(seed);
    ArenaPlanner planner;
    std::vector<Block> live;
    int64_t in_use = 0, peak = 0;
    for (int i = 0; i < 400; ++i) {
      if (!live.empty() && rng() % 2) {
        size_t k = rng() % live.size();
        planner.release(live[k].offset, live[k].bytes);
        in_use -= rounded(live[k].bytes);
        live.erase(live.begin() + static_cast<std::ptrdiff_t>(k));
        continue;
      }
      int64_t bytes = static_cast<int64_t>(rng() % 5000) * (rng() % 4 ? 1 : 0);
      Block b{planner.allocate(bytes), bytes};
      CHECK(b.offset % ArenaPlanner::kAlignment == 0);
      CHECK(b.offset + rounded(bytes) <= planner.size());
      for (const Block& other : live)
        CHECK((b.offset + rounded(bytes) <= other.offset ||
               other.offset + rounded(other.bytes) <= b.offset));
      live.push_back(b);
      in_use += rounded(bytes);
      peak = std::max(peak, in_use);
    }
    CHECK(planner.size() >= peak);
    for (const Block& b : live) planner.release(b.offset, b.bytes);
    // All free again: one block of the arena's size fits without growing it.
    int64_t size = planner.size();
    if (size > 0) CHECK(planner.allocate(size) == 0);
    CHECK(planner.size() == size);
  }
}

TEST_CASE("planner: equal sizes are reused exactly") {
  ArenaPlanner planner;
  int64_t a = planner.allocate(1000), b = planner.allocate(1000);
  for (int i = 0; i < 100; ++i) {
    planner.release(a, 1000);
    a = planner.allocate(1000);
    std::swap(a, b);
  }
  CHECK(planner.size() == 2048);
}

TEST_CASE("planner: the last free range grows instead of being left behind") {
  ArenaPlanner planner;
  int64_t a = planner.allocate(64);
  planner.release(a, 64);
  CHECK(planner.allocate(6400) == 0);
  CHECK(planner.size() == 6400);
}
