// A flat hash table from ids to small values: open addressing, no allocation per entry.
//
// Ids of nodes that were built one after the other are neighbours. Groups of them stay together in
// the table, so that a walk along a chain of nodes touches its memory in order, and only the
// groups are scattered. There is no iteration, hence no order that could leak into results.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace phintys {

template <class T>
class IdMap {
 public:
  IdMap() = default;
  explicit IdMap(std::size_t expected) { reserve(expected); }

  std::size_t size() const noexcept { return size_; }
  void reserve(std::size_t n) {
    std::size_t capacity = 16;
    while (capacity < 2 * n) capacity *= 2;
    if (capacity > entries_.size()) rehash(capacity);
  }
  // Null if there is none. The pointer is good until the next insertion. `id` is not 0.
  T* find(std::uint64_t id) noexcept {
    if (entries_.empty()) return nullptr;
    Entry& e = entries_[position(id)];
    return e.id ? &e.value : nullptr;
  }
  const T* find(std::uint64_t id) const noexcept { return const_cast<IdMap*>(this)->find(id); }
  bool contains(std::uint64_t id) const noexcept { return find(id) != nullptr; }
  // The value for `id`, and whether it is new (then `value`, else what was there).
  std::pair<T*, bool> insert(std::uint64_t id, T value) {
    if (2 * (size_ + 1) > entries_.size()) rehash(entries_.empty() ? 16 : 2 * entries_.size());
    Entry& e = entries_[position(id)];
    if (e.id) return {&e.value, false};
    e.id = id;
    e.value = std::move(value);
    ++size_;
    return {&e.value, true};
  }

 private:
  struct Entry {
    std::uint64_t id = 0;
    T value{};
  };
  static constexpr std::uint64_t kGroup = 8;

  // Where `id` stands, or the free entry where it would go.
  std::size_t position(std::uint64_t id) const noexcept {
    const std::size_t mask = entries_.size() - 1;
    const std::uint64_t group = (id / kGroup) * 0x9E3779B97F4A7C15ull >> 20;
    std::size_t at = static_cast<std::size_t>(group * kGroup + id % kGroup) & mask;
    while (entries_[at].id && entries_[at].id != id) at = (at + 1) & mask;
    return at;
  }
  void rehash(std::size_t capacity) {
    std::vector<Entry> old = std::exchange(entries_, std::vector<Entry>(capacity));
    for (Entry& e : old) {
      if (e.id) entries_[position(e.id)] = std::move(e);
    }
  }

  std::vector<Entry> entries_;
  std::size_t size_ = 0;
};

}  // namespace phintys
