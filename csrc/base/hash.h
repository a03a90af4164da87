// Hashes for tables inside one process. They are not part of any file format and not meant to
// withstand an attacker.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string_view>

#include "base/dims.h"

namespace phintys {

namespace detail {

// The 128-bit product folded to 64 bits: one multiplication mixes all bits of both words.
inline std::uint64_t hash_mix(std::uint64_t a, std::uint64_t b) noexcept {
  const unsigned __int128 product = static_cast<unsigned __int128>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

inline constexpr std::uint64_t kHashA = 0x9E3779B97F4A7C15ull;
inline constexpr std::uint64_t kHashB = 0xD6E8FEB86659FD93ull;

}  // namespace detail

inline std::uint64_t hash_combine(std::uint64_t seed, std::uint64_t value) noexcept {
  return detail::hash_mix(seed ^ detail::kHashA, value ^ detail::kHashB);
}

inline std::uint64_t hash_bytes(const void* bytes, std::size_t n, std::uint64_t seed = 0) noexcept {
  const unsigned char* p = static_cast<const unsigned char*>(bytes);
  std::uint64_t h = hash_combine(seed, n);
  for (; n >= 8; n -= 8, p += 8) {
    std::uint64_t word;
    std::memcpy(&word, p, 8);
    h = hash_combine(h, word);
  }
  if (n) {
    std::uint64_t word = 0;
    std::memcpy(&word, p, n);
    h = hash_combine(h, word);
  }
  return h;
}

inline std::uint64_t hash_string(std::string_view text, std::uint64_t seed = 0) noexcept {
  return hash_bytes(text.data(), text.size(), seed);
}

inline std::uint64_t hash_pointer(const void* p, std::uint64_t seed = 0) noexcept {
  return hash_combine(seed, reinterpret_cast<std::uintptr_t>(p));
}

inline std::uint64_t hash_dims(const Dims& dims, std::uint64_t seed = 0) noexcept {
  return hash_bytes(dims.data(), dims.size() * sizeof(std::int64_t), seed);
}

struct DimsHash {
  std::size_t operator()(const Dims& dims) const noexcept { return hash_dims(dims); }
};

}  // namespace phintys
