#include "base/id_map.h"

#include <doctest/doctest.h>

#include <unordered_map>

using phintys::IdMap;

TEST_CASE("an id map gives back what was inserted first") {
  IdMap<int> map;
  CHECK(map.find(1) == nullptr);
  CHECK(map.insert(1, 10).second);
  CHECK(!map.insert(1, 20).second);
  CHECK(*map.find(1) == 10);
  *map.insert(1, 0).first = 30;
  CHECK(*map.find(1) == 30);
  CHECK(!map.contains(2));
  CHECK(map.size() == 1);
}

TEST_CASE("an id map agrees with the standard one") {
  IdMap<uint64_t> map;
  std::unordered_map<uint64_t, uint64_t> expected;
  uint64_t state = 1;
  // Runs of neighbours, far apart and overlapping, as ids of nodes come.
  for (int run = 0; run < 200; ++run) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    const uint64_t first = 1 + (state >> (run % 2 ? 50 : 20));
    for (uint64_t id = first; id < first + 100; ++id) {
      const bool fresh = expected.emplace(id, id * 3).second;
      CHECK(map.insert(id, id * 3).second == fresh);
    }
  }
  CHECK(map.size() == expected.size());
  for (const auto& [id, value] : expected) {
    REQUIRE(map.find(id));
    CHECK(*map.find(id) == value);
  }
  CHECK(!map.contains(UINT64_MAX));
}
