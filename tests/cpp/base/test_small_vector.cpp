#include <doctest/doctest.h>

#include <array>
#include <cstdint>
#include <vector>

#include "base/dims.h"
#include "base/hash.h"
#include "base/small_vector.h"

using phintys::Dims;
using phintys::SmallVec;

TEST_CASE("SmallVec grows from its own storage onto the heap") {
  SmallVec<int, 3> v;
  CHECK(v.empty());
  for (int i = 0; i < 100; ++i) {
    v.push_back(i);
    REQUIRE(v.size() == static_cast<std::size_t>(i) + 1);
    REQUIRE(v.back() == i);
  }
  for (int i = 0; i < 100; ++i) REQUIRE(v[static_cast<std::size_t>(i)] == i);
  v.push_back(v[0]);  // an element of the vector itself, while it grows
  CHECK(v.back() == 0);
}

TEST_CASE("SmallVec copies and moves") {
  for (std::size_t n : {0u, 2u, 3u, 4u, 50u}) {
    SmallVec<std::int64_t, 3> a;
    for (std::size_t i = 0; i < n; ++i) a.push_back(static_cast<std::int64_t>(i));
    SmallVec<std::int64_t, 3> b(a);
    CHECK(a == b);
    SmallVec<std::int64_t, 3> c(std::move(b));
    CHECK(a == c);
    CHECK(b.empty());
    SmallVec<std::int64_t, 3> d{9, 9, 9, 9, 9};
    d = a;
    CHECK(d == a);
    SmallVec<std::int64_t, 3> e{9, 9, 9, 9, 9};
    e = std::move(d);
    CHECK(e == a);
    CHECK(d.empty());
    d.push_back(7);
    CHECK(d[0] == 7);
    const auto& self = e;
    e = self;
    CHECK(e == a);
  }
}

TEST_CASE("SmallVec inserts, erases, resizes") {
  SmallVec<int, 4> v{1, 2, 3};
  CHECK(*v.insert(v.begin(), 0) == 0);
  v.insert(v.end(), 4);
  v.insert(v.begin() + 2, 9);
  CHECK(v == SmallVec<int, 4>{0, 1, 9, 2, 3, 4});
  CHECK(*v.erase(v.begin() + 2) == 2);
  CHECK(v == SmallVec<int, 4>{0, 1, 2, 3, 4});
  v.erase(v.begin() + 1, v.begin() + 3);
  CHECK(v == SmallVec<int, 4>{0, 3, 4});
  v.pop_back();
  v.resize(4, 8);
  CHECK(v == SmallVec<int, 4>{0, 3, 8, 8});
  v.resize(1);
  CHECK(v == SmallVec<int, 4>{0});
  CHECK(SmallVec<int, 4>{1, 2} < SmallVec<int, 4>{1, 3});
  CHECK(SmallVec<int, 4>{1} < SmallVec<int, 4>{1, 0});
}

TEST_CASE("SmallVec is made from iterators and counts") {
  std::vector<int> source{1, 2, 3, 4, 5, 6, 7};
  Dims from_range(source.begin(), source.end());
  CHECK(from_range.size() == 7);
  CHECK(from_range[6] == 7);
  Dims filled(3, 5);
  CHECK(filled == Dims{5, 5, 5});
}

TEST_CASE("Dims: product and text") {
  CHECK(phintys::product(Dims{}) == 1);
  CHECK(phintys::product(Dims{2, 3, 4}) == 24);
  CHECK(phintys::to_string(Dims{}) == "()");
  CHECK(phintys::to_string(Dims{3}) == "(3,)");
  CHECK(phintys::to_string(Dims{2, 3}) == "(2, 3)");
  std::int64_t n = -1;
  CHECK(phintys::checked_product(Dims{3, 0, INT64_MAX, 2}, &n));
  CHECK(n == 0);
  CHECK_FALSE(phintys::checked_product(Dims{INT64_MAX, 2}, &n));
  CHECK_FALSE(phintys::checked_product(Dims{0, -1}, &n));
}

TEST_CASE("hashes tell apart what differs") {
  CHECK(phintys::hash_dims(Dims{1, 2}) == phintys::hash_dims(Dims{1, 2}));
  CHECK(phintys::hash_dims(Dims{1, 2}) != phintys::hash_dims(Dims{2, 1}));
  CHECK(phintys::hash_dims(Dims{}) != phintys::hash_dims(Dims{0}));
  CHECK(phintys::hash_string("ab") != phintys::hash_string(std::string_view("ab\0", 3)));
  std::vector<std::uint64_t> seen;
  for (std::int64_t i = 0; i < 1000; ++i) seen.push_back(phintys::hash_combine(0, i) % 4096);
  std::array<int, 4096> buckets{};
  int worst = 0;
  for (auto s : seen) worst = std::max(worst, ++buckets[s]);
  CHECK(worst <= 8);
}
